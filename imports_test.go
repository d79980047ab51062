// Package remora holds one test of the whole repository: which package may
// import which.
package remora

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/remora-ray/remora"

// allowedImports lists for every package which others of ours it may import,
// tests left out. "x/..." stands for x and all below it. Arrows go one way.
var allowedImports = map[string][]string{
	"internal/logs":            {},
	"internal/ray":             {},
	"internal/loki":            {"internal/logs"},
	"internal/detect":          {"internal/logs"},
	"internal/patterns":        {"internal/logs"},
	"internal/otlp":            {"internal/logs", "internal/loki"},
	"internal/logql/syntax":    {"internal/logs"},
	"internal/logql/plan":      {"internal/logs", "internal/logql/syntax"},
	"internal/logql/exec":      {"internal/logs", "internal/logql/..."},
	"internal/logql/logqltest": {"internal/logs", "internal/logql/..."},
	"internal/store":           {"internal/logs", "internal/loki"},
	"internal/store/...":       {"internal/logs", "internal/loki", "internal/store/..."},
	"internal/archive":         {"internal/ray"},
	"internal/inspect":         {"internal/ray", "internal/archive"},
	"internal/agent/...":       {"internal/logs", "internal/loki", "internal/ray", "internal/agent/..."},
	"internal/client":          {"internal/logs", "internal/loki"},
	"internal/server":          {"internal/logs", "internal/loki", "internal/detect", "internal/otlp", "internal/patterns", "internal/logql/...", "internal/store", "web"},
	"internal/demo":            {"internal/ray", "internal/archive"},
	"internal/cli":             {"internal/...", "web"},
	"web":                      {},
	"cmd/remora":               {"internal/cli"},
	"cmd/remora-agent":         {"internal/agent", "internal/agent/...", "internal/logs", "internal/loki", "internal/ray"},
	"api/rayv1":                {},
	"api/rayv1/generate":       {},
	"internal/operator/...":    {"api/rayv1", "internal/operator/..."},
	"cmd/remora-operator":      {"api/rayv1", "internal/operator/..."},
	"test/...":                 {"internal/...", "test/loopback"},
}

// onlyIn lists foreign modules that one room alone may know.
var onlyIn = map[string][]string{
	"github.com/VictoriaMetrics/VictoriaLogs":    {"internal/store/embedded"},
	"github.com/VictoriaMetrics/VictoriaMetrics": {"internal/store/embedded"},
	"github.com/spf13/cobra":                     {"internal/cli", "cmd/remora", "cmd/remora-agent"},
	"github.com/coder/websocket":                 {"internal/server", "internal/client", "test/lokidiff"},
	"golang.org/x/term":                          {"internal/cli"},
	"github.com/thanos-io/objstore":              {"internal/store/backup"},
	"k8s.io":                                     {"api/...", "internal/operator/...", "cmd/remora-operator"},
	"sigs.k8s.io":                                {"api/...", "internal/operator/...", "cmd/remora-operator"},
}

// standardOnly packages import nothing but Go's standard library and ours.
var standardOnly = []string{"internal/logs", "internal/ray", "internal/logql/syntax", "internal/logql/plan"}

type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == module {
			continue
		}
		seen++
		checkImports(t, strings.TrimPrefix(p.ImportPath, module+"/"), p.Imports)
	}
	if seen < 10 {
		t.Fatalf("saw only %d packages", seen)
	}
}

func checkImports(t *testing.T, pkg string, imports []string) {
	allowed, known := lookup(pkg)
	if !known {
		t.Errorf("package %s has no row in allowedImports: say what it may import", pkg)
		return
	}
	for _, imp := range imports {
		if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
			if !slices.ContainsFunc(allowed, func(pattern string) bool { return covers(pattern, ours) }) {
				t.Errorf("%s must not import %s", pkg, ours)
			}
			continue
		}
		first, _, _ := strings.Cut(imp, "/")
		if strings.Contains(first, ".") && slices.Contains(standardOnly, pkg) {
			t.Errorf("%s must not import %s: only the standard library", pkg, imp)
		}
		for mod, rooms := range onlyIn {
			if covers(mod+"/...", imp) && !slices.ContainsFunc(rooms, func(room string) bool { return covers(room, pkg) }) {
				t.Errorf("%s must not import %s: only %s may", pkg, imp, strings.Join(rooms, ", "))
			}
		}
	}
}

// lookup finds the row of pkg: its own, else the nearest "…/..." above it.
func lookup(pkg string) ([]string, bool) {
	if allowed, ok := allowedImports[pkg]; ok {
		return allowed, true
	}
	for dir := pkg; dir != "."; dir = path.Dir(dir) {
		if allowed, ok := allowedImports[dir+"/..."]; ok {
			return allowed, true
		}
	}
	return nil, false
}

// covers reports whether pattern ("a/b" or "a/b/...") takes in pkg.
func covers(pattern, pkg string) bool {
	if base, tree := strings.CutSuffix(pattern, "/..."); tree {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

// The agent is small: it must link neither the store nor the server.
func TestAgentStaysSmall(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/remora-agent").Output()
	if err != nil {
		t.Fatalf("list what the agent links: %v", err)
	}
	for _, dep := range strings.Fields(string(out)) {
		for _, far := range []string{
			module + "/internal/store", module + "/internal/server", module + "/internal/logql",
			"github.com/VictoriaMetrics/VictoriaLogs", "k8s.io",
		} {
			if covers(far+"/...", dep) {
				t.Errorf("remora-agent links %s", dep)
			}
		}
	}
}

// Loki is AGPL: of its modules only pkg/push (Apache-2.0) may be used, in tests. Of
// what Grafana keeps beside it a module under a free licence may be linked.
func TestNoLokiCodeIsLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/...").Output()
	if err != nil {
		t.Fatalf("list what the programs link: %v", err)
	}
	for _, dep := range slices.Sorted(maps.Keys(toSet(strings.Fields(string(out))))) {
		const jsonparser = "github.com/grafana/jsonparser" // MIT
		if strings.HasPrefix(dep, "github.com/grafana/") && dep != jsonparser {
			t.Errorf("a program links %s", dep)
		}
	}
}

func toSet(items []string) map[string]bool {
	set := make(map[string]bool, len(items))
	for _, item := range items {
		set[item] = true
	}
	return set
}
