package agent

import (
	"time"

	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/loki"
)

// Bytes of a file that are gone are told as a gap: before the line that comes behind them,
// or by itself where none comes.

// abandon gives up what cannot be had of a generation and notes the gap.
func (a *agent) abandon(f *follower, g *generation, why string) {
	missing := g.size - f.cursor.Offset
	g.size = max(g.size, f.sentOf(g))
	if end := g.base + uint64(max(g.size, f.cursor.Offset)); end > f.emit && !f.passed() { // else the server has it
		a.noteGap(f, why, end, missing)
	}
	g.done = true
	g.size = max(g.size, f.cursor.Offset)
	a.closeFD(g)
	f.next()
}

func (a *agent) noteGap(f *follower, why string, at uint64, missing int64) {
	a.lost++
	a.met.gaps.WithLabelValues(why).Inc()
	a.met.dropBytes.Add(float64(missing))
	a.log.Error("bytes of a log file are lost", "session", f.session.name, "stream", f.file.Stream, "reason", why, "bytes", missing)
	f.missing(why, at)
	f.gapSince = wall.Mono()
}

// missing has it told, with what comes next, that bytes before an offset are missing.
func (f *follower) missing(why string, at uint64) {
	f.gap, f.gapAt, f.alone = why, at, false
}

// gapAlone is how long a gap waits for the lines that come behind it.
const gapAlone = time.Second

// lonely reports whether a gap has waited long enough for what comes behind it.
func (f *follower) lonely() bool {
	g := f.reading()
	waited := wall.Mono()-f.gapSince >= int64(gapAlone)
	switch {
	case f.telling:
		return false
	case g == nil:
		return f.gap != "" && (waited || len(f.names) == 0)
	default:
		return waited && g.begun && f.cursor.Offset == 0 && (g.gap != "" || f.gap != "" && f.gapAt == g.base)
	}
}

// tellGap sends a gap by itself, as no line follows that it could go before. It is
// made to end one byte behind all that the server has, else it would be no news there.
func (a *agent) tellGap(f *follower) {
	if f.running || !f.asked || !f.named || a.running >= cap(a.jobs) || f.epochOf != f.epoch.Load() {
		return
	}
	g := f.reading()
	if g != nil && g.gap != "" {
		f.missing(g.gap, g.base)
		g.gap = ""
	}
	if !f.alone {
		f.gapAt, f.alone = f.gapAt+1, true
	}
	if g != nil {
		g.base = f.gapAt
	}
	a.save(f)
	a.prepare(f)
	f.running, f.telling = true, true
	a.running++
	j := pipeline.Job{
		Follower: f, Epoch: f.epochOf, Tenant: f.session.node.Tenant, Stream: f.parser, FD: -1, Base: f.gapAt,
		TellGap: true, Range: loki.FileRange{File: f.id, Gap: f.gap},
	}
	if first := f.oldest(); first != nil && !f.sent && f.acked.Offset == 0 {
		j.Range.Generation = first.print // whose the stream's identity is
	}
	a.jobs <- j
}

// toldAlone reports whether an earlier run began to tell the gap by itself: it lies
// behind the end of all that comes before it.
func (f *follower) toldAlone() bool {
	end := f.acked.Offset
	for _, g := range f.gens {
		if g.begun && g.base < f.gapAt {
			end = max(end, g.base+uint64(g.size))
		}
	}
	return f.gap != "" && end < f.gapAt
}
