package convert

import (
	"net"
	"strings"

	"go.yaml.in/yaml/v3"
)

// output carries loki and stdout; others are left with a note.
func (f *fluent) output(s *section) error {
	name := s.name()
	if name == "" {
		return errorAt(s.pos, "this output has no Name")
	}
	if name != "loki" && name != "stdout" {
		f.w.left(s.at("name"), "output "+name, "the agent sends to a Remora server, to Loki and to standard output")
		return nil
	}
	some, all := f.routed(s)
	if len(some) == 0 {
		f.w.left(s.pos, "output "+name, "its Match takes the Tag of no input")
		return nil
	}
	if !all {
		return errorAt(s.at("match"), "this output takes some inputs only, and an agent sends what it reads to each of its outputs: write a file for each such output, with its inputs alone")
	}
	f.uploads++
	if name == "stdout" {
		f.stdout(s)
		return nil
	}
	return f.loki(s)
}

func (w *writer) addOutput(name, kind string, settings *yaml.Node) (output, key *yaml.Node) {
	outputs := part(&w.top, "outputs", yaml.SequenceNode)
	output = mapping("name", text(w.free("outputs", name)))
	key = put(output, kind, settings)
	outputs.Content = append(outputs.Content, output)
	return output, key
}

func (f *fluent) stdout(s *section) {
	_, key := f.w.addOutput(or(s.get("alias"), "stdout"), "stdout", mapping("format", text("json")))
	f.w.changed(key, s.pos, "output stdout", "an object for each line, with its file, where Fluent Bit writes records of its own; format: raw writes the lines alone")
	for _, p := range s.props {
		switch k := strings.ToLower(p.key); k {
		case "name", "match", "match_regex", "format", "alias":
		case "json_date_key", "json_date_format":
			f.w.left(p.pos, "stdout "+p.key, "the time is in `time` of each object, RFC 3339")
		default:
			f.unknown(p, "stdout "+p.key)
		}
	}
}

// loki carries an output to Loki.
func (f *fluent) loki(s *section) error {
	settings := mapping()
	o := &lokiOutput{f: f, s: s, settings: settings}
	output, key := f.w.addOutput(or(s.get("alias"), "loki"), "loki", settings)
	o.output, o.key = output, key
	f.w.changed(key, s.pos, "output loki", "an entry is the line itself, where Fluent Bit sends the record as JSON: a query needs no | json; for a Remora server write remora: in place of loki:")
	o.url()
	if s.get("labels") == "" {
		f.w.changed(key, s.pos, "loki Labels", "Fluent Bit labels lines job=\"fluent-bit\" where it is told none; lines of Ray have job=\"ray/logs\"")
	}
	if f.flush != "" {
		d := seconds(f.flush)
		if d == "" || d == "0s" {
			f.w.left(f.flushPos, "service Flush", "it is not a number of seconds above 0")
		} else {
			f.w.kept(put(&f.w.top, "batch_wait", text(d)), f.flushPos, "service Flush", "")
		}
		f.flush = ""
	}
	for _, p := range s.props {
		if err := o.setting(p); err != nil {
			return err
		}
	}
	return nil
}

type lokiOutput struct {
	f        *fluent
	s        *section
	output   *yaml.Node
	key      *yaml.Node
	settings *yaml.Node
}

func (o *lokiOutput) url() {
	scheme, port, uri := "http", or(o.s.get("port"), "3100"), or(o.s.get("uri"), "/loki/api/v1/push")
	if isOn(o.s.get("tls")) {
		scheme = "https"
	}
	url := scheme + "://" + net.JoinHostPort(or(o.s.get("host"), "127.0.0.1"), port)
	prefix, isPush := strings.CutSuffix(uri, "/loki/api/v1/push")
	key := put(o.settings, "url", text(url+prefix))
	o.f.w.kept(key, o.s.at("host"), "loki Host", "")
	switch {
	case !isPush:
		o.f.w.changed(key, o.s.at("uri"), "loki uri", "pushes go to /loki/api/v1/push")
	case o.s.get("uri") != "":
		o.f.w.kept(key, o.s.at("uri"), "loki uri", "")
	}
}

// lokiNames are settings that have the same meaning under another name.
var lokiNames = map[string][]string{
	"http_user":    {"basic_auth", "username"},
	"http_passwd":  {"basic_auth", "password"},
	"tls.ca_file":  {"tls", "ca_file"},
	"tls.crt_file": {"tls", "cert_file"},
	"tls.key_file": {"tls", "key_file"},
	"tls.vhost":    {"tls", "server_name"},
	"bearer_token": {"bearer_token"},
	"tenant_id":    {"tenant"},
}

// lokiFates are settings that need no more than a note.
var lokiFates = map[string]struct {
	fate Fate
	why  string
}{
	"tls.debug":                    {Left, "set log_level to debug"},
	"tls.ca_path":                  {Left, "give one file: tls: {ca_file: …}"},
	"tls.key_passwd":               {Left, "give a key without a password, readable by the agent alone"},
	"tls.verify_hostname":          {Left, "the name is verified with the certificate"},
	"tenant_id_key":                {Left, "lines have no records: name the tenant with tenant, or set it in the output's pipeline"},
	"label_map_path":               {Left, "lines have no records: write labels in the pipeline"},
	"structured_metadata_map_keys": {Left, "lines have no records: write metadata in the pipeline"},
	"remove_keys":                  {Left, "an entry is the line itself: there is no key to remove"},
	"drop_single_key":              {Kept, "an entry is the line itself"},
	"line_format":                  {Changed, "an entry is the line itself"},
	"auto_kubernetes_labels":       {Changed, "the labels are RayCluster, namespace, node_type, group and component; the pod and the container are metadata"},
	"compress":                     {Changed, "pushes are Snappy protobuf, as Loki has it"},
}

