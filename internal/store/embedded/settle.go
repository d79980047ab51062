package embedded

import (
	"context"
	"time"
)

// VictoriaLogs takes rows into memory and writes them to disk within seconds; it
// tells nobody when. So the journal keeps what was given to it for a minute more,
// and a start asks it which of these rows it has.

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
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if e.sinceTable.Load() > 0 {
			e.checkpointSoon()
		}
		if err := e.writeSettled(); err != nil {
			e.log.Error("checkpoint failed: the journal grows until the next one", "dir", e.cfg.Dir, "error", err)
		}
	}
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
