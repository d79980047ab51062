package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/logs"
)

// trialWriter shows entries and drops.
type trialWriter struct {
	w       io.Writer
	json    bool
	several bool // outputs differ: each line says which
	err     error

	name, source string
	labels, meta string // of the line before, as shown
}

// tried is what JSON shows of a line.
type tried struct {
	File     string            `json:"file"`
	Source   string            `json:"source,omitempty"`
	Outputs  string            `json:"outputs"`
	Time     *time.Time        `json:"time,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Dropped  string            `json:"dropped,omitempty"` // why
	Line     string            `json:"line"`
}

// begin names the file of the lines to come.
func (t *trialWriter) begin(name string, source *config.Source) {
	t.name, t.source, t.labels, t.meta = name, "", "", ""
	if source != nil {
		t.source = source.Name
	}
	if !t.json {
		t.printf("== %s (%s)\n", name, or(t.source, "of no source"))
	}
}

func (t *trialWriter) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(t.w, format, args...); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *trialWriter) encode(x tried) {
	x.File, x.Source = t.name, t.source
	enc := json.NewEncoder(t.w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(x); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *trialWriter) entry(outputs string, labels logs.Labels, e logs.Entry) {
	at := time.Unix(0, e.Time).UTC()
	if t.json {
		t.encode(tried{Outputs: outputs, Time: &at, Labels: labels.Map(), Metadata: e.Metadata.Map(), Line: e.Line})
		return
	}
	var meta []logs.Label
	for _, l := range e.Metadata {
		if l.Name != "offset" && l.Name != "entry" { // they differ on each line
			meta = append(meta, l)
		}
	}
	t.printf("%s%s  %s\n", t.which(outputs), at.Format("2006-01-02T15:04:05.000000000Z"), e.Line)
	if s := labels.String(); s != t.labels {
		t.printf("    labels    %s\n", s)
		t.labels = s
	}
	if s := logs.Labels(meta).String(); s != t.meta {
		t.printf("    metadata  %s\n", s)
		t.meta = s
	}
}

func (t *trialWriter) drop(outputs, reason string, line []byte) {
	text := strings.ToValidUTF8(string(line), "�")
	if t.json {
		t.encode(tried{Outputs: outputs, Dropped: reason, Line: text})
		return
	}
	t.printf("%sdropped: %s  %s\n", t.which(outputs), reason, text)
}

func (t *trialWriter) which(outputs string) string {
	if !t.several {
		return ""
	}
	return outputs + ": "
}
