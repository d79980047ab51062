package embedded

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/klauspost/compress/snappy"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store/journal"
	"github.com/remora-ray/remora/internal/store/ledger"
)

// replay brings the journal's tail into the engine at open. The ledger is the
// one of the last checkpoint and judges each record as it did when the record
// came. Some of the rows may have reached the disk before the crash: the engine
// is asked which, a chunk of records at a time, and the rest is added: where the
// records are only judged at first, while others are appended, see bringBack.
type replay struct {
	engine *Engine
	ledger *ledger.Ledger
	writer *rowWriter
	chunk  []*job
	weight int64

	judging bool               // records are judged and nothing else
	judged  [][]ledger.Verdict // of each record; nil for what is no push
	deletes bool               // some record is a deletion

	records, lines, added int
}

// replayChunk bounds the decoded records at hand.
const replayChunk = 64 << 20

func (r *replay) record(rec *journal.Record, end int64) error {
	r.records++
	switch rec.Kind {
	case kindPush:
		j, err := r.push(rec, end)
		if err != nil {
			return err
		}
		if r.judging {
			r.judged = append(r.judged, j.verdicts)
			return nil
		}
		return r.job(j)
	case kindDelete:
		if r.judging {
			r.judged, r.deletes = append(r.judged, nil), true
			return nil
		}
		if err := r.flush(); err != nil {
			return err
		}
		return r.engine.replayDelete(rec)
	}
	return fmt.Errorf("the journal holds a record of kind %d, which this program does not know: use the program that wrote it", rec.Kind)
}

// push reads a record and judges it, unless that was done.
func (r *replay) push(rec *journal.Record, end int64) (*job, error) {
	body, err := snappy.Decode(nil, rec.Body)
	if err != nil {
		return nil, fmt.Errorf("journal record that ends at %d: %w", end, err)
	}
	push, err := loki.DecodePushIn(body)
	if err != nil {
		return nil, fmt.Errorf("journal record that ends at %d: %w", end, err)
	}
	received := time.Unix(0, rec.Received)
	j := &job{tenant: rec.Tenant, received: received, push: push}
	if !r.judging && r.judged != nil {
		j.verdicts, r.judged = r.judged[0], r.judged[1:]
		return j, nil
	}
	r.ledger.SetNextRow(max(rec.Row, r.ledger.NextRow()))
	j.verdicts = r.ledger.Judge(rec.Tenant, received, partsOf(push)).Parts
	return j, nil
}

// job takes a judged push.
func (r *replay) job(j *job) error {
	if r.engine.isLoki() {
		return r.toLoki(j)
	}
	j.weight = weightOf(j.push)
	r.chunk = append(r.chunk, j)
	if r.weight += j.weight; r.weight > replayChunk {
		return r.flush()
	}
	return nil
}

func (r *replay) finish() error {
	if err := r.flush(); err != nil {
		return err
	}
	if r.writer != nil {
		r.writer.close()
	}
	return nil
}

// flush adds what of the chunk is missing, tenant by tenant.
func (r *replay) flush() error {
	if r.writer == nil {
		r.writer = newRowWriter(r.engine)
	}
	byTenant := make(map[string][]*job)
	for _, j := range r.chunk {
		byTenant[j.tenant] = append(byTenant[j.tenant], j)
	}
	r.chunk, r.weight = nil, 0
	for name, jobs := range byTenant {
		t, err := r.engine.tenants.open(name)
		if err != nil {
			return err
		}
		if err := r.tenant(t, jobs); err != nil {
			return fmt.Errorf("replay lines of tenant %s: %w", name, err)
		}
	}
	return nil
}

func (r *replay) tenant(t *tenant, jobs []*job) error {
	if t.storage == nil {
		// Rows on their way would be taken for missing.
		if err := t.rows.show(r.engine.forward); err != nil {
			return err
		}
	}
	there, err := findPresent(t, jobs)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		for i := range j.push.Streams {
			s := &j.push.Streams[i]
			r.added += r.writer.stream(t, s, j.verdicts[i], j.received, func(e *logs.Entry, row uint64) bool {
				r.lines++
				return there.take(s, e, row)
			})
			if r.writer.rows.NeedFlush() {
				r.writer.flush(t)
			}
		}
	}
	r.writer.flush(t)
	if t.storage == nil {
		return r.engine.forward.Err() // VictoriaLogs keeps its index itself
	}
	return r.registerStreams(t, jobs)
}

// present is what of a chunk the engine has: for rows of files offsets by file
// and kind, for others their numbers. Sorted; a row taken is not taken again.
type present struct {
	offsets map[presentKey]*offsets
	rows    []uint64
}

type offsets struct {
	at    []uint64
	taken []bool
}

type presentKey struct {
	file loki.FileID
	gap  bool
}

// span is the range of time of a chunk's new rows and what they are known by.
type span struct {
	from, to         int64
	files            map[loki.FileID]offsetSpan
	firstRow, endRow uint64
}

// offsetSpan holds the offsets of new rows of a file, both ends among them.
type offsetSpan struct{ first, last uint64 }

func spanOf(jobs []*job) span {
	sp := span{from: math.MaxInt64, to: math.MinInt64, files: make(map[loki.FileID]offsetSpan), firstRow: math.MaxUint64}
	for _, j := range jobs {
		for i := range j.push.Streams {
			s := &j.push.Streams[i]
			news(s, j.verdicts[i], j.received, func(e *logs.Entry, row uint64) {
				sp.from, sp.to = min(sp.from, e.Time), max(sp.to, e.Time)
				if s.Range != nil {
					offset, _ := entryOffset(e)
					o, known := sp.files[s.Range.File]
					if !known {
						o.first = offset
					}
					sp.files[s.Range.File] = offsetSpan{min(o.first, offset), max(o.last, offset)}
					return
				}
				sp.firstRow, sp.endRow = min(sp.firstRow, row), max(sp.endRow, row+1)
			})
		}
	}
	return sp
}

