package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

const (
	tailFrameLines = 100             // lines of one message
	tailHeldLines  = 10_000          // waiting for a slow client
	tailHeldBytes  = 16 << 20        // of them
	tailPing       = time.Second     // between pings
	tailPong       = time.Minute     // for their answer
	tailGoodbye    = 2 * time.Second // for a last message
	tailDropsTold  = 1000            // dropped lines told in one message
)

// tailer is one live tail. The store hands lines to follow, which keeps at most
// tailHeldLines of them; send takes them, runs the query's pipeline over them and
// writes messages. What does not fit is counted and told.
type tailer struct {
	server     *Server
	conn       *websocket.Conn
	open       context.Context // done when the connection is closed
	params     tailParams
	tenants    []string
	categorize bool

	mu      sync.Mutex
	held    []logs.Record
	bytes   int            // of the lines held
	dropped []loki.Dropped // at most tailDropsTold are kept
	lost    int            // dropped ones that nobody knows more about

	sent map[string]int // lines of the history, which may be followed too
}

// run sends what was there before, then what comes, until ctx or the connection
// ends.
func (t *tailer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	// Following begins before the history is read, so that no line falls between.
	begun := make(chan struct{})
	go func() {
		ended <- t.server.store.Follow(ctx, t.tenants, t.params.prepared.Selection(), store.Follower{
			Begun: func() { close(begun) }, Record: t.keep, Lost: t.countLost,
		})
	}()
	go func() { ended <- t.ping(ctx) }()
	select {
	case <-begun:
	case err := <-ended:
		return errors.Join(errors.New("following ended"), err)
	}
	if err := t.history(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(t.params.delay)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return errors.Join(errors.New("following ended"), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
}

// closing says how to end a connection.
func (t *tailer) closing(ctx, request context.Context, err error) (websocket.StatusCode, string) {
	switch {
	case errors.Is(context.Cause(request), errClosing):
		return websocket.StatusGoingAway, errClosing.Error()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return websocket.StatusInternalError, "reached tail max duration limit"
	case err == nil || ctx.Err() != nil:
		return websocket.StatusNormalClosure, ""
	}
	// A close frame holds 123 bytes of text.
	return websocket.StatusInternalError, strings.ToValidUTF8(err.Error()[:min(len(err.Error()), 120)], "")
}

func (t *tailer) ping(ctx context.Context) error {
	tick := time.NewTicker(tailPing)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := t.pingOnce(); err != nil {
				return err
			}
		}
	}
}

// pingOnce waits for the answer; to give up is to close the connection.
func (t *tailer) pingOnce() error {
	ctx, cancel := context.WithTimeout(t.open, tailPong)
	defer cancel()
	return t.conn.Ping(ctx)
}

// keep takes a followed line; it never waits.
func (t *tailer) keep(r *logs.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.held) < tailHeldLines && t.bytes < tailHeldBytes {
		t.held = append(t.held, *r)
		t.bytes += len(r.Line)
		return nil
	}
	t.server.metrics.tailLines.WithLabelValues("dropped").Inc()
	if len(t.dropped) < tailDropsTold {
		t.dropped = append(t.dropped, loki.Dropped{Time: r.Time, Labels: r.Stream})
		return nil
	}
	t.lost++
	return nil
}

func (t *tailer) countLost(n int) {
	t.server.metrics.tailLines.WithLabelValues("dropped").Add(float64(n))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost += n
}

// take returns what is held and what was dropped since the last time.
func (t *tailer) take() ([]logs.Record, []loki.Dropped) {
	t.mu.Lock()
	defer t.mu.Unlock()
	held, dropped := t.held, t.dropped
	t.held, t.dropped, t.bytes = nil, nil, 0
	now := t.server.now().UnixNano()
	for t.lost > 0 && len(dropped) < tailDropsTold {
		dropped = append(dropped, loki.Dropped{Time: now})
		t.lost--
	}
	return held, dropped
}

// history sends up to limit lines from before, oldest first.
func (t *tailer) history(ctx context.Context) error {
	s := t.server
	ctx2, cancel := context.WithTimeout(ctx, s.limits.QueryTimeout)
	defer cancel()
	leave, err := s.queries.enter(ctx2)
	if err != nil {
		return err
	}
	result, err := s.engine.Run(ctx2, source{store: s.store, tenants: t.tenants}, exec.Params{
		Query: t.params.query, Start: t.params.start, End: max(s.now().UnixNano(), t.params.start) + 1, Step: int64(time.Hour),
		Limit: t.params.limit, Direction: logs.Backward,
	})
	leave()
	if err != nil {
		return err
	}
	lines, ok := result.Value.(exec.Lines)
	if !ok {
		return errors.New("query did not answer with lines")
	}
	slices.Reverse(lines)
	t.sent = make(map[string]int, len(lines))
	for i := range lines {
		t.sent[lineKey(&lines[i])]++
	}
	return t.write(lines, nil)
}

// lineKey tells lines apart.
func lineKey(l *exec.Line) string {
	var b strings.Builder
	b.WriteString(l.Stream.String())
	b.WriteString(l.Metadata.String())
	b.WriteString(time.Unix(0, l.Time).String())
	b.WriteString(l.Line)
	return b.String()
}

// flush runs the query over what came since the last time and sends it.
func (t *tailer) flush() error {
	held, dropped := t.take()
	if len(held) == 0 && len(dropped) == 0 {
		return nil
	}
	lines := slices.DeleteFunc(t.process(held), func(l exec.Line) bool {
		if len(t.sent) == 0 {
			return false
		}
		key := lineKey(&l)
		if t.sent[key] == 0 {
			return false
		}
		if t.sent[key]--; t.sent[key] == 0 {
			delete(t.sent, key)
		}
		return true
	})
	return t.write(lines, dropped)
}

// process runs the query over lines that have been followed, in order of time.
func (t *tailer) process(held []logs.Record) (lines exec.Lines) {
	slices.SortStableFunc(held, func(a, b logs.Record) int { return cmp.Compare(a.Time, b.Time) })
	for i := range held {
		if l, ok := t.params.prepared.Process(&held[i]); ok {
			lines = append(lines, l)
		}
	}
	return lines
}

// write sends lines, a hundred in a message.
func (t *tailer) write(lines exec.Lines, dropped []loki.Dropped) error {
	t.server.metrics.tailLines.WithLabelValues("sent").Add(float64(len(lines)))
	for len(lines) > 0 || len(dropped) > 0 {
		n := min(len(lines), tailFrameLines)
		frame := loki.TailFrame{Lines: linesOf(lines[:n]), Dropped: dropped, Categorize: t.categorize}
		if err := t.conn.Write(t.open, websocket.MessageText, loki.AppendTailFrame(nil, &frame)); err != nil {
			return err
		}
		lines, dropped = lines[n:], nil
	}
	return nil
}
