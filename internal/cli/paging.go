package cli

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
)

const (
	// A server gives at most so many lines, and so long a range, at once.
	pageLines = 5000
	pageRange = 30 * 24 * time.Hour
)

// paging walks through all lines of a query, however many there are, in pages
// that a server gives at once. Lines of the time at which a page ended come
// again with the next one and are passed once.
type paging struct {
	client     *client.Client
	query      string
	direction  logs.Direction
	start, end time.Time
	limit      int // 0 for all
	warn       func(format string, args ...any)

	size   int // of a page; 0 means pageLines
	passed int
	edge   int64          // the time at which the last page ended
	seen   map[string]int // lines of that time, by what they are
}

// each passes the lines on in order, a page at a time, and reports whether limit
// ended it.
func (p *paging) each(ctx context.Context, yield func([]client.Line) error) (more bool, err error) {
	for window := range p.windows {
		p.seen = nil
		for {
			page, want, err := p.page(ctx, window)
			if err != nil {
				return false, err
			}
			got := len(page)
			fresh := p.fresh(page)
			if err := yield(fresh); err != nil {
				return false, err
			}
			if p.limit > 0 && p.passed >= p.limit {
				return got >= want, nil
			}
			if got < want {
				break
			}
			p.advance(&window, len(fresh))
		}
	}
	return false, nil
}

type window struct{ start, end time.Time }

// windows yields the range in parts that a server takes, in the order wanted.
func (p *paging) windows(yield func(window) bool) {
	if p.direction == logs.Forward {
		for s := p.start; s.Before(p.end); s = s.Add(pageRange) {
			if !yield(window{s, earlier(s.Add(pageRange), p.end)}) {
				return
			}
		}
		return
	}
	for e := p.end; e.After(p.start); e = e.Add(-pageRange) {
		s := e.Add(-pageRange)
		if s.Before(p.start) {
			s = p.start
		}
		if !yield(window{s, e}) {
			return
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// page asks for one page, for a smaller one where its lines are too long for one
// answer.
func (p *paging) page(ctx context.Context, w window) (lines []client.Line, want int, err error) {
	if p.size == 0 {
		p.size = pageLines
	}
	for {
		want = p.size
		if p.limit > 0 {
			again := 0
			for _, n := range p.seen {
				again += n
			}
			want = min(want, p.limit-p.passed+again)
		}
		r, err := p.client.QueryRange(ctx, client.RangeQuery{Query: p.query, Start: w.start, End: w.end, Limit: want, Direction: p.direction})
		if tooLarge(err) && want > 1 {
			p.size = want / 2
			continue
		}
		if err != nil {
			return nil, want, err
		}
		for _, text := range r.Warnings {
			p.warn("warning: %s", text)
		}
		return r.Lines, want, nil
	}
}

func tooLarge(err error) bool {
	var large *client.TooLargeError
	var status *client.StatusError
	return errors.As(err, &large) ||
		errors.As(err, &status) && status.Status == http.StatusBadRequest && strings.Contains(status.Message, "use a lower limit")
}

// fresh returns the lines that the page before did not hold, in place, and counts
// them.
func (p *paging) fresh(lines []client.Line) []client.Line {
	again := p.seen
	edge, seen := p.edge, map[string]int{}
	out := lines[:0]
	for _, l := range lines {
		key := lineKey(&l)
		if edge != l.Time {
			edge, seen = l.Time, map[string]int{}
		}
		seen[key]++
		if again[key] > 0 && l.Time == p.edge {
			again[key]--
			continue
		}
		if p.limit > 0 && p.passed+len(out) >= p.limit {
			break
		}
		out = append(out, l)
	}
	p.passed += len(out)
	p.edge, p.seen = edge, seen
	return out
}

// advance moves the window's near end to where the page ended.
func (p *paging) advance(w *window, fresh int) {
	step := int64(0)
	if fresh == 0 {
		p.warn("more than %d lines have the time %s: some of them are left out", p.size, time.Unix(0, p.edge).Format(time.RFC3339Nano))
		step, p.seen = 1, nil
	}
	if p.direction == logs.Forward {
		w.start = time.Unix(0, p.edge+step)
	} else {
		w.end = time.Unix(0, p.edge+1-step)
	}
}

// lineKey tells one line from another of the same time.
func lineKey(l *client.Line) string {
	return l.Stream.String() + l.Metadata.String() + l.Line
}
