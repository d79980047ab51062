package config

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/agent/stage"
)

// Key describes one key of the file.
type Key struct {
	Name    string // with those above it in the same table: "basic_auth.username"
	Type    string
	Default string // "" for none
	Doc     string // one sentence
}

// Section describes the keys of one mapping.
type Section struct {
	Title, Intro string
	Of           reflect.Type
	Keys         []Key
}

// sections are all keys there are, in the order in which they are written.
func sections() []Section {
	return []Section{
		{"The file", "", reflect.TypeFor[Config](), settingKeys},
		{"sources", "What to follow: a list; each item has one of `ray`, `files` and `containers`. Without it, one `ray` of `/tmp/ray`.", reflect.TypeFor[Source](), sourceKeys},
		{"sources: ray", "A Ray node's temp directory.", reflect.TypeFor[Ray](), rayKeys},
		{"sources: files", "Files found by patterns.", reflect.TypeFor[Files](), fileKeys},
		{"sources: containers", "The logs that a Kubernetes node keeps of its pods.", reflect.TypeFor[Containers](), containerKeys},
		{"outputs", "Where lines go: a list; each item has one of `remora`, `loki` and `stdout`. Each output has positions of its own and waits for no other.", reflect.TypeFor[Output](), outputKeys},
		{"outputs: remora, loki", "A server over HTTP.", reflect.TypeFor[ship.HTTP](), httpKeys()},
		{"outputs: stdout", "Standard output.", reflect.TypeFor[ship.Stdout](), stdoutKeys},
	}
}

var settingKeys = []Key{
	{"cluster", "text", "the host's name", "Name of the Ray cluster, the label `RayCluster`."},
	{"namespace", "text", "", "Kubernetes namespace, a label of that name."},
	{"pod", "text", "", "Name of the pod."},
	{"pod_uid", "text", "the machine's id", "UID of the pod, part of each file's identity."},
	{"container", "text", "", "Name of the container whose files these are."},
	{"node_type", "head, worker", "found out from the files", "Kind of the Ray node, a label of that name."},
	{"group", "text", "", "Name of the worker group, a label of that name."},
	{"state", "directory", "", "Where positions are kept; needed. Each source and output has a directory `SOURCE.OUTPUT` in it."},
	{"listen", "address", ":9081", "Where `/metrics`, `/healthz`, `/readyz`, `/status` and `/-/reload` are served; empty for nowhere."},
	{"log_level", "debug, info, warn, error", "info", "How much the agent tells of itself on standard error."},
	{"timezone", "zone", "that of TZ", "Zone of time stamps that have none, such as `Europe/Berlin`."},
	{"drain_timeout", "duration", "25s", "Longest time to go on after SIGTERM."},
	{"scan_interval", "duration", "5s", "Time between two looks at everything; six times as long while inotify tells of every change."},
	{"hold_bytes", "size", "512MiB", "What deleted files may keep on disk while they are unread, all sources and outputs together."},
	{"max_open_files", "number", "512", "Log files that each source and output holds open at most."},
	{"readers", "number", "one per core, at most 4", "Files that each source and output reads at once."},
	{"batch_bytes", "size", "1MiB", "Largest push before compression."},
	{"batch_wait", "duration", "600ms", "Longest time a line waits for its batch."},
	{"labels", "mapping", "", "Stream labels added to every line; of few values, as each set of labels is a stream."},
	{"metadata", "mapping", "", "Structured metadata added to every line."},
	{"sources", "list", "one ray", "What to follow."},
	{"pipeline", "list of stages", "", "What is done with every line before any output, in order."},
	{"outputs", "list", "", "Where lines go; needed unless `--url` is given."},
}

var sourceKeys = []Key{
	{"name", "name", "the kind", "Name in metrics and of the state directory; letters, digits, - and _."},
	{"ray", "mapping", "", "A Ray node's temp directory."},
	{"files", "mapping", "", "Files found by patterns."},
	{"containers", "mapping", "", "Logs of a Kubernetes node's pods."},
	{"labels", "mapping", "", "Stream labels added to the source's lines; they win over those of the file."},
	{"metadata", "mapping", "", "Structured metadata added to the source's lines, likewise."},
}

var rayKeys = []Key{
	{"root", "directory", "/tmp/ray", "Directory that holds `session_…` directories; it may appear later."},
	{"volumes", "pattern", "", "On a Kubernetes node: names of the `emptyDir` volumes that pods mount at `/tmp/ray`. `root` is then the kubelet's directory of pods, `/var/lib/kubelet/pods`. Whose a volume is tell the API server (with `NODE_NAME` and the right to list pods) or else the directories below `/var/log/pods`."},
	{"dirs", "pattern", "", "On a Kubernetes node whose Ray pods have `/tmp/ray` on a `hostPath` volume, each in a directory of its own (`subPathExpr`): the directories below `root` that hold `session_…` directories, such as `*`. Whose one is tells the API server by what pods mount, or else its name, where that is a pod's."},
	{"pods", "true, false", "true with `volumes` or `dirs`", "Whether `root` is a directory of a Kubernetes node that pods mount. Several of them may write there: lines carry what is the same of all, and no pod."},
	{"pod_tenants", "true, false", "false", "Whether lines go to the tenant that the pod's annotation `remora.dev/tenant` names. They wait until the API server has told it."},
}