func (o *lokiOutput) setting(p property) error {
	w, k, what := o.f.w, strings.ToLower(p.key), "loki "+p.key
	switch k {
	case "name", "match", "match_regex", "alias", "host", "uri":
		return nil
	case "port", "tls":
		w.kept(keyOf(o.settings, "url"), p.pos, what, "")
		return nil
	case "tls.verify":
		if !isOn(p.value) {
			w.kept(put(part(o.settings, "tls", yaml.MappingNode), "insecure_skip_verify", word(true)), p.pos, what, "")
		}
		return nil
	case "labels":
		return o.labels(p)
	case "label_keys", "structured_metadata":
		return o.keys(p, k)
	case "header":
		name, v, _ := strings.Cut(p.value, " ")
		put(part(o.settings, "headers", yaml.MappingNode), name, text(strings.TrimSpace(v)))
		w.kept(keyOf(o.settings, "headers"), p.pos, what, "")
		return nil
	}
	if path, ok := lokiNames[k]; ok {
		o.put(p, what, path)
		return nil
	}
	known, ok := lokiFates[k]
	switch {
	case !ok:
		o.f.unknown(p, what)
	case known.fate == Left:
		w.left(p.pos, what, known.why)
	default:
		w.note(o.key, Note{p.pos, known.fate, what, known.why})
	}
	return nil
}

// keyOf returns the node of a key.
func keyOf(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i]
		}
	}
	return nil
}

func (o *lokiOutput) put(p property, what string, path []string) {
	m := o.settings
	for _, k := range path[:len(path)-1] {
		m = part(m, k, yaml.MappingNode)
	}
	key, why := path[len(path)-1], ""
	if (key == "password" || key == "bearer_token") && !strings.Contains(p.value, "${") {
		why = "a secret is safer in a file: " + key + "_file"
	}
	o.f.w.kept(put(m, key, text(p.value)), p.pos, what, why)
}

// labels carries "name=value, name=$key" to labels of every line.
func (o *lokiOutput) labels(p property) error {
	for item := range strings.SplitSeq(p.value, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		name, v, ok := strings.Cut(item, "=")
		name, v = strings.TrimSpace(name), strings.TrimSpace(v)
		switch {
		case strings.HasPrefix(item, "$"):
			o.record(p, "loki Labels "+item, strings.TrimPrefix(item, "$"))
		case !ok || name == "":
			return errorAt(p.pos, "label %q is not name=value", item)
		case strings.HasPrefix(v, "$") && !strings.HasPrefix(v, "${"):
			o.record(p, "loki Labels "+name, strings.TrimPrefix(v, "$"))
		default:
			o.f.w.label(p.pos, "loki Labels "+name, name, v)
		}
	}
	return nil
}

// record tells what becomes of a label that is taken from the record.
func (o *lokiOutput) record(p property, what, field string) {
	o.f.w.left(p.pos, what, "an entry is a line, not a record with the field "+field+
		": RayCluster, namespace, node_type, group and component are labels; pod, container, filename, stream and more are metadata")
}

func (o *lokiOutput) keys(p property, k string) error {
	if k == "structured_metadata" {
		for item := range strings.SplitSeq(p.value, ",") {
			name, v, ok := strings.Cut(strings.TrimSpace(item), "=")
			if name, v = strings.TrimSpace(name), strings.TrimSpace(v); ok && !strings.HasPrefix(v, "$") || strings.HasPrefix(v, "${") {
				key := put(part(&o.f.w.top, "metadata", yaml.MappingNode), labelName(name), text(v))
				o.f.w.kept(key, p.pos, "loki structured_metadata "+name, "")
				continue
			}
			o.record(p, "loki structured_metadata "+name, strings.TrimPrefix(or(v, name), "$"))
		}
		return nil
	}
	for item := range strings.SplitSeq(p.value, ",") {
		item = strings.TrimSpace(item)
		o.record(p, "loki "+p.key+" "+item, strings.TrimPrefix(item, "$"))
	}
	return nil
}

// ownLabels are the labels that the agent sets by a setting of its own, or always.
var ownLabels = map[string]string{
	"RayCluster": "cluster", "namespace": "namespace", "node_type": "node_type", "group": "group",
}

// label carries one label of fixed value.
func (w *writer) label(pos Pos, what, name, v string) {
	if key, ok := ownLabels[name]; ok {
		w.kept(w.set(key, v), pos, what, "")
		return
	}
	why := ""
	if name == "service_name" && v == "ray-cluster" || name == "job" && v == "ray/logs" {
		why = "lines of Ray have it without being told"
	}
	clean := labelName(name)
	key := put(part(&w.top, "labels", yaml.MappingNode), clean, text(v))
	if clean != name {
		w.changed(key, pos, what, "letters, digits and _ make a label's name")
		return
	}
	w.kept(key, pos, what, why)
}
