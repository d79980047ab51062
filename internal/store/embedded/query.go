package embedded

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

// tenantID is the engine's name of the only tenant a storage of ours holds.
var tenantID = []logstorage.TenantID{{}}

// hiddenFields are never wanted in an answer.
var hiddenFields = []string{"_stream_id"}

// Explain shows what of a selection is pushed down: LogsQL without time. checked
// tells that what comes of it is looked at once more.
func (e *Engine) Explain(sel logs.Selection) (logsQL string, checked bool) {
	p := push(&sel, e.tenants.marked.Load())
	return p.filter + lookedAt(&sel, p.exact), !p.exact
}

// ExplainBuckets shows how buckets are counted: by the engine, or from lines that
// are looked at once more.
func (e *Engine) ExplainBuckets(q logs.BucketQuery) (logsQL string, checked bool) {
	p := push(&q.Selection, e.tenants.marked.Load())
	if !p.exact {
		return p.filter, true
	}
	return bucketsLogsQL(p.filter, q), false
}

// run asks one tenant with start ≤ time < end. writeBlock is called by several
// goroutines, told apart by worker.
func (t *tenant) run(ctx context.Context, query string, start, end int64, writeBlock func(worker uint, b *logstorage.DataBlock)) error {
	if start >= end {
		return nil
	}
	q, err := logstorage.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("ask the engine %s: %w", query, err)
	}
	q.AddTimeFilter(start, end-1)
	qctx := logstorage.NewQueryContext(ctx, &logstorage.QueryStats{}, tenantID, q, false, hiddenFields)
	t.serving.RLock()
	defer t.serving.RUnlock()
	if err := t.rows.query(qctx, writeBlock); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return engineError(query, err)
	}
	// A cancelled query ends with a part of the rows and no error.
	return ctx.Err()
}

// engineError tells a question that is too large from what should not happen. The
// engine has no type for the former: "…, since it requires more than 256MB of memory".
func engineError(query string, err error) error {
	_, rest, found := strings.Cut(err.Error(), "requires more than ")
	number, _, large := strings.Cut(rest, "MB of memory")
	if n, wrong := strconv.ParseInt(number, 10, 64); found && large && wrong == nil {
		return &store.MemoryError{What: "the groups that it counts", Limit: n << 20}
	}
	return fmt.Errorf("ask the engine %s: %w", query, err)
}

// ask gets tenants ready for a query of [start, end): opened, with every line
// in the engine and visible that was acknowledged before.
func (e *Engine) ask(ctx context.Context, names []string, start, end int64) ([]*tenant, error) {
	if err := e.askNothing(); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := store.ValidTenant(name); err != nil {
			return nil, &store.InvalidError{Reason: err.Error()}
		}
	}
	if err := e.catchUp(ctx); err != nil {
		return nil, err
	}
	ts, err := e.tenants.existing(names)
	if err != nil {
		return nil, err
	}
	for _, t := range ts {
		if err := t.show(ctx, start, end); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

// catchUp returns when everything that was acknowledged is in the engine.
func (e *Engine) catchUp(ctx context.Context) error {
	at := e.journal.Synced()
	if e.progress.reached(at) {
		return nil
	}
	done := e.hurry()
	defer done()
	return e.progress.wait(ctx, at)
}

// Streams lists label sets; see store.Store.
func (e *Engine) Streams(ctx context.Context, tenants []string, matchers []logs.Matcher, start, end int64) ([]logs.Labels, error) {
	ts, err := e.ask(ctx, tenants, start, end)
	if err != nil {
		return nil, err
	}
	marked := e.tenants.marked.Load()
	all := push(&logs.Selection{}, marked).filter
	filter := push(&logs.Selection{Matchers: matchers}, marked).filter
	seen := make(map[string]logs.Labels)
	for _, t := range ts {
		if err := t.list(ctx, all, filter, matchers, start, end, seen); err != nil {
			return nil, err
		}
	}
	out := make([]logs.Labels, 0, len(seen))
	for _, ls := range seen {
		if logs.MatchesAll(matchers, ls) {
			out = append(out, ls)
		}
	}
	sortLabels(out)
	return out, nil
}

func (t *tenant) streams(ctx context.Context, query string, start, end int64, seen map[string]logs.Labels) error {
	if start >= end {
		return nil
	}
	q, err := logstorage.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("ask the engine %s: %w", query, err)
	}
	q.AddTimeFilter(start, end-1)
	qctx := logstorage.NewQueryContext(ctx, &logstorage.QueryStats{}, tenantID, q, false, nil)
	t.serving.RLock()
	found, err := t.rows.streams(qctx)
	t.serving.RUnlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("list streams: %w", err)
	}
	for _, v := range found {
		if _, ok := seen[v.Value]; !ok {
			key := strings.Clone(v.Value)
			seen[key] = parseStream(key)
		}
	}
	return nil
}

// LabelNames lists names of stream labels.
func (e *Engine) LabelNames(ctx context.Context, tenants []string, matchers []logs.Matcher, start, end int64) ([]string, error) {
	streams, err := e.Streams(ctx, tenants, matchers, start, end)
	if err != nil {
		return nil, err
	}
	return distinct(streams, func(ls logs.Labels, add func(string)) {
		for _, l := range ls {
			add(l.Name)
		}
	}), nil
}

// LabelValues lists values of one stream label.
func (e *Engine) LabelValues(ctx context.Context, tenants []string, name string, matchers []logs.Matcher, start, end int64) ([]string, error) {
	streams, err := e.Streams(ctx, tenants, matchers, start, end)
	if err != nil {
		return nil, err
	}
	return distinct(streams, func(ls logs.Labels, add func(string)) {
		if v, ok := ls.Lookup(name); ok {
			add(v)
		}
	}), nil
}
