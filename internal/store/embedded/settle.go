package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// VictoriaLogs takes rows into memory and writes them to disk within seconds; it
// tells nobody when. So the journal keeps what was given to it for a minute more.
// When a program of it was started anew, and when this server is, it is asked which
// of these rows it has, and gets the others again.

// settleAfter is how long after they were taken rows count as durable elsewhere.
const settleAfter = time.Minute

// How often checkpoints of an outgrown store are made and written.
const settleEvery = 10 * time.Second

// lateTable is a checkpoint that is not to be written yet.
type lateTable struct {
	position int64
	ledger   []byte
	taken    time.Time
}

// writeTableLater notes a checkpoint at a pause.
func (e *Engine) writeTableLater(at int64, ledgerTable []byte) {
	e.sinceTable.Store(0)
	e.settling.Lock()
	defer e.settling.Unlock()
	e.unsettled = append(e.unsettled, lateTable{at, ledgerTable, time.Now()})
}

// watchSettled makes checkpoints and writes those that are due until ctx ends.
func (e *Engine) watchSettled(ctx context.Context) {
	tick := time.NewTicker(min(settleEvery, e.cfg.settleAfter))
	defer tick.Stop()
	e.restarted(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if e.sinceTable.Load() > 0 {
			e.checkpointSoon()
		}
		if e.restarted(ctx) {
			if err := e.addLost(ctx); err != nil && ctx.Err() == nil {
				e.log.Error("lines that the store had in memory when it ended were not looked for: this is done when the server is started again", "store", e.cfg.Outgrown.String(), "error", err)
			}
		}
		if err := e.writeSettled(); err != nil {
			e.log.Error("checkpoint failed: the journal grows until the next one", "dir", e.cfg.Dir, "error", err)
		}
	}
}

// restarted reports whether a program of VictoriaLogs that is known was started
// since the last look: what it had in memory may be gone.
func (e *Engine) restarted(ctx context.Context) (yes bool) {
	if e.isLoki() {
		return false // its log keeps what it took
	}
	o := e.cfg.Outgrown
	for _, u := range append([]*url.URL{o.Insert, o.Query}, o.Nodes...) {
		at, err := startOf(ctx, e.client, u)
		if err != nil {
			continue // it is away; the next look tells
		}
		if was := e.startedAt[u.Host]; was != "" && was != at {
			yes = true
		}
		e.startedAt[u.Host] = at
	}
	return yes
}

// startOf asks a program of VictoriaLogs when it was started.
func startOf(ctx context.Context, client *http.Client, u *url.URL) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String()+"/metrics", nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(response.Body, 4<<20))
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "process_start_time_seconds "); ok {
			return at, nil
		}
	}
	return "", fmt.Errorf("%s does not tell when it was started", u.Host)
}

// addLost asks the store which lines of the journal it has, and adds the others.
func (e *Engine) addLost(ctx context.Context) error {
	return e.atPause(ctx, func(at int64, _ []byte) error {
		t, err := readTable(e.home.path("table"))
		if err != nil {
			return err
		}
		r := &replay{engine: e, ledger: t.ledger}
		if err := e.journal.Read(t.position, at, r.record); err != nil {
			return err
		}
		if err := r.finish(); err != nil {
			return err
		}
		e.log.Info("the store was started again: lines that it had not written to disk were added again", "store", e.cfg.Outgrown.String(), "lines", r.lines, "added", r.added)
		return nil
	})
}

// writeSettled writes the last checkpoint that is old enough.
func (e *Engine) writeSettled() error {
	e.settling.Lock()
	defer e.settling.Unlock()
	due := -1
	for i, t := range e.unsettled {
		if e.isLoki() || time.Since(t.taken) >= e.cfg.settleAfter {
			due = i
		}
	}
	if due < 0 {
		return nil
	}
	t := e.unsettled[due]
	since := e.sinceTable.Load()
	if err := e.writeTable(t.position, t.ledger); err != nil {
		return err
	}
	e.sinceTable.Store(since)
	e.unsettled = append([]lateTable(nil), e.unsettled[due+1:]...)
	return nil
}
