package convert

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rayLogs matches a pattern of Ray's logs: the root, and what is taken of them.
var rayLogs = regexp.MustCompile(`^((?:/|\$\{\w+\}).*?)/session_(?:latest|\*|[^/]*)/logs(?:/(.*))?$`)

// rayPath tells the Ray root of a pattern, and whether it takes all files.
func rayPath(path string) (root string, all, ok bool) {
	m := rayLogs.FindStringSubmatch(path)
	if m == nil {
		return "", false, false
	}
	if strings.ContainsAny(variable.ReplaceAllString(m[1], ""), "*?[{") {
		return "", false, false
	}
	switch m[2] {
	case "", "*", "**", "**/*", "*.*":
		return m[1], true, true
	}
	return m[1], false, true
}

// rayFiles writes a pattern as an expression of the metadata filename, the path below
// logs/; ok is false where it is more than *, ? and plain text.
func rayFiles(path string) (expr string, ok bool) {
	before := ""
	if m := rayLogs.FindStringSubmatch(path); m != nil {
		path = m[2]
	} else if strings.Contains(path, "/") {
		return "", false
	} else {
		before = "(?:.*/)?"
	}
	if strings.ContainsAny(path, `[]{}\`) {
		return "", false
	}
	return before + strings.NewReplacer(`\*\*/`, `(?:.*/)?`, `\*\*`, `.*`, `\*`, `[^/]*`, `\?`, `[^/]`).Replace(regexp.QuoteMeta(path)), true
}

// onlyRay reports whether every source is of Ray.
func (w *writer) onlyRay() bool {
	return !slices.ContainsFunc(part(&w.top, "sources", yaml.SequenceNode).Content, func(s *yaml.Node) bool { return value(s, "ray") == nil })
}

// rayOf is the source of a Ray root, nil if there is none.
func (w *writer) rayOf(root string) *yaml.Node {
	for _, s := range part(&w.top, "sources", yaml.SequenceNode).Content {
		if ray := value(s, "ray"); ray != nil && value(ray, "root").Value == root {
			return s
		}
	}
	return nil
}

// keepFiles keeps those of Ray's files alone that the patterns took, and drops what
// they excluded, where the pipeline is for Ray's lines alone and each pattern known.
func (w *writer) keepFiles(taken, excluded []pattern) {
	for _, p := range excluded {
		expr, ok := rayFiles(p.text)
		if !ok || !w.onlyRay() {
			w.left(p.pos, "excluded "+p.text, "all files of the source ray are read: drop lines in the pipeline")
			continue
		}
		w.fileStage("drop", expr, p.pos, "excluded "+p.text, "files are left out by dropping their lines")
	}
	var exprs []string
	for _, p := range taken {
		if p.all {
			return
		}
		expr, ok := rayFiles(p.text)
		if !ok || !w.onlyRay() {
			w.left(p.pos, "limits of "+p.text, "all files of the source ray are read: drop lines in the pipeline")
			return
		}
		exprs = append(exprs, expr)
	}
	if len(exprs) > 0 {
		w.fileStage("keep", strings.Join(exprs, "|"), taken[0].pos, "limits of "+taken[0].text, "the files that the pattern took are kept, in every session; take this stage out to keep all")
	}
}

func (w *writer) fileStage(name, expr string, pos Pos, what, why string) {
	stage := mapping(name, mapping("fields", mapping("filename", text(expr)), "reason", text("path")))
	if err := checkStage(stage); err != nil {
		w.left(pos, what, err.Error())
		return
	}
	pipeline := part(&w.top, "pipeline", yaml.SequenceNode)
	pipeline.Content = slices.Insert(pipeline.Content, 0, stage)
	w.changed(stage, pos, what, why)
}

// pattern is a path of Ray's logs that was carried.
type pattern struct {
	pos  Pos
	text string
	all  bool // it takes every file
}

// podLogs writes a pattern of container logs as the containers source has them:
// NAMESPACE/POD/CONTAINER, or NAMESPACE_POD_UID/CONTAINER.
func podLogs(path string) (include string, ok bool) {
	if rest, found := strings.CutPrefix(path, "/var/log/pods/"); found {
		parts := strings.Split(rest, "/")
		switch {
		case parts[0] == "**" || strings.Trim(rest, "*/.log") == "":
			return "*", true
		case len(parts) < 3 || parts[1] == "*" || parts[1] == "**":
			return parts[0], true
		}
		return parts[0] + "/" + parts[1], true
	}
	rest, found := strings.CutPrefix(path, "/var/log/containers/")
	if !found {
		return "", false
	}
	// Names are POD_NAMESPACE_CONTAINER-ID.log; neither of the three holds a "_".
	rest = strings.TrimSuffix(rest, ".log")
	parts := strings.Split(rest, "_")
	switch {
	case len(parts) == 3:
		return parts[1] + "/" + parts[0] + "/" + or(strings.TrimSuffix(parts[2], "-*"), "*"), true
	case len(parts) == 1 && rest != "*" && rest != "":
		return "*/" + strings.TrimSuffix(rest, "*") + "*/*", true // POD* takes the rest of the name with its star
	}
	return "*", true
}

// splitPaths cuts a list at its commas.
func splitPaths(v string) []string {
	var out []string
	for p := range strings.SplitSeq(v, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// addSource appends a source with a name that no other has.
func (w *writer) addSource(name, kind string, settings *yaml.Node) (source, key *yaml.Node) {
	sources := part(&w.top, "sources", yaml.SequenceNode)
	source = mapping("name", text(w.free("sources", name)))
	key = put(source, kind, settings)
	sources.Content = append(sources.Content, source)
	return source, key
}

var notName = regexp.MustCompile(`[^a-z0-9-]+`)

// free makes a name for an item of the list key that no other item has.
func (w *writer) free(key, name string) string {
	name = strings.Trim(notName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if name == "" {
		name = strings.TrimSuffix(key, "s")
	}
	name = name[:min(len(name), 40)]
	taken := map[string]bool{}
	for _, it := range part(&w.top, key, yaml.SequenceNode).Content {
		taken[value(it, "name").Value] = true
	}
	for n := 2; taken[name]; n++ {
		name = strings.TrimRight(name, "0123456789") + itoa(n)
	}
	return name
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
