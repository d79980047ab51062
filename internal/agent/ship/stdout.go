package ship

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// Lines writes each line as a JSON object: {"time", "labels", "metadata", "line"}.
type Lines struct {
	w *bufio.Writer
}

// NewLines writes to w.
func NewLines(w io.Writer) *Lines { return &Lines{w: bufio.NewWriter(w)} }

type outLine struct {
	Time     time.Time         `json:"time"`
	Labels   map[string]string `json:"labels"`
	Metadata map[string]string `json:"metadata"`
	Line     string            `json:"line"`
}

// Push implements Target.
func (o *Lines) Push(_ context.Context, body []byte) Answer {
	p, err := loki.DecodePush(body)
	if err != nil {
		return Answer{Kind: KindReject, Err: err}
	}
	enc := json.NewEncoder(o.w)
	enc.SetEscapeHTML(false)
	for i := range p.Streams {
		if err := write(enc, &p.Streams[i]); err != nil {
			return Answer{Kind: KindRetry, Err: err}
		}
	}
	if err := o.w.Flush(); err != nil {
		return Answer{Kind: KindRetry, Err: err}
	}
	return Answer{Kind: KindDone}
}

func write(enc *json.Encoder, s *loki.Stream) error {
	labels := s.Labels.Map()
	for _, e := range s.Entries {
		meta := map[string]string{}
		if s.Range != nil {
			meta = s.Range.Metadata.Map()
		}
		add(meta, e.Metadata)
		if err := enc.Encode(outLine{time.Unix(0, e.Time).UTC(), labels, meta, e.Line}); err != nil {
			return err
		}
	}
	return nil
}

func add(m map[string]string, ls logs.Labels) {
	for _, l := range ls {
		m[l.Name] = l.Value
	}
}

// Offsets implements Target: a pipe knows nothing.
func (o *Lines) Offsets(context.Context, loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error) {
	return loki.OffsetsResponse{}, parse.Remora, nil
}
