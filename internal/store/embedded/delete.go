package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/journal"
)

// deletion is a request to delete, as the journal keeps it. It takes its place
// among the pushes: what came before it goes, what comes after it stays.
type deletion struct {
	tenant     string
	Filter     string   // LogsQL
	Filters    []string // LogsQL for rows one by one, instead of Filter
	Start, End int64
	Request    store.Deletion
}

// Delete removes the selected records; see store.Store. Where the engine cannot
// be asked exactly, the rows that match are looked up and named.
func (e *Engine) Delete(ctx context.Context, tenant string, sel logs.Selection, query string, match func(*logs.Record) bool) error {
	if err := store.ValidTenant(tenant); err != nil {
		return &store.InvalidError{Reason: err.Error()}
	}
	if err := e.Ready(); err != nil {
		return err
	}
	if err := e.canDelete(ctx, tenant); err != nil {
		return err
	}
	sel.Start, sel.End = e.clampTime(sel.Start, sel.End)
	if sel.Start >= sel.End {
		return nil
	}
	p := push(&sel, false)
	var filters []string
	if match != nil || !p.exact {
		rows, err := e.choose(ctx, tenant, sel, match)
		if err != nil {
			return err
		}
		p.filter, filters = "", rows.filters()
	}
	now := e.cfg.Now()
	d := &deletion{tenant: tenant, Filter: p.filter, Filters: filters, Start: sel.Start, End: sel.End, Request: store.Deletion{
		ID: fmt.Sprintf("%016x", rand.Uint64()), Query: query, Start: sel.Start, End: sel.End, Created: now.UnixNano(),
	}}
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode deletion: %w", err)
	}
	e.deletions.add(tenant, d.Request)
	e.judging.Lock()
	record := &journal.Record{Kind: kindDelete, Tenant: tenant, Received: now.UnixNano(), Row: e.ledger.NextRow(), Body: body}
	ticket, err := e.journal.Append(record, d, nil)
	e.judging.Unlock()
	if err == nil {
		err = ticket.Wait()
	}
	if err != nil {
		e.deletions.remove(tenant, d.Request.ID)
	}
	return appendError(err)
}

// canDelete asks an outgrown store whether it deletes at all.
func (e *Engine) canDelete(ctx context.Context, tenant string) error {
	if e.cfg.Outgrown == nil {
		return nil
	}
	ts, err := e.ask(ctx, []string{tenant}, 0, 0)
	for _, t := range ts {
		if err == nil {
			_, err = t.rows.erasing(ctx)
		}
	}
	if err != nil {
		return &store.InvalidError{Reason: e.cannotHere("deleting", err.Error()).Error()}
	}
	return nil
}

func (e *Engine) replayDelete(rec *journal.Record) error {
	d := &deletion{tenant: rec.Tenant}
	if err := json.Unmarshal(rec.Body, d); err != nil {
		return fmt.Errorf("read deletion in the journal: %w", err)
	}
	if d.Request.ID != "" { // an older program gave none
		e.deletions.add(d.tenant, d.Request)
	}
	return e.delete(d)
}

// delete runs a deletion to its end. No rows are added meanwhile.
func (e *Engine) delete(d *deletion) error {
	if err := e.tenants.mark(); err != nil {
		return err
	}
	ts, err := e.tenants.existing([]string{d.tenant})
	if err != nil {
		return err
	}
	for _, t := range ts {
		if err := t.delete(d); err != nil {
			return fmt.Errorf("delete lines of tenant %s: %w", t.name, err)
		}
	}
	if d.Request.ID == "" {
		return nil
	}
	return e.deletions.done(d.tenant, d.Request.ID)
}

func (t *tenant) delete(d *deletion) error {
	defer t.known.allChanged()
	filters := d.Filters
	if d.Filter != "" {
		filters = []string{d.Filter}
	}
	for _, f := range filters {
		if err := t.deleteBy(f, d.Start, d.End); err != nil {
			return err
		}
	}
	return nil
}

func (t *tenant) deleteBy(filter string, start, end int64) error {
	filter = fmt.Sprintf("_time:[%s,%s] %s", preciseTime(start), preciseTime(end-1), filter)
	// One left from before a crash must not delete what is added after it.
	if err := t.awaitDeletions(); err != nil {
		return err
	}
	if err := t.rows.erase(context.Background(), filter, end); err != nil {
		return err
	}
	return t.awaitDeletions()
}

func preciseTime(ns int64) string {
	return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// awaitDeletions returns when the engine has no deletion to do.
func (t *tenant) awaitDeletions() error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		busy, err := t.rows.erasing(context.Background())
		if err != nil || !busy {
			return err
		}
		time.Sleep(pause)
	}
}
