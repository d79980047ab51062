package demo

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/remora-ray/remora/internal/ray"
)

// How far around the recorded session its own stamps may lie: Ray also looks at
// files of the hour before it began.
const around = 2 * time.Hour

// recorded are the stamps of the recording, which was made in UTC; zone is that
// of the stamps a play writes.
func (r *Recording) recorded(zone *time.Location) stamps {
	return stamps{from: r.Begin.Add(-around), to: r.Begin.Add(around), zone: zone}
}

// setPace finds out when which bytes were written: a line at its own time stamp,
// one without a stamp together with the one before it. Files of user output have
// no stamps at all; their lines are spread from the start of their process to
// the time at which the file was last written.
func (r *Recording) setPace() {
	session, _ := ray.ParseSession(r.Session)
	r.Begin = session.Started
	find := r.recorded(time.UTC)
	find.from = r.Begin
	starts := r.processStarts(find)
	for i := range r.files {
		f := &r.files[i]
		if f.logPath == "" || len(f.content) == 0 || ray.ParsePath(f.logPath).Skip != "" {
			continue
		}
		find.to = f.mtime
		r.writes = append(r.writes, r.paceOf(i, find, starts[ray.ParsePath(f.logPath).WorkerID])...)
	}
	slices.SortStableFunc(r.writes, func(a, b write) int { return cmp.Compare(a.at, b.at) })
	r.End = r.Begin
	if n := len(r.writes); n > 0 {
		r.End = r.Begin.Add(r.writes[n-1].at)
	}
}

// processStarts maps a worker to the first stamp of its core's log.
func (r *Recording) processStarts(find stamps) map[string]time.Time {
	find.to = find.from.Add(around)
	starts := map[string]time.Time{}
	for _, f := range r.files {
		p := ray.ParsePath(f.logPath)
		if p.WorkerID == "" || p.Component != ray.ComponentCoreWorker {
			continue
		}
		if t, ok := find.first(f.content[:min(len(f.content), 512)]); ok {
			starts[p.WorkerID] = t
		}
	}
	return starts
}

// paceOf splits a file into writes of lines with one time.
func (r *Recording) paceOf(index int, find stamps, start time.Time) []write {
	f := &r.files[index]
	lines := bytes.SplitAfter(f.content, []byte("\n"))
	times := make([]time.Time, len(lines))
	known := false
	for i, line := range lines {
		if i > 0 {
			times[i] = times[i-1]
		}
		if t, ok := find.first(line[:min(len(line), 256)]); ok {
			known = true
			if t.After(times[i]) {
				times[i] = t
			}
		}
	}
	if !known {
		spread(times, start, f.mtime)
	}
	var out []write
	pos := 0
	for i, line := range lines {
		t := times[i]
		if t.IsZero() { // above the first stamp
			t = times[slices.IndexFunc(times, func(t time.Time) bool { return !t.IsZero() })]
		}
		at := max(0, t.Sub(r.Begin))
		if n := len(out); n > 0 && at <= out[n-1].at {
			out[n-1].to += len(line)
		} else if len(line) > 0 {
			out = append(out, write{at: at, file: index, from: pos, to: pos + len(line)})
		}
		pos += len(line)
	}
	return out
}

// spread gives lines without stamps times from start, where it is known, to end.
func spread(times []time.Time, start, end time.Time) {
	if start.IsZero() || start.After(end) {
		start = end
	}
	for i := range times {
		times[i] = start.Add(end.Sub(start) * time.Duration(i+1) / time.Duration(len(times)))
	}
}
