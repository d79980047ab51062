package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

const preface = `# Fields of a RayCluster

Made from the types by ` + "`go generate ./api/rayv1`" + `. Types that are not described here are those of
Kubernetes. What is wrong with a value is told as a condition of the RayCluster, see
[kubernetes.md](kubernetes.md).
`

// reference writes a page with the fields of a RayCluster's specification and of all
// types that it leads to.
func reference(path string) error {
	structs, err := declared()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(preface)
	for queue, i := []string{"RayClusterSpec"}, 0; i < len(queue); i++ {
		s := structs[queue[i]]
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", queue[i], s.doc)
		for _, field := range s.node.Fields.List {
			if field.Tag == nil {
				continue
			}
			name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			kind, base := typeOf(field.Type)
			if _, ours := structs[base]; ours {
				if !slices.Contains(queue, base) {
					queue = append(queue, base)
				}
				kind = strings.Replace(kind, base, "["+base+"](#"+strings.ToLower(base)+")", 1)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, kind, prose(field.Doc))
		}
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

type declaration struct {
	doc  string
	node *ast.StructType
}

// declared are the structs of the package in the working directory.
func declared() (map[string]declaration, error) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		return nil, err
	}
	found := map[string]declaration{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					if s, ok := t.Type.(*ast.StructType); ok {
						found[t.Name.Name] = declaration{prose(gen.Doc), s}
					}
				}
			}
		}
	}
	return found, nil
}

// prose is a comment in one line, without the markers of controller-gen but for what
// they say of defaults.
func prose(comment *ast.CommentGroup) string {
	if comment == nil {
		return ""
	}
	var words []string
	standard := ""
	for _, line := range strings.Split(comment.Text(), "\n") {
		if value, ok := strings.CutPrefix(line, "+kubebuilder:default="); ok {
			standard = " Default: `" + strings.Trim(value, `"`) + "`."
		}
		if !strings.HasPrefix(line, "+") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(words, " "), "|", `\|`) + standard)
}

// typeOf names a type as YAML has it, and the type of ours in it.
func typeOf(e ast.Expr) (name, base string) {
	switch t := e.(type) {
	case *ast.StarExpr:
		return typeOf(t.X)
	case *ast.ArrayType:
		name, base = typeOf(t.Elt)
		return "list of " + name, base
	case *ast.MapType:
		name, base = typeOf(t.Value)
		return "map to " + name, base
	case *ast.SelectorExpr:
		return t.Sel.Name, ""
	case *ast.Ident:
		switch t.Name {
		case "string":
			return "text", ""
		case "bool":
			return "true, false", ""
		case "int32", "int64", "float64":
			return "number", ""
		}
		return t.Name, t.Name
	}
	return "", ""
}
