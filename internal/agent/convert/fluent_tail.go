package convert

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// input carries a tail; other inputs are left with a note.
func (f *fluent) input(s *section) error {
	name := s.name()
	if name == "" {
		return errorAt(s.pos, "this input has no Name")
	}
	if name != "tail" {
		f.w.left(s.at("name"), "input "+name, "the agent reads files: of Ray, of containers, and others by pattern")
		return nil
	}
	var paths []string
	for _, p := range s.props {
		if strings.EqualFold(p.key, "path") {
			paths = append(paths, splitPaths(p.value)...)
		}
	}
	if len(paths) == 0 {
		return errorAt(s.pos, "this tail has no Path")
	}
	made := f.sources(s, paths)
	for _, in := range made {
		in.tag = s.get("tag")
		if in.tag == "" {
			in.tag = "tail." + itoa(len(f.inputs))
		}
		if in.line = s.get("key"); in.line == "" {
			in.line = "log"
		}
		f.inputs = append(f.inputs, in)
	}
	f.tailSettings(s, made)
	return nil
}

// sources makes one source of each sort of path.
func (f *fluent) sources(s *section, paths []string) (made []*input) {
	var plain []string
	name := s.get("tag")
	if strings.ContainsAny(name, "*<>") {
		name = ""
	}
	at := s.at("path")
	pods := list()
	for _, p := range paths {
		if root, all, ok := rayPath(p); ok {
			made = append(made, f.raySource(s, or(name, "ray"), p, root, all))
			continue
		}
		if include, ok := podLogs(p); ok {
			pods.Content = append(pods.Content, text(include))
			continue
		}
		plain = append(plain, p)
	}
	if len(pods.Content) > 0 {
		pods.Style = yaml.FlowStyle
		source, key := f.w.addSource(or(name, "pods"), "containers", mapping("root", text("/var/log/pods"), "include", pods))
		f.w.changed(key, at, "tail Path", "the files are read where the kubelet writes them; a pattern is NAMESPACE/POD/CONTAINER or NAMESPACE_POD_UID")
		made = append(made, &input{section: s, source: source, key: key})
	}
	if len(plain) > 0 {
		source, key := f.w.addSource(or(name, "files"), "files", mapping("include", texts(plain)))
		f.w.kept(key, at, "tail Path", "")
		made = append(made, &input{section: s, source: source, key: key})
	}
	return made
}

// raySource follows Ray's logs as a whole; a root that is followed already is not
// followed twice.
func (f *fluent) raySource(s *section, name, path, root string, all bool) *input {
	at := s.at("path")
	why := "all sessions below " + root + " and all their directories are followed: session_latest moves on when Ray starts again, and * does not take serve/, old/ and events/"
	f.patterns = append(f.patterns, pattern{at, path, all})
	if old := f.w.rayOf(root); old != nil {
		f.w.changed(keyOf(old, "ray"), at, "tail Path "+path, "the same source reads these files already")
		return &input{section: s, source: old, key: keyOf(old, "ray")}
	}
	source, key := f.w.addSource(name, "ray", mapping("root", text(root)))
	f.w.changed(key, at, "tail Path "+path, why)
	return &input{section: s, source: source, key: key}
}

func (f *fluent) tailSettings(s *section, made []*input) {
	if s.get("read_from_head") == "" {
		f.w.changed(made[0].key, s.pos, "tail Read_from_Head", "files that are there at the first start are read from their beginning; Fluent Bit skips what they hold unless told otherwise")
	}
	for _, p := range s.props {
		f.tailSetting(p, made)
	}
}

