package convert

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sourceFile carries a loki.source.file whose targets the file itself tells.
func (a *alloy) sourceFile(b *block) error {
	a.used[b] = true
	v, err := a.targets(b, "targets")
	if err != nil {
		why := err.Error()
		if e, ok := err.(*Error); ok {
			why = e.Msg
		}
		why += "; for the containers of a Kubernetes node write a source containers"
		if a.refused == nil {
			a.refused = errorAt(b.pos, "%s cannot be carried: %s", b.id(), why)
		}
		a.w.left(b.pos, b.id(), why)
		return nil
	}
	for _, target := range v.([]any) {
		if err := a.target(b, target.(*object)); err != nil {
			return err
		}
	}
	for _, at := range b.attributes {
		switch at.name {
		case "targets", "forward_to":
		case "tail_from_end":
			if v, _ := a.eval.value(at.value); v == true {
				a.w.left(at.pos, b.name+" tail_from_end", "files are read from their beginning")
			}
		case "encoding":
			a.w.left(at.pos, b.name+" encoding", "lines are UTF-8; other bytes are replaced")
		default:
			a.w.left(at.pos, b.name+" "+at.name, "the agent has no such setting")
		}
	}
	for _, inner := range b.blocks {
		why := "the agent has no such part"
		if inner.name == "file_watch" {
			why = "directories are watched, and looked at every scan_interval besides"
		}
		a.w.left(inner.pos, b.name+" "+inner.name, why)
	}
	a.syncPeriods(b)
	return a.route(b, b, nil)
}

// syncPeriods carries how often a local.file_match looks for files.
func (a *alloy) syncPeriods(b *block) {
	name := dotted(b.attribute("targets").value)
	id, _ := reference(name).cut("targets")
	match := a.components[id]
	if match == nil {
		return
	}
	for _, at := range match.attributes {
		switch at.name {
		case "path_targets":
		case "sync_period":
			if v, err := a.eval.value(at.value); err == nil {
				a.w.kept(a.w.set("scan_interval", fmt.Sprint(v)), at.pos, match.name+" sync_period", "directories are watched besides")
			}
		default:
			a.w.left(at.pos, match.name+" "+at.name, "the agent has no such setting")
		}
	}
}

// target makes one target a source, or a further pattern of the source before it.
func (a *alloy) target(b *block, t *object) error {
	path, _ := t.values["__path__"].(string)
	if path == "" {
		return errorAt(b.pos, "a target of %s has no __path__", b.id())
	}
	exclude, _ := t.values["__path_exclude__"].(string)
	name := or(b.label, "files")
	var source, key *yaml.Node
	if root, all, ok := rayPath(path); ok {
		a.patterns = append(a.patterns, pattern{b.pos, path, all})
		if exclude != "" {
			a.excluded = append(a.excluded, pattern{b.pos, exclude, false})
		}
		if old := a.w.rayOf(root); old != nil {
			a.w.changed(keyOf(old, "ray"), b.pos, "__path__ "+path, "the same source reads these files already")
			return nil
		}
		source, key = a.w.addSource(name, "ray", mapping("root", text(root)))
		why := "all sessions below " + root + " and all their directories are followed"
		a.w.changed(key, b.pos, "__path__ "+path, why)
	} else if include, ok := podLogs(path); ok {
		source, key = a.w.addSource(name, "containers", mapping("root", text("/var/log/pods"), "include", texts([]string{include})))
		a.w.changed(key, b.pos, "__path__ "+path, "a pattern is NAMESPACE/POD/CONTAINER or NAMESPACE_POD_UID")
	} else {
		files := mapping("include", texts([]string{path}))
		if exclude != "" {
			put(files, "exclude", texts([]string{exclude}))
		}
		source, key = a.w.addSource(name, "files", files)
		a.w.kept(key, b.pos, "__path__ "+path, "")
	}
	a.targetLabels(b, source, t)
	return nil
}

func (a *alloy) targetLabels(b *block, source *yaml.Node, t *object) {
	keys := slices.Clone(t.keys)
	slices.Sort(keys)
	for _, name := range keys {
		v := t.values[name]
		s, ok := v.(string)
		switch {
		case strings.HasPrefix(name, "__") || s == "" && ok:
		case !ok:
			a.w.left(b.pos, "label "+name, "its value is not a text")
		case name == "RayCluster" && (value(&a.w.top, "cluster") == nil || value(&a.w.top, "cluster").Value == s):
			a.w.kept(a.w.set("cluster", s), b.pos, "label "+name, "")
		default:
			why := ""
			if value(source, "ray") != nil && (name == "service_name" && s == "ray-cluster" || name == "job" && s == "ray/logs") {
				why = "lines of Ray have it without being told"
			}
			key := put(part(source, "labels", yaml.MappingNode), labelName(name), text(s))
			a.w.kept(key, b.pos, "label "+name, why)
		}
	}
}
