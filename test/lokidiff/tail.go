package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const tailPath = "/loki/api/v1/tail"

// What a tail is given: time to begin, and to send what came.
const (
	tailBegins = 1500 * time.Millisecond
	tailSends  = 4 * time.Second
)

var tails atomic.Int64

// tailBoth follows a query on both servers while lines come. "$N" in the query
// is a number of its own, which the lines have as a label.
func (p *pair) tailBoth(ctx context.Context, q *question) (loki, remora *answer) {
	n := strconv.FormatInt(tails.Add(1), 10)
	own := *q
	own.params = map[string][]string{}
	for name, values := range q.params {
		own.params[name] = []string{strings.ReplaceAll(values[0], "$N", n)}
	}
	ctx, cancel := context.WithTimeout(ctx, tailBegins+tailSends)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { loki = p.tail(ctx, p.loki, &own) })
	both.Go(func() { remora = p.tail(ctx, p.remora, &own) })
	live := strings.Contains(q.params.Get("query"), "$N")
	both.Go(func() {
		if !live {
			return
		}
		select {
		case <-time.After(tailBegins):
			if err := p.push(ctx, liveLines(q.tenant, n)); err != nil && ctx.Err() == nil {
				loki = &answer{err: err}
			}
		case <-ctx.Done():
		}
	})
	both.Wait()
	return loki, remora
}

func liveLines(tenant, n string) []stream {
	now := time.Now().UnixNano()
	texts := []string{
		"level=info n=1 live", `{"level":"error","n":2}`, "任务失败 now", "not done", `level=error n=5 msg="x y"`, "", `{"broken":`, "last one",
	}
	s := stream{tenant: tenant, labels: map[string]string{"app": "live", "n": n}}
	for i, text := range texts {
		l := line{at: now + int64(i)*int64(time.Millisecond), text: text}
		if i%3 == 0 {
			l.meta = map[string]string{"user": "ann"}
		}
		s.lines = append(s.lines, l)
	}
	return []stream{s}
}

// tailed is all that a tail sent, its streams put together.
type tailed struct {
	Flags   []string     `json:"encodingFlags,omitempty"`
	Dropped int          `json:"dropped"`
	Closed  string       `json:"closed,omitempty"`
	Streams []tailStream `json:"streams"`
}

type tailStream struct {
	Stream map[string]string `json:"stream"`
	Values [][]any           `json:"values"`
}

// tail reads frames until ctx ends; the refusal of a tail is an answer as well.
func (p *pair) tail(ctx context.Context, s *server, q *question) *answer {
	header := http.Header{}
	q.header(header)
	conn, resp, err := websocket.Dial(ctx, s.url+q.path+"?"+q.params.Encode(), &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		if resp == nil || resp.Body == nil {
			return &answer{err: err}
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return &answer{status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"), body: string(body)}
	}
	defer conn.CloseNow()
	conn.SetReadLimit(64 << 20)
	var all tailed
	for {
		_, frame, err := conn.Read(ctx)
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			all.Closed = closed.Reason
		}
		if err != nil {
			break
		}
		if err := all.add(frame); err != nil {
			return &answer{err: err}
		}
	}
	body, err := json.Marshal(all.sorted())
	return &answer{status: http.StatusOK, contentType: "application/json", body: string(body), err: err}
}

func (t *tailed) add(frame []byte) error {
	var f struct {
		Flags   []string     `json:"encodingFlags"`
		Dropped []any        `json:"dropped_entries"`
		Streams []tailStream `json:"streams"`
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return err
	}
	t.Flags = f.Flags
	t.Dropped += len(f.Dropped)
	for _, s := range f.Streams {
		i := slices.IndexFunc(t.Streams, func(have tailStream) bool { return text(have.Stream) == text(s.Stream) })
		if i < 0 {
			t.Streams = append(t.Streams, s)
			continue
		}
		t.Streams[i].Values = append(t.Streams[i].Values, s.Values...)
	}
	return nil
}

// sorted puts the streams in order; the lines of each are in that in which they came.
func (t *tailed) sorted() *tailed {
	slices.SortFunc(t.Streams, func(a, b tailStream) int { return cmp.Compare(text(a.Stream), text(b.Stream)) })
	return t
}
