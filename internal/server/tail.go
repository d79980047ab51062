package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/loki"
)

// tailParams are those of /loki/api/v1/tail.
type tailParams struct {
	query    string
	prepared *exec.Prepared // of query
	start    int64          // of the lines that were there before
	limit    int            // how many of them
	delay    time.Duration  // how long lines are gathered and put in order
}

// tail follows a query over a WebSocket.
func (s *Server) tail(w http.ResponseWriter, r *request) error {
	p, err := s.parseTail(w, r)
	if err != nil {
		return err
	}
	conn, err := websocket.Accept(w, r.Request, &websocket.AcceptOptions{
		// The origin is checked, unlike Loki does: a page of another site must not
		// read what a browser can reach. Programs send none.
		CompressionMode: websocket.CompressionNoContextTakeover,
	})
	if err != nil {
		return nil // Accept has answered
	}
	defer conn.CloseNow()
	if rec, ok := w.(*recorder); ok {
		rec.hijacked = true
	}
	tenant := r.tenants[0]
	n, leave := s.tails.enter(tenant, s.limits.Tails)
	if leave == nil {
		_ = conn.Close(websocket.StatusInternalError, failf(0, "max concurrent tail requests limit exceeded, count > limit (%d > %d)", n, s.limits.Tails).Error())
		return nil
	}
	defer leave()
	t := &tailer{server: s, conn: conn, params: p, tenants: r.tenants, categorize: categorize(r)}
	// Nothing is expected from the client but its answers to pings and its close.
	// The connection does not end with the request, so that there is time to say
	// why.
	t.open = conn.CloseRead(context.WithoutCancel(r.Context()))
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.TailDuration)
	defer cancel()
	defer context.AfterFunc(t.open, cancel)()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(tailGoodbye, func() { _ = conn.CloseNow() }) })()
	err = t.run(ctx)
	_ = conn.Close(t.closing(ctx, r.Context(), err))
	return nil
}

// parseTail reads the parameters and finds out what to follow. Its errors are
// answered before the connection becomes a WebSocket.
func (s *Server) parseTail(w http.ResponseWriter, r *request) (tailParams, error) {
	p := tailParams{}
	if err := s.form(w, r); err != nil {
		return p, err
	}
	p.query = r.Form.Get("query")
	var err error
	r.Form.Del("end") // a tail has none, and may start in the future
	from := s.now()
	if at, err := loki.ParseTime(r.Form.Get("start")); err == nil {
		from = time.Unix(0, max(at, from.UnixNano()))
	}
	if p.start, _, err = loki.ParseTimeRange(r.Form, from); err != nil {
		return p, err
	}
	if p.limit, err = loki.ParseLimit(r.Form, 100); err != nil {
		return p, err
	}
	if text := r.Form.Get("delay_for"); text != "" && text != "0" {
		delay, err := loki.ParseStep(text)
		if err != nil || delay < 0 {
			return p, failf(http.StatusBadRequest, "strconv.Atoi: parsing %q: invalid syntax", shorten(text, 64))
		}
		if p.delay = time.Duration(delay); p.delay > 5*time.Second {
			return p, failf(http.StatusBadRequest, "delay_for can't be greater than 5")
		}
	}
	p.delay = max(p.delay, s.limits.TailWindow)
	p.prepared, err = s.engine.Prepare(p.query)
	return p, err
}

// tailCount counts the tails of each tenant.
type tailCount struct {
	mu  sync.Mutex
	all int
	of  map[string]int
}

func (c *tailCount) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// enter counts a tail in, up to limit; leave is nil beyond it.
func (c *tailCount) enter(tenant string, limit int) (n int, leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	if c.of[tenant] >= limit {
		return c.of[tenant] + 1, nil
	}
	c.of[tenant]++
	c.all++
	return c.of[tenant], func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all--
		if c.of[tenant]--; c.of[tenant] == 0 {
			delete(c.of, tenant)
		}
	}
}