// filesPerQuery bounds the length of one question.
const filesPerQuery = 100

// findPresent asks by fields of the rows, not by streams: after a crash rows
// may be on disk whose stream the index has lost.
func findPresent(t *tenant, jobs []*job) (*present, error) {
	p := &present{offsets: make(map[presentKey]*offsets)}
	sp := spanOf(jobs)
	if sp.from > sp.to {
		return p, nil
	}
	var files []loki.FileID
	for id := range sp.files {
		files = append(files, id)
	}
	for group := range slices.Chunk(files, filesPerQuery) {
		// Not the files alone: rows that were there at the last checkpoint are many.
		var any []string
		for _, id := range group {
			o := sp.files[id]
			any = append(any, fmt.Sprintf("(%s:=%s %s:range[%d,%d])", fieldFile, id, loki.MetadataOffset, o.first, o.last))
		}
		if err := p.collect(t, "("+strings.Join(any, " or ")+")", sp); err != nil {
			return nil, err
		}
	}
	if sp.endRow > 0 {
		q := fmt.Sprintf("%s:range[%d,%d]", fieldRow, sp.firstRow, sp.endRow-1)
		if err := p.collect(t, q, sp); err != nil {
			return nil, err
		}
	}
	for _, all := range p.offsets {
		slices.Sort(all.at)
		all.taken = make([]bool, len(all.at))
	}
	slices.Sort(p.rows)
	return p, nil
}

func (p *present) collect(t *tenant, filter string, sp span) error {
	rows := &lockedRows{}
	// Not all fields: with the stream among them the engine leaves out rows whose
	// stream the index has lost.
	query := filter + " | fields " + strings.Join([]string{fieldFile, fieldRow, loki.MetadataOffset, gapName}, ", ")
	err := t.run(context.Background(), query, sp.from, sp.to+1, func(_ uint, b *logstorage.DataBlock) { rows.add(b) })
	if err != nil {
		return err
	}
	for _, k := range rows.keys {
		if k.row > 0 {
			p.rows = append(p.rows, k.row)
			continue
		}
		all := p.offsets[k.presentKey]
		if all == nil {
			all = &offsets{}
			p.offsets[k.presentKey] = all
		}
		all.at = append(all.at, k.offset)
	}
	return nil
}

// take reports whether the engine has the row, which then counts as taken.
func (p *present) take(s *loki.Stream, e *logs.Entry, row uint64) bool {
	if s.Range == nil {
		_, found := slices.BinarySearch(p.rows, row)
		return found
	}
	offset, _ := entryOffset(e)
	_, gap := e.Metadata.Lookup(gapName)
	return p.pop(presentKey{file: s.Range.File, gap: gap}, offset)
}

func (p *present) pop(key presentKey, offset uint64) bool {
	all := p.offsets[key]
	if all == nil {
		return false
	}
	i, _ := slices.BinarySearch(all.at, offset)
	for ; i < len(all.at) && all.at[i] == offset; i++ {
		if !all.taken[i] {
			all.taken[i] = true
			return true
		}
	}
	return false
}

// registerStreams makes streams known whose rows are on disk and whose entry in
// the index was lost: the engine enters a stream only when it adds a row.
func (r *replay) registerStreams(t *tenant, jobs []*job) error {
	t.storage.DebugFlush()
	type streamDay struct {
		stream string
		day    int64
	}
	checked := make(map[streamDay]bool)
	for _, j := range jobs {
		for i := range j.push.Streams {
			s := &j.push.Streams[i]
			var missing []int64
			text := s.Labels.String()
			var err error
			news(s, j.verdicts[i], j.received, func(e *logs.Entry, _ uint64) {
				day := e.Time / nanosPerDay
				key := streamDay{text, day}
				if checked[key] || err != nil {
					return
				}
				checked[key] = true
				var known bool
				if known, err = t.knows(s.Labels, day); err == nil && !known {
					missing = append(missing, day)
				}
			})
			if err != nil {
				return err
			}
			for _, day := range missing {
				if err := r.engine.tenants.mark(); err != nil {
					return err
				}
				r.writer.marker(t, s.Labels, day)
			}
		}
	}
	return nil
}

// knows reports whether the index of a day finds the stream's rows.
func (t *tenant) knows(ls logs.Labels, day int64) (bool, error) {
	matchers := make([]logs.Matcher, len(ls))
	for i, l := range ls {
		matchers[i] = logs.Matcher{Name: l.Name, Value: l.Value}
	}
	sel := logs.Selection{Matchers: matchers}
	found := &lockedRows{}
	query := push(&sel, false).filter + " | limit 1"
	err := t.run(context.Background(), query, day*nanosPerDay, (day+1)*nanosPerDay, func(_ uint, b *logstorage.DataBlock) { found.count(b) })
	return found.n > 0, err
}

// marker adds a row that makes a stream known on a day. No query shows it.
func (w *rowWriter) marker(t *tenant, ls logs.Labels, day int64) {
	w.begin(&loki.Stream{Labels: ls})
	f := append(w.fields, logstorage.Field{Name: fieldMarker, Value: "1"}, logstorage.Field{Name: fieldRow, Value: strconv.Itoa(0)})
	w.rows.MustAdd(logstorage.TenantID{}, day*nanosPerDay, f, len(ls))
	w.note(day * nanosPerDay)
	w.flush(t)
}
