package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/snappy"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/ledger"
)

// passOn gives the new lines of a push to Loki. What Loki will not have is told
// the sender and is not sent again: Loki keeps the rest.
func (e *Engine) passOn(ctx context.Context, j *job) error {
	p := newLines(j)
	if len(p.Streams) == 0 {
		return nil
	}
	body := snappy.Encode(nil, loki.AppendPush(nil, p))
	return e.retry(ctx, "to give lines to Loki", func() (again bool, err error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.cfg.Outgrown.Insert.String()+"/loki/api/v1/push", bytes.NewReader(body))
		if err != nil {
			return false, err
		}
		request.Header.Set("Content-Type", "application/x-protobuf")
		request.Header.Set("X-Scope-OrgID", j.tenant)
		response, err := e.client.Do(request)
		if err != nil {
			return true, err
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096)) // only for the message
		switch code := response.StatusCode; {
		case code/100 == 2:
			return false, nil
		case code == http.StatusTooManyRequests || code/100 == 5:
			return true, fmt.Errorf("loki answers %s: %s", response.Status, bytes.TrimSpace(text))
		default:
			return false, &store.InvalidError{Reason: strings.TrimSpace(string(text))}
		}
	})
}

// newLines is what of a push is to be stored, with the metadata of files spelt
// out on each line, as a Loki takes it.
func newLines(j *job) *loki.Push {
	p := &loki.Push{}
	for i := range j.push.Streams {
		s := &j.push.Streams[i]
		out := loki.Stream{Labels: s.Labels}
		news(s, j.verdicts[i], j.received, func(e *logs.Entry, _ uint64) {
			out.Entries = append(out.Entries, logs.Entry{Time: e.Time, Line: e.Line, Metadata: spelt(s, e)})
		})
		if len(out.Entries) > 0 {
			p.Streams = append(p.Streams, out)
		}
	}
	return p
}

func spelt(s *loki.Stream, e *logs.Entry) logs.Labels {
	if s.Range == nil || len(s.Range.Metadata) == 0 {
		return e.Metadata
	}
	all := make([]logs.Label, 0, len(s.Range.Metadata)+len(e.Metadata))
	return logs.Normalize(append(append(all, s.Range.Metadata...), e.Metadata...))
}

// askNothing is what questions get that are not passed on.
func (e *Engine) askNothing() error {
	if e.isLoki() {
		return &store.InvalidError{Reason: e.cannotHere("this question", "it is passed on to Loki only as LogQL").Error()}
	}
	return nil
}

func (e *Engine) isLoki() bool { return e.cfg.Outgrown != nil && e.cfg.Outgrown.Kind == Loki }

// toLoki gives Loki the lines of a journalled push again: it shows equal ones
// of the same time once.
func (r *replay) toLoki(j *job) error {
	for i := range j.verdicts {
		if a := j.verdicts[i].Action; a != ledger.Done && a != ledger.Refuse {
			r.lines += len(j.push.Streams[i].Entries)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return r.engine.passOn(ctx, j)
}
