package convert

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rayLogs matches a pattern of Ray's logs: the root, and what is taken of them.
var rayLogs = regexp.MustCompile(`^(/.*?)/session_(?:latest|\*|[^/]*)/logs(?:/(.*))?$`)

// rayPath tells the Ray root of a pattern, and whether it takes all files.
func rayPath(pattern string) (root string, all, ok bool) {
	m := rayLogs.FindStringSubmatch(pattern)
	if m == nil {
		return "", false, false
	}
	if strings.ContainsAny(m[1], "*?[{") {
		return "", false, false
	}
	switch m[2] {
	case "", "*", "**", "**/*", "*.*":
		return m[1], true, true
	}
	return m[1], false, true
}

// podLogs writes a pattern of container logs as the containers source has them:
// NAMESPACE/POD/CONTAINER, or NAMESPACE_POD_UID/CONTAINER.
func podLogs(pattern string) (include string, ok bool) {
	if rest, found := strings.CutPrefix(pattern, "/var/log/pods/"); found {
		parts := strings.Split(rest, "/")
		switch {
		case parts[0] == "**" || strings.Trim(rest, "*/.log") == "":
			return "*", true
		case len(parts) < 3 || parts[1] == "*" || parts[1] == "**":
			return parts[0], true
		}
		return parts[0] + "/" + parts[1], true
	}
	rest, found := strings.CutPrefix(pattern, "/var/log/containers/")
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
