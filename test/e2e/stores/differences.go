package main

import (
	"path/filepath"
	"strings"

	"github.com/remora-ray/remora/internal/logql/logqltest"
)

// difference is one that is accepted, with its reason.
type difference struct {
	kind   string   // of store; "" for all
	script string   // file without .txt
	query  []string // parts of queries, any of them
	reason string
}

var differences = []difference{
	{"", "errors", []string{"vector(1)"}, "steps are checked where HTTP's parameters are read, which has words of its own"},
	{"", "formats", []string{"__timestamp__ | unixEpoch"}, "the scripts' times are moved to yesterday, and this prints one"},
	{"loki", "as_loki", []string{"__error__"}, "details of an error go where its label is dropped, and stand in templates"},
	{"loki", "formats", []string{"| drop __error__"}, "details of an error go where its label is dropped, and stand in templates"},
	{"loki", "as_loki", []string{`"k", "same"`}, "of series that become one it keeps both, in any order"},
	{"loki", "as_loki", []string{`label_format e=""`}, "a series of one tenant shows a label that was made empty"},
	{"loki", "as_loki", []string{"__tenant_id__"}, "the tenant is a label of each line inside of it"},
	{"loki", "as_loki", []string{`x="[\"a\\\"b`, `x="a[\"b`, "1.2.3.4 - 1.2.3.5"}, "where no line came a wrong stage is no error"},
	{"loki", "formats", []string{"{{ .a", "nosuch"}, "where no line came a wrong stage is no error"},
	{"loki", "formats", []string{"range 1000000000", `define "x"`, "repeat 2000000", "%1000000d"}, "templates are not bounded"},
	{"loki", "label_filters", []string{"size > 11.5KiB", "n < 0, ip"}, "a label that is no number passes or stops otherwise"},
	{"loki", "line_filters", []string{"ip("}, "in a chain an address is a text"},
	{"loki", "range", []string{`app="empty"`}, "bytes of empty lines make no series"},
	{"loki", "range", []string{`app="o"`}, "offset is a label as any other, but no name in a query; here it is a line's place, which makes no series"},
	{"loki", "unwrap", []string{"unwrap v [20s]"}, "a mean counts a line that has no such value"},
	{"loki", "vectors", []string{"approx_topk"}, "approx_topk is off as it comes"},
}

// unasked are questions that would keep a Loki busy for ever.
var unasked = []string{"range 1000000000", "repeat 2000000", "%1000000d", `define "x"`}

// ask reports whether a kind of store is asked at all.
func (k *kind) asks(query string) bool {
	if k.isOur {
		return true
	}
	for _, part := range unasked {
		if strings.Contains(query, part) {
			return false
		}
	}
	return true
}

// named finds the entry of a difference.
func named(k *kind, step *logqltest.Step) *difference {
	script := strings.TrimSuffix(filepath.Base(step.File), ".txt")
	for i := range differences {
		d := &differences[i]
		if d.kind != "" && d.kind != k.name || d.script != script {
			continue
		}
		for _, part := range d.query {
			if strings.Contains(step.Params.Query, part) {
				return d
			}
		}
	}
	return nil
}
