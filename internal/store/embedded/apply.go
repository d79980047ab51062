package embedded

import (
	"math"
	"runtime"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store/journal"
	"github.com/remora-ray/remora/internal/store/ledger"
)

const (
	// Rows go to the engine in batches of this weight where there is so much, as
	// what it gets at once it need not merge later.
	batchWeight = 4 << 20
	// How long rows wait for others to come, unless somebody asks for them.
	linger = time.Second
)

// startWorkers starts the appliers. Records may be applied in any order: what
// is new was decided before, and rows carry what sorts them.
func (e *Engine) startWorkers() {
	for range runtime.GOMAXPROCS(0) {
		w := newRowWriter(e)
		w.kick = make(chan struct{}, 1)
		e.writers = append(e.writers, w)
		e.workers.Go(w.work)
	}
}

// work collects rows and adds them when they are enough, have waited long
// enough, or somebody is in a hurry.
func (w *rowWriter) work() {
	defer w.close()
	timer := time.NewTimer(linger)
	timer.Stop()
	for {
		select {
		case j, open := <-w.engine.work:
			if !open {
				w.finish()
				return
			}
			if len(w.jobs) == 0 {
				timer.Reset(linger)
			}
			w.apply(j)
			if w.weight < batchWeight && w.engine.hurries.Load() == 0 && !w.engine.isLoki() {
				continue
			}
		case <-timer.C:
		case <-w.kick:
		}
		w.finish()
		timer.Stop()
	}
}

