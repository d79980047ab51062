package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/client"
)

// sums are what is known of all streams at a moment of rest.
type sums struct{ lines, pending, gone, short, over int }

// stored is how many lines must be there.
func (s sums) stored() int { return s.lines - s.pending - s.gone - s.short + s.over }

func (w *world) sums() (s sums) {
	for _, x := range w.writers.all() {
		x.mu.Lock()
		s.lines += x.lines
		s.pending += x.pending
		s.gone += len(x.gone)
		s.short += x.short
		s.over += x.over
		x.mu.Unlock()
	}
	return s
}

// stall is how long the count must stand still before it is asked what is missing.
const stallAfter = time.Second

// catchUp waits, all writers at rest, until every line is stored that can be, and
// says what came of the fault.
func (w *world) catchUp(ctx context.Context, r *row) error {
	begin := time.Now()
	want := w.sums()
	have, since, looked := -1, time.Now(), time.Time{}
	for {
		if err := w.mendServer(ctx); err != nil {
			return err
		}
		n, err := w.count(ctx)
		now := time.Now()
		if err == nil && n != have {
			have, since = n, now
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
		case n == want.stored() && w.even(ctx, want):
			r.catch = append(r.catch, now.Sub(begin))
			w.sure()
			return nil
		case now.Sub(since) > stallAfter && now.Sub(looked) > 3*time.Second:
			looked = now
			done, err := w.examine(ctx, r, false)
			if err == nil && done {
				r.catch = append(r.catch, since.Sub(begin))
				w.sure()
				return nil
			}
		}
		if now.Sub(begin) > w.options.wait {
			_, err := w.examine(ctx, r, true)
			r.catch = append(r.catch, now.Sub(begin))
			w.sure()
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// even reports whether the count is right of each stream, too, where it can be right of
// all by chance: one line came that was not waited for, and another is missing.
func (w *world) even(ctx context.Context, want sums) bool {
	if want.pending == 0 {
		return true
	}
	odd, err := w.odd(ctx)
	return err == nil && len(odd) == 0
}

// sure notes that whatever was written is accounted for.
func (w *world) sure() {
	for _, s := range w.writers.all() {
		s.mu.Lock()
		s.sure = s.lines
		s.mu.Unlock()
	}
}

// examine finds out which lines are missing or doubled. It is done when those that
// are missing could not be had by anybody. final takes what is left for lost.
func (w *world) examine(ctx context.Context, r *row, final bool) (bool, error) {
	odd, err := w.odd(ctx)
	if err != nil {
		return false, err
	}
	done := true
	seen, err := w.linesOf(ctx, odd)
	if err != nil {
		return false, err
	}
	gaps, err := w.gapsByFile(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range odd {
		if !final && !w.excusable(s, seen[s], gaps[s.file()]) {
			done = false
		}
	}
	if !done {
		return false, nil
	}
	for _, s := range odd {
		w.account(s, seen[s], gaps[s.file()], r)
	}
	return true, nil
}

// odd are the streams of which another number of lines is stored than is known of:
// among those that were written to since the last rest or, if it is none of them,
// among all.
func (w *world) odd(ctx context.Context) ([]*stream, error) {
	var active, all []*stream
	for _, s := range w.writers.all() {
		all = append(all, s)
		s.mu.Lock()
		if s.lines > s.sure {
			active = append(active, s)
		}
		s.mu.Unlock()
	}
	odd, err := w.oddAmong(ctx, active)
	if err != nil || len(odd) > 0 {
		return odd, err
	}
	return w.oddAmong(ctx, all)
}

func (w *world) oddAmong(ctx context.Context, streams []*stream) ([]*stream, error) {
	counts, err := w.countByStream(ctx, streams)
	if err != nil {
		return nil, err
	}
	var odd []*stream
	for _, s := range streams {
		s.mu.Lock()
		want := sums{s.lines, s.pending, len(s.gone), s.short, s.over}.stored()
		s.mu.Unlock()
		if counts[s.id] != want {
			odd = append(odd, s)
		}
	}
	return odd, nil
}

// linesOf asks how often each line of some streams is there.
func (w *world) linesOf(ctx context.Context, streams []*stream) (map[*stream][]int, error) {
	byID, times := map[int]*stream{}, map[*stream][]int{}
	for _, s := range streams {
		byID[s.id], times[s] = s, make([]int, s.lines)
	}
	take := func(l *client.Line) {
		id, n, _, ok := parseMark(l.Line)
		if s := byID[id]; ok && s != nil && n < len(times[s]) {
			times[s][n]++
		}
	}
	if len(streams) > 20 {
		return times, w.pages(ctx, selector, take)
	}
	for _, s := range streams {
		if err := w.pages(ctx, fmt.Sprintf(`%s |= "%s%d "`, selector, mark, s.id), take); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// missing are the lines that are not there and not known to be gone; others have
// arrived too often.
func (s *stream) missing(times []int, each func(n int, g *generation)) {
	for n, k := range times {
		if k > 0 {
			continue
		}
		_, cut := s.half[n]
		if _, known := s.gone[n]; !cut && !known {
			each(n, s.generationOf(n))
		}
	}
}

// excusable reports whether all that is wrong with a stream is lines that nobody
// could have, and that this is told if it can be.
func (w *world) excusable(s *stream, times []int, gaps []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := true
	s.missing(times, func(n int, g *generation) {
		fate := w.fate(s, times, n, g)
		ok = ok && fate != lost && (fate != gone || len(gaps) > s.gaps || w.forgetful())
	})
	twice := 0
	for _, k := range times {
		twice += max(0, k-1)
	}
	return ok && (twice <= s.over || w.forgetful())
}

// forgetful reports whether nobody knows any more what was sent: the agent's state was
// destroyed, and a Loki cannot tell what it has.
func (w *world) forgetful() bool { return w.target == "loki" && w.state }

// excepted is what is no fault where that is so.
const excepted = "a line twice, out of order, or gone and not told in a Loki, of a world in which the agent's state was destroyed"

// fate is why a line is not there.
type fate uint8

const (
	lost    fate = iota // its bytes could be had
	gone                // its bytes could not be had, and that must be told
	unseen              // nobody knew, or could still know, that there was anything
	hurried             // likewise, of a file that came and went while the agent ran and was busy
)

// fate judges line n of a stream, of which times says how often each line is there.
// Its loss can be told if the agent had something of the stream before it, and has
// anything behind it, or a state that tells of it.
func (w *world) fate(s *stream, times []int, n int, g *generation) fate {
	sight := w.watch.of(g)
	stored := func(n int) bool { return times[n] > 0 }
	switch {
	case n < s.sure || g.excuse == "" && sight == plainly:
		return lost
	case g.excuse == truncated, g.excuse == copiedOver:
		return gone
	case g.excuse == overBudget && sight != blind && anyLine(0, n, stored):
		return gone
	case !g.alone && anyLine(0, n, stored) && (s.stands() || anyLine(n+1, len(times), stored)):
		return gone
	case sight == rushed:
		return hurried
	default:
		return unseen
	}
}

func anyLine(from, to int, is func(n int) bool) bool {
	for n := from; n < to; n++ {
		if is(n) {
			return true
		}
	}
	return false
}

// account counts what is wrong with a stream.
func (w *world) account(s *stream, times []int, gaps []string, r *row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var short, missing, never []int
	s.missing(times, func(n int, g *generation) {
		switch w.fate(s, times, n, g) {
		case lost:
			short = append(short, n)
		case gone:
			missing = append(missing, n)
		case hurried:
			r.rushed++
			never = append(never, n)
		case unseen:
			r.unseen++
			never = append(never, n)
		}
	})
	w.gone(s, missing, gaps, r)
	for _, n := range never {
		s.gone[n] = false
	}
	s.pending = 0
	for n := range s.half {
		if times[n] == 0 {
			s.pending++
		}
	}
	w.twice(s, times, r)
	if k := len(short); k > s.short {
		r.lost += k - s.short
		s.short = k
		w.suspect(s)
		w.table.wrong("%s: %d lines of %s are lost, lines %d to %d; gaps told: %v%s", w.now, k, s, short[0], short[k-1], gaps, w.story(s, short))
	}
}

// gone counts lines that nobody could have, though it can be known that they were:
// for these a gap must be told.
func (w *world) gone(s *stream, missing []int, gaps []string, r *row) {
	k := len(missing)
	switch {
	case k > 0 && len(gaps) > s.gaps:
		r.told += k
	case k > 0 && w.forgetful():
		w.table.notes[excepted] += k
	case k > 0:
		r.untold += k
		w.suspect(s)
		w.table.wrong("%s: %d lines of %s are gone and no gap is told, lines %d to %d; gaps told before: %v%s",
			w.now, k, s, missing[0], missing[k-1], gaps, w.story(s, missing))
	}
	for _, n := range missing {
		s.gone[n] = true
	}
	s.gaps = len(gaps)
}

// twice counts lines that are there more than once.
func (w *world) twice(s *stream, times []int, r *row) {
	twice := 0
	for n, k := range times {
		if k > 1 {
			if twice += k - 1; twice <= 3 && !w.forgetful() {
				w.suspect(s)
				w.table.wrong("%s: line %d of %s is there %d times", w.now, n, s, k)
			}
		}
	}
	switch more := max(0, twice-s.over); {
	case more > 0 && w.forgetful():
		w.table.notes[excepted] += more
	default:
		r.twice += more
	}
	s.over = twice
}

// stands reports whether anything is left of the stream's files: where nothing is,
// and the agent does not know them any more, there is nothing to tell a gap with.
func (s *stream) stands() bool {
	for _, g := range s.gens {
		if g.removed.IsZero() && !g.born.IsZero() {
			return true
		}
	}
	return false
}

// file is what the stream is called in what is stored.
func (s *stream) file() string { return s.session + "/" + s.name }

func (s *stream) String() string { return fmt.Sprintf("%s/%s (stream %d)", s.session, s.name, s.id) }

// story tells what became of the generations of lines, and when the agent could see.
func (w *world) story(s *stream, lines []int) string {
	text, some := "", 0
	var last *generation
	for _, n := range lines {
		g := s.generationOf(n)
		if g == last {
			continue
		}
		last = g
		if some++; some > 3 {
			continue
		}
		text += fmt.Sprintf("\n    line %d: file from line %d, first byte %s, removed %s %s", n, g.first, timeOfDay(g.born), timeOfDay(g.removed), g.excuse)
	}
	w.watch.mu.Lock()
	defer w.watch.mu.Unlock()
	for _, v := range w.watch.spans[max(0, len(w.watch.spans)-3):] {
		text += fmt.Sprintf("\n    the agent could see from %s to %s, slow %v", timeOfDay(v.from), timeOfDay(v.to), v.slow)
	}
	return text
}

// final compares each stored line with what was written.
func (w *world) final(ctx context.Context, r *row) error {
	j := &judge{world: w, row: r, streams: w.writers.all(), split: map[string]*piece{}, gap: map[string]bool{}, behind: map[int]int{}}
	j.times, j.last, j.latest = make([][]int, len(j.streams)), make([]int, len(j.streams)), make([]int64, len(j.streams))
	for i, s := range j.streams {
		j.times[i], j.last[i] = make([]int, s.lines), -1
	}
	if err := w.pages(ctx, selector, j.take); err != nil {
		return err
	}
	for file := range j.split {
		j.flush(file)
	}
	gaps, err := w.gapsByFile(ctx)
	if err != nil {
		return err
	}
	distinct := 0
	for i, s := range j.streams {
		for _, k := range j.times[i] {
			distinct += k
		}
		w.account(s, j.times[i], gaps[s.file()], r)
		w.broken(s, j.times[i], r)
	}
	// What a metric query counts is what is stored; a Loki shows equal entries once.
	n, err := w.count(ctx)
	r.stored = n - distinct
	if err != nil || !w.keep {
		return err
	}
	return w.dossiers(ctx)
}

// broken looks for lines that were never ended: at the end of the agent's life they
// must be there too.
func (w *world) broken(s *stream, times []int, r *row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.half {
		if g := s.generationOf(n); times[n] == 0 && g.excuse == "" && w.watch.of(g) == plainly {
			r.lost++
			w.table.wrong("end: half line %d of %s is lost%s", n, s, w.story(s, []int{n}))
		}
	}
}

// judge takes every stored line in the order of time.
type judge struct {
	world   *world
	row     *row
	streams []*stream
	times   [][]int
	last    []int             // line that came last
	latest  []int64           // its time
	behind  map[int]int       // by stream, of which line it was told that others come behind it
	split   map[string]*piece // by session/filename
	gap     map[string]bool   // by session/filename: a gap was told behind the last line
}

// piece is a line that is stored in pieces, as far as they have come.
type piece struct {
	text    strings.Builder
	session string
	at      int64
}

func (j *judge) take(l *client.Line) {
	session := l.Label("session")
	file := session + "/" + l.Label("filename")
	if l.Label("gap") != "" {
		j.flush(file)
		j.gap[file] = true
		return
	}
	split := l.Label("split")
	if split == "" || split == "1" {
		j.flush(file)
	}
	if split == "" {
		j.line(session, l.Line, l.Time)
		return
	}
	if j.split[file] == nil {
		j.split[file] = &piece{session: session, at: l.Time}
	}
	j.split[file].text.WriteString(l.Line)
}

func (j *judge) flush(file string) {
	if p := j.split[file]; p != nil {
		delete(j.split, file)
		j.line(p.session, p.text.String(), p.at)
	}
}

func (j *judge) line(session, line string, at int64) {
	id, n, begin, ok := parseMark(line)
	if !ok {
		return
	}
	if id >= len(j.streams) {
		j.row.lost++
		j.world.table.wrong("end: nobody wrote %.80q", line)
		return
	}
	s := j.streams[id]
	want, ok := s.expect(n)
	if !ok || !sameText(want, line[begin:]) || session != s.session {
		j.row.lost++
		j.world.table.wrong("end: line %d of %s is not what was written: stored %.200q (%d bytes, session %s), written %.200q (%d bytes)",
			n, s, line[begin:], len(line)-begin, session, want, len(want))
		return
	}
	j.times[id][n]++
	switch {
	case n >= j.last[id] || j.times[id][n] != 1:
	case j.world.forgetful():
		j.world.table.notes[excepted]++
	default:
		if j.row.disorder++; j.behind[id] != j.last[id] {
			j.behind[id] = j.last[id]
			j.world.suspect(s)
			j.world.table.wrong("end: line %d of %s, stored with the time %s, comes after line %d, with %s%s",
				n, s, clock(at), j.last[id], clock(j.latest[id]), j.world.story(s, []int{n, j.last[id]}))
		}
	}
	j.inPlace(s, j.last[id]+1, n)
	if n > j.last[id] {
		j.last[id], j.latest[id] = n, at
	}
}

func clock(ns int64) string { return time.Unix(0, ns).Format("15:04:05.000000000") }

// inPlace checks that there is a gap where lines are gone between two that are there.
func (j *judge) inPlace(s *stream, from, to int) {
	told := j.gap[s.file()]
	delete(j.gap, s.file())
	for n := from; n < to && !told && !j.world.forgetful(); n++ {
		if s.gone[n] {
			j.row.untold++
			j.world.suspect(s)
			j.world.table.wrong("end: line %d of %s is gone, and the gap that is told of it is not between %d and %d", n, s, from-1, to)
			return
		}
	}
}