// tailFates are the settings of tail that need no more than a note.
var tailFates = map[string]struct {
	fate Fate
	why  string
}{
	"tag":                       {Changed, "what is read goes to every output, without tags"},
	"tag_regex":                 {Left, "sources are not told apart by parts of their paths: `filename` is in the metadata of each line"},
	"offset_key":                {Changed, "each line has its place in the file as the metadata `offset`"},
	"rotate_wait":               {Left, "a rotated or deleted file is held until its last line is acknowledged"},
	"watcher_interval":          {Left, "directories are watched"},
	"inotify_watcher":           {Left, "directories are watched, and looked at every scan_interval besides"},
	"mem_buf_limit":             {Left, "memory is bounded without it: reading waits for the output"},
	"skip_long_lines":           {Changed, "a line of more than 256 KiB is split: none is skipped, and no file is given up"},
	"truncate_long_lines":       {Changed, "a line of more than 256 KiB is split, not cut off"},
	"skip_empty_lines":          {Changed, "empty lines are kept"},
	"read_from_head":            {Kept, "files are read from their beginning"},
	"key":                       {Changed, "an entry is the line itself, not a field of a record"},
	"threaded":                  {Left, "files are read side by side"},
	"ignore_older":              {Left, "old files are read once; their lines keep their own times"},
	"ignore_active_older_files": {Left, "old files are read once; their lines keep their own times"},
	"static_batch_size":         {Left, "files are read in turn"},
	"progress_check_interval":   {Left, "directories are watched"},
	"exit_on_eof":               {Left, "give --once to read to the end and stop"},
	"docker_mode":               {Changed, "the containers source joins the parts of a split line"},
	"docker_mode_flush":         {Changed, "the containers source joins the parts of a split line"},
	"docker_mode_parser":        {Left, "the containers source joins the parts of a split line"},
}

func (f *fluent) tailSetting(p property, made []*input) {
	first, what, key := made[0], "tail "+p.key, strings.ToLower(p.key)
	switch key {
	case "name", "path":
	case "path_key":
		why := "the path is in the metadata `filename` of each line"
		if strings.EqualFold(p.value, "true") || strings.EqualFold(p.value, "on") {
			why = "Path_Key is the name of a field, so Fluent Bit wrote the path into one named \"" + p.value + "\"; " + why
		}
		f.w.changed(first.key, p.pos, what, why)
	case "refresh_interval":
		f.duration("scan_interval", p, what, "directories are watched besides")
	case "exclude_path":
		f.exclude(p, what, made)
	case "parser", "multiline.parser", "multiline", "parser_firstline", "multiline_flush":
		f.parses = append(f.parses, func() { f.tailParser(p, what, made) })
	case "db":
		state := "/var/lib/remora-agent"
		if at := strings.LastIndexByte(p.value, '/'); at > 0 && p.value[0] != '.' {
			state = p.value[:at] + "/remora-agent"
		}
		f.w.changed(f.w.set("state", state), p.pos, what, "positions are kept in a directory; those of Fluent Bit are not taken over: files are read from their beginning")
	default:
		known, ok := tailFates[key]
		switch {
		case !ok && strings.HasPrefix(key, "parser_"):
			f.parses = append(f.parses, func() { f.tailParser(p, what, made) })
		case !ok:
			f.unknown(p, what)
		case known.fate == Left:
			f.w.left(p.pos, what, known.why)
		default:
			f.w.note(first.key, Note{p.pos, known.fate, what, known.why})
		}
	}
}

func (f *fluent) exclude(p property, what string, made []*input) {
	seen := map[*yaml.Node]bool{}
	for _, in := range made {
		files := value(in.source, "files")
		switch {
		case seen[in.source]:
		case files != nil:
			old := value(files, "exclude")
			if old == nil {
				old = texts(nil)
			}
			old.Content = append(old.Content, texts(splitPaths(p.value)).Content...)
			f.w.kept(put(files, "exclude", old), p.pos, what, "")
		case value(in.source, "ray") != nil:
			for _, path := range splitPaths(p.value) {
				f.excluded = append(f.excluded, pattern{p.pos, path, false})
			}
		default:
			f.w.left(p.pos, what, "write exclude: with NAMESPACE/POD/CONTAINER")
		}
		seen[in.source] = true
	}
}