// hurry makes the appliers hold nothing back until done is called.
func (e *Engine) hurry() (done func()) {
	e.hurries.Add(1)
	for _, w := range e.writers {
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
	return func() { e.hurries.Add(-1) }
}

// idle returns when all that was delivered is in the engine.
func (e *Engine) idle() {
	done := e.hurry()
	defer done()
	e.inFlight.Wait()
}

// deliver takes what became durable, in order. A mark runs between records:
// after all before it were applied and before any after it is.
func (e *Engine) deliver(entry journal.Entry) {
	switch v := entry.Value.(type) {
	case *job:
		v.end = entry.End
		e.progress.begin(v.end)
		e.inFlight.Add(1)
		e.work <- v
		if e.sinceTable.Add(int64(len(entry.Record.Body))) > e.cfg.CheckpointBytes {
			e.checkpointSoon()
		}
	case *deletion:
		e.progress.begin(entry.End)
		err := e.waitBack()
		e.idle()
		if err == nil {
			err = e.delete(v)
		}
		if err != nil {
			e.log.Error("lines were not deleted: the request is tried again when the store is opened, unless a checkpoint comes first", "tenant", v.tenant, "error", err)
		}
		e.progress.done(entry.End)
	case func(end int64):
		_ = e.waitBack() // who marked asks for it
		e.idle()
		v(entry.End)
	}
}

// rowWriter puts lines into the engine; each goroutine has its own.
type rowWriter struct {
	engine *Engine
	kick   chan struct{}

	tenant *tenant // of the rows at hand
	jobs   []*job  // whose rows they are
	weight int64

	rows   *logstorage.LogRows
	fields []logstorage.Field
	digits []byte

	oldest, newest int64 // times of the rows
	days           map[string]bool
	lastDay        int64
}

func newRowWriter(e *Engine) *rowWriter {
	return &rowWriter{
		engine: e, rows: logstorage.GetLogRows(nil, nil, nil, nil, ""),
		days: make(map[string]bool), lastDay: -1, oldest: math.MaxInt64, newest: math.MinInt64,
	}
}

func (w *rowWriter) close() { logstorage.PutLogRows(w.rows) }

func (w *rowWriter) apply(j *job) {
	t, err := w.engine.tenants.open(j.tenant)
	if err != nil {
		// It was open when the push was admitted and stays open.
		panic(err)
	}
	if t != w.tenant {
		w.finish()
		w.tenant = t
	}
	w.engine.mustStep("apply")
	if w.engine.isLoki() {
		j.err = w.engine.passOn(w.engine.forward, j)
	}
	for i := range j.push.Streams {
		if w.engine.isLoki() {
			break
		}
		w.stream(t, &j.push.Streams[i], j.verdicts[i], j.received, nil)
	}
	w.engine.followers.offer(j)
	w.jobs = append(w.jobs, j)
	w.weight += j.weight
}

// finish adds the rows at hand and lets their records go.
func (w *rowWriter) finish() {
	if len(w.jobs) == 0 {
		return
	}
	w.flush(w.tenant)
	w.engine.mustStep("applied")
	for i, j := range w.jobs {
		w.engine.leave(j.weight)
		w.engine.progress.done(j.end)
		w.engine.inFlight.Done()
		w.jobs[i] = nil
	}
	w.jobs, w.weight = w.jobs[:0], 0
}

// stream adds the new lines of one stream, those of which skip is true left
// out.
func (w *rowWriter) stream(t *tenant, s *loki.Stream, v ledger.Verdict, received time.Time, skip func(e *logs.Entry, row uint64) bool) (added int) {
	base := w.begin(s)
	oldest := w.engine.oldestKept(t.name)
	expired := 0
	news(s, v, received, func(e *logs.Entry, row uint64) {
		if e.Time < oldest {
			expired++
			return
		}
		if skip != nil && skip(e, row) {
			return
		}
		w.entry(s, e, row, base)
		w.note(e.Time)
		added++
	})
	w.engine.metrics.expired.Add(float64(expired))
	return added
}

// note keeps the times and days of the rows at hand.
func (w *rowWriter) note(at int64) {
	w.oldest, w.newest = min(w.oldest, at), max(w.newest, at)
	if day := at / nanosPerDay; day != w.lastDay {
		w.lastDay = day
		w.days[dayName(day)] = true
	}
}

// begin lays out the fields that all rows of a stream share and returns how
// many there are. Equal fields at equal places cost the engine least.
func (w *rowWriter) begin(s *loki.Stream) int {
	f := w.fields[:0]
	for _, l := range s.Labels {
		f = append(f, logstorage.Field{Name: fieldName(l.Name), Value: l.Value})
	}
	if r := s.Range; r != nil {
		f = append(f, logstorage.Field{Name: fieldFile, Value: r.File.String()})
		for _, l := range r.Metadata {
			f = append(f, logstorage.Field{Name: metadataField(s.Labels, l.Name), Value: l.Value})
		}
	}
	w.fields = f
	return len(f)
}

func (w *rowWriter) entry(s *loki.Stream, e *logs.Entry, row uint64, base int) {
	f := w.fields[:base]
	for _, l := range e.Metadata {
		f = append(f, logstorage.Field{Name: metadataField(s.Labels, l.Name), Value: l.Value})
	}
	if s.Range == nil {
		w.digits = strconv.AppendUint(w.digits[:0], row, 10)
		f = append(f, logstorage.Field{Name: fieldRow, Value: string(w.digits)})
	}
	f = append(f, logstorage.Field{Name: "_msg", Value: e.Line})
	w.fields = f
	restore := hideShadowed(f[:base], len(s.Labels), f[base:len(f)-1])
	w.rows.MustAdd(logstorage.TenantID{}, e.Time, f, len(s.Labels))
	restore(f)
}

// hideShadowed empties the file's metadata that the line has a value of its own
// for: of two fields of one name the engine would keep both.
func hideShadowed(shared []logstorage.Field, from int, own []logstorage.Field) (restore func([]logstorage.Field)) {
	restore = func([]logstorage.Field) {}
	for _, o := range own {
		for i := from; i < len(shared); i++ {
			if shared[i].Name != o.Name || shared[i].Value == "" {
				continue
			}
			was, next := shared[i].Value, restore
			shared[i].Value = ""
			restore = func(f []logstorage.Field) { f[i].Value = was; next(f) }
		}
	}
	return restore
}

func (w *rowWriter) flush(t *tenant) {
	if w.rows.RowsCount() == 0 {
		return
	}
	t.touch(w.days)
	if err := t.rows.add(w.engine.forward, w.rows); err != nil && w.engine.forward.Err() == nil {
		panic(err) // it fails only where that ends
	}
	t.fresh.added(w.oldest, w.newest) // first: who asks after the change shows them
	t.known.changed(w.oldest, w.newest)
	clear(w.days)
	w.lastDay = -1
	w.rows.ResetKeepSettings()
	w.oldest, w.newest = math.MaxInt64, math.MinInt64
}

const nanosPerDay = int64(24 * time.Hour)
