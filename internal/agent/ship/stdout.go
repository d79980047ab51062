package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// Stdout says how to write lines to standard output.
type Stdout struct {
	Format string `yaml:"format"` // raw, json or logfmt; "" means raw
}

// Validate names what is wrong.
func (o *Stdout) Validate() error {
	switch o.Format {
	case "", FormatRaw, FormatJSON, FormatLogfmt:
		return nil
	}
	return fmt.Errorf("format %q is none of raw, json and logfmt", o.Format)
}

// Formats of standard output; each line tells its file.
const (
	FormatRaw    = "raw"    // FILENAME: LINE, as a reader of kubectl logs wants it
	FormatJSON   = "json"   // {"time", "labels", "metadata", "filename", "line"}
	FormatLogfmt = "logfmt" // time=… filename=… then labels, metadata and line
)

// Lines writes each line to a stream of bytes.
type Lines struct {
	w      io.Writer
	append func(*bytes.Buffer, *outLine) error

	buf  bytes.Buffer
	left []byte // of buf, not written yet
	of   []byte // the body that buf holds
}

// NewLines writes lines as JSON to w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w, append: appendJSON} }

// NewStdout writes lines to w in one of the formats; "" means raw.
func NewStdout(w io.Writer, format string) (*Lines, error) {
	o := Stdout{Format: format}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	l := NewLines(w)
	switch format {
	case FormatLogfmt:
		l.append = appendLogfmt
	case FormatRaw, "":
		l.append = appendRaw
	}
	return l, nil
}

// outLine is a line to be written. Its JSON is what FormatJSON promises.
type outLine struct {
	Time     time.Time         `json:"time"`
	Labels   map[string]string `json:"labels"`
	Metadata map[string]string `json:"metadata"`
	Filename string            `json:"filename"`
	Line     string            `json:"line"`

	labels, metadata logs.Labels
}

// Push implements Target. When the writer fails in the middle the next attempt goes
// on there.
func (o *Lines) Push(_ context.Context, body []byte) Answer {
	if len(o.of) != len(body) || len(body) == 0 || &o.of[0] != &body[0] {
		o.buf.Reset()
		if err := o.render(body); err != nil {
			return Answer{Kind: KindReject, Err: err}
		}
		o.of, o.left = body, o.buf.Bytes()
	}
	for len(o.left) > 0 {
		n, err := o.w.Write(o.left)
		o.left = o.left[n:]
		if err != nil {
			return Answer{Kind: KindRetry, Err: err}
		}
	}
	return Answer{Kind: KindDone}
}

// Forget lets go of the last body: the buffer will hold another one.
func (o *Lines) Forget() {
	o.of = nil
	if o.buf.Cap() > keptBuffer {
		o.buf, o.left = bytes.Buffer{}, nil
	}
}

// keptBuffer is the most that is kept from batch to batch.
const keptBuffer = 4 << 20

func (o *Lines) render(body []byte) error {
	p, err := loki.DecodePush(body)
	if err != nil {
		return err
	}
	for i := range p.Streams {
		s := &p.Streams[i]
		l := outLine{labels: s.Labels, Labels: s.Labels.Map()}
		for j := range s.Entries {
			l.take(s, &s.Entries[j])
			if err := o.append(&o.buf, &l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *outLine) take(s *loki.Stream, e *logs.Entry) {
	l.Time, l.Line, l.metadata = time.Unix(0, e.Time).UTC(), e.Line, e.Metadata
	if s.Range != nil && len(s.Range.Metadata) > 0 {
		all := append(make([]logs.Label, 0, len(s.Range.Metadata)+len(e.Metadata)), s.Range.Metadata...)
		l.metadata = logs.Normalize(append(all, e.Metadata...))
	}
	l.Filename = l.metadata.Get("filename")
	if l.Filename == "" {
		l.Filename = l.labels.Get("filename")
	}
}

func appendJSON(dst *bytes.Buffer, l *outLine) error {
	l.Metadata = l.metadata.Map()
	enc := json.NewEncoder(dst)
	enc.SetEscapeHTML(false)
	return enc.Encode(l)
}

// appendRaw writes the file's name before the line, and before each further line of
// an entry that has several.
func appendRaw(dst *bytes.Buffer, l *outLine) error {
	for text := range strings.SplitSeq(l.Line, "\n") {
		if l.Filename != "" {
			dst.WriteString(l.Filename)
			dst.WriteString(": ")
		}
		dst.WriteString(strings.TrimSuffix(text, "\r"))
		dst.WriteByte('\n')
	}
	return nil
}

func appendLogfmt(dst *bytes.Buffer, l *outLine) error {
	dst.WriteString("time=")
	dst.WriteString(l.Time.Format(time.RFC3339Nano))
	pair(dst, "filename", l.Filename)
	for _, x := range l.labels {
		if !own(x.Name) {
			pair(dst, x.Name, x.Value)
		}
	}
	for _, x := range l.metadata {
		if _, is := l.labels.Lookup(x.Name); !is && !own(x.Name) {
			pair(dst, x.Name, x.Value)
		}
	}
	pair(dst, "line", l.Line)
	dst.WriteByte('\n')
	return nil
}

// own reports whether logfmt has a pair of that name anyway.
func own(name string) bool { return name == "time" || name == "filename" || name == "line" }

func pair(dst *bytes.Buffer, name, value string) {
	dst.WriteByte(' ')
	dst.WriteString(name)
	dst.WriteByte('=')
	if !utf8.ValidString(value) {
		value = strings.ToValidUTF8(value, "\ufffd")
	}
	if value != "" && !strings.ContainsFunc(value, quotable) {
		dst.WriteString(value)
		return
	}
	dst.WriteString(strconv.Quote(value))
}

func quotable(r rune) bool {
	return r <= ' ' || r == '"' || r == '=' || r == '\\' || !unicode.IsPrint(r)
}

// Offsets implements Target: a pipe knows nothing.
func (o *Lines) Offsets(context.Context, loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error) {
	return loki.OffsetsResponse{}, parse.Remora, nil
}
