package server

import (
	"context"
	"net/http"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// linesFrame is about how much text goes into one frame of the answer.
const linesFrame = 512 << 10

// lines answers all lines of a log query, however many there are, oldest first:
// GET /api/remora/v1/lines. The query's lines come as they are stored, any bytes of
// them; a client that takes none for a while is cut off.
func (s *Server) lines(w http.ResponseWriter, r *request) error {
	if s.loki != nil {
		return failf(http.StatusNotFound, "lines are kept in Loki: ask for them page by page with query_range")
	}
	if err := s.form(w, r); err != nil {
		return err
	}
	p, err := loki.ParseRangeParams(r.Form, s.now())
	if err != nil {
		return err
	}
	prepared, err := s.engine.Prepare(p.Query)
	if err != nil {
		return err
	}
	done, ok := s.tenants.query(r.tenants)
	if !ok {
		return &httpError{status: http.StatusTooManyRequests, msg: "too many outstanding requests", retry: time.Second}
	}
	defer done()
	leave, err := s.queries.enter(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	sel := prepared.Selection()
	sel.Start, sel.End, sel.Direction = p.Start, p.End, logs.Forward
	out := framed{out: &patient{w: w, control: http.NewResponseController(w), stall: r.stall}}
	err = s.source(r).Select(r.Context(), sel, func(rec *logs.Record) error {
		line, ok := prepared.Process(rec)
		if !ok {
			return nil
		}
		out.begin(w)
		return out.add(line.Stream, logs.Entry{Time: line.Time, Line: line.Line, Metadata: line.Metadata})
	})
	if err != nil && !out.begun {
		return err
	}
	out.begin(w)
	return out.end(r.Context(), err)
}

// framed gathers lines into frames.
type framed struct {
	out   *patient
	begun bool
	push  loki.Push
	size  int
}

func (f *framed) begin(w http.ResponseWriter) {
	if f.begun {
		return
	}
	f.begun = true
	h := w.Header()
	h.Set("Content-Type", loki.ContentLines)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// add takes a line; lines of one stream in a row share its labels.
func (f *framed) add(stream logs.Labels, e logs.Entry) error {
	last := len(f.push.Streams) - 1
	if last < 0 || !f.push.Streams[last].Labels.Equal(stream) {
		f.push.Streams = append(f.push.Streams, loki.Stream{Labels: stream})
		last++
	}
	f.push.Streams[last].Entries = append(f.push.Streams[last].Entries, e)
	if f.size += len(e.Line) + 64; f.size < linesFrame {
		return nil
	}
	return f.flush()
}

func (f *framed) flush() error {
	if len(f.push.Streams) == 0 {
		return nil
	}
	_, err := f.out.Write(loki.AppendLinesFrame(nil, &f.push))
	f.push, f.size = loki.Push{}, 0
	return clientGone(err)
}

// end tells that this was all, or why it was not.
func (f *framed) end(ctx context.Context, err error) error {
	if err != nil {
		_, _ = f.out.Write(loki.AppendErrorFrame(nil, answerOf(ctx, err).msg)) // the client may be gone
		return err
	}
	if err := f.flush(); err != nil {
		return err
	}
	_, err = f.out.Write(loki.AppendEndFrame(nil))
	return clientGone(err)
}