var fileKeys = []Key{
	{"include", "list of patterns", "", "Files to follow; `*` stays within a directory, `**` goes through any number."},
	{"exclude", "list of patterns", "", "Files to leave out of those."},
	{"component", "text", "other", "Value of the label `component`."},
	{"follow_symlinks", "true, false", "false", "Whether symbolic links are followed."},
}

var containerKeys = []Key{
	{"root", "directory", "/var/log/pods", "Directory that the kubelet writes."},
	{"include", "list of patterns", "all", "Containers to follow: `NAMESPACE_POD_UID`, `NAMESPACE_POD_UID/CONTAINER` or `NAMESPACE/POD/CONTAINER`. What labels of the pod tell of Ray is asked of the API server (with `NODE_NAME` and the right to list pods)."},
	{"exclude", "list of patterns", "", "Containers to leave out of those, likewise."},
	{"pod_tenants", "true, false", "false", "Whether lines go to the tenant that the pod's annotation `remora.dev/tenant` names. They wait until the API server has told it."},
}

var outputKeys = []Key{
	{"name", "name", "the kind", "Name in metrics and of the state directory; letters, digits, - and _."},
	{"remora", "mapping", "", "A Remora server."},
	{"loki", "mapping", "", "A Loki, or what takes its pushes."},
	{"stdout", "mapping", "", "Standard output."},
	{"sources", "list of names", "all", "Sources whose lines go to this output; `stdin` is what `remora-agent pipe` reads."},
	{"pipeline", "list of stages", "", "Further stages, of this output alone."},
}

// httpKeys are those that package ship describes.
func httpKeys() (keys []Key) {
	for _, o := range ship.Docs() {
		keys = append(keys, Key{o.Name, o.Type, o.Default, o.Text})
	}
	return keys
}

var stdoutKeys = []Key{
	{"format", "raw, json, logfmt", "raw", "How a line is written: raw is `FILENAME: LINE`, the others tell time, labels and metadata too."},
}

const preamble = `# Configuration of the agent

This file is made from the program: ` + "`remora-agent reference`" + ` prints it.

The agent is configured by flags and ` + "`REMORA_*`" + ` variables alone, or by a YAML file
named by ` + "`--config`" + `; flags win over the environment, the environment over the file.
` + "`remora-agent check FILE`" + ` tells every mistake with its line and column.
A file that changes is read again: on SIGHUP, on ` + "`POST /-/reload`" + ` from the same machine,
and when it is written or replaced. A file with a mistake changes nothing.

` + "```yaml" + `
` + example + "```" + `

In any value:

| | |
|---|---|
| ` + "`${NAME}`" + ` | the variable of the environment; an error if it is not set |
| ` + "`${NAME:-text}`" + ` | text if it is not set or empty |
| ` + "`${file:PATH}`" + ` | what the file holds, without the newline at its end |
| ` + "`${file:PATH#key}`" + ` | the value of its line ` + "`key=\"value\"`" + `, as the downward API writes labels and annotations |
| ` + "`$${`" + ` | a plain ` + "`${`" + ` |

Durations are written ` + "`500ms`, `25s`, `1m30s`" + `; sizes ` + "`4096`, `64KiB`, `512MiB`" + `.
`

const example = `cluster: my-cluster
state: /var/lib/remora-agent
labels: {team: a}
sources:
  - ray: {root: /tmp/ray}
  - name: app
    files: {include: ["/var/log/app/**/*.log"]}
outputs:
  - remora: {url: "http://remora:3100", tenant: team-a}
  - name: copy
    loki: {url: "${LOKI_URL:-http://loki:3100}"}
`

// Reference is the configuration's documentation in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(preamble)
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n## %s\n", s.Title)
		if s.Intro != "" {
			fmt.Fprintf(&b, "\n%s\n", s.Intro)
		}
		table(&b, s.Keys)
	}
	b.WriteString(stagesIntro)
	for _, d := range stage.Docs() {
		stageSection(&b, d)
	}
	return b.String()
}

const stagesIntro = `
## Stages

A pipeline is a list of stages. Each line runs through them in order; a stage that drops
it ends its way. What becomes of a line depends on the lines before it in its file alone,
so that a line that is read again, after a restart say, is treated the same. Dropped lines
are counted by reason. Behind ` + "`→`" + ` stands what becomes of the lines before it: labels,
metadata and time only where they change.
`

func stageSection(b *strings.Builder, d stage.StageDoc) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n", d.Name, d.Summary)
	if len(d.Keys) > 0 {
		keys := make([]Key, len(d.Keys))
		for i, k := range d.Keys {
			keys[i] = Key{k.Name, k.Type, k.Default, sentence(k.Text)}
		}
		table(b, keys)
	}
	if e := d.Example; e.YAML != "" {
		fmt.Fprintf(b, "\n```yaml\n%s```\n", e.YAML)
		if len(e.In) > 0 {
			b.WriteString("\n```text\n")
			for _, line := range e.In {
				b.WriteString(spaced(line) + "\n")
			}
			for _, line := range e.Out {
				b.WriteString("→ " + spaced(line) + "\n")
			}
			b.WriteString("```\n")
		}
	}
}

// spaced shows tabs as a few spaces.
func spaced(line string) string { return strings.ReplaceAll(line, "\t", "   ") }

// sentence begins with a capital and ends with a period.
func sentence(s string) string {
	if s == "" {
		return s
	}
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(s[size:], ".") + "."
}

func table(b *strings.Builder, keys []Key) {
	b.WriteString("\n| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, k := range keys {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", k.Name, cell(k.Type), cell(k.Default), cell(k.Doc))
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
