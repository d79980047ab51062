package discover

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// glob is a pattern for paths. Leading slashes of pattern and path do not count.
type glob struct {
	pattern string
	base    string   // directory before the first wildcard
	parts   []string // of the pattern; "**" where any directories may be
	name    bool     // it is for the last part of a path alone
}

func newGlob(p string) (glob, error) {
	if p == "" || !doublestar.ValidatePattern(p) {
		return glob{}, fmt.Errorf("pattern %q: not a glob such as /var/log/app/**/*.log", p)
	}
	trimmed := strings.TrimPrefix(path.Clean(p), "/")
	base, _ := doublestar.SplitPattern(path.Clean(p))
	g := glob{pattern: trimmed, base: unquoted(base), name: !strings.Contains(p, "/")}
	depth := 0
	for _, part := range strings.Split(trimmed, "/") {
		whole := depth == 0
		depth += strings.Count(part, "{") - strings.Count(part, "}")
		if !whole || depth != 0 { // an alternative with a slash: anything may be there
			g.parts = append(g.parts, "**")
			break
		}
		g.parts = append(g.parts, part)
	}
	return g, nil
}

// unquoted takes the backslashes off that keep a wildcard from being one.
func unquoted(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (g *glob) matches(p string) bool {
	if g.name {
		return g.matchesPart(path.Base(p))
	}
	return doublestar.MatchUnvalidated(g.pattern, strings.TrimPrefix(p, "/"))
}

// matchesPart matches one name; the empty pattern matches every one.
func (g *glob) matchesPart(name string) bool {
	return g.pattern == "" || doublestar.MatchUnvalidated(g.pattern, name)
}

// covers reports whether everything below a directory matches.
func (g *glob) covers(dir string) bool {
	switch {
	case g.name:
		return false
	case strings.HasSuffix(g.pattern, "/**"):
		return g.matches(dir)
	}
	return false
}

// mayHold reports whether a path below the directory may match.
func (g *glob) mayHold(dir string) bool {
	dir = strings.TrimPrefix(dir, "/")
	for _, part := range g.parts[:len(g.parts)-1] {
		if part == "**" || dir == "" {
			return true
		}
		var first string
		first, dir, _ = strings.Cut(dir, "/")
		if !doublestar.MatchUnvalidated(part, first) {
			return false
		}
	}
	return dir == "" || g.parts[len(g.parts)-1] == "**"
}

func anyMatches(all []glob, p string) bool {
	return slices.ContainsFunc(all, func(g glob) bool { return g.matches(p) })
}

// outermost leaves out directories that are below another one.
func outermost(dirs []string) []string {
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
	var out []string
	for _, d := range dirs {
		if !slices.ContainsFunc(out, func(o string) bool { return isBelow(d, o) }) {
			out = append(out, d)
		}
	}
	return out
}

// isBelow reports whether p is dir or a path below it.
func isBelow(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}
