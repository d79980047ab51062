package embedded

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// known remembers which streams a tenant has lines of in each hour and day, as the
// engine told: to tell it again it would look at the headers of all blocks. What is
// added to or taken from a time makes that time be asked for again.
type known struct {
	mu      sync.Mutex
	spans   map[timeSpan][]*knownStream
	streams map[string]*knownStream // by the engine's text
	size    int                     // of all spans together
	asking  map[*asking]bool
}

// timeSpan is an hour or a day.
type timeSpan struct{ start, width int64 }

func (s timeSpan) end() int64 { return s.start + s.width }

type knownStream struct {
	text   string
	labels logs.Labels
}

// asking is a question to the engine on its way; stale where what it asks about
// changed meanwhile.
type asking struct {
	span  timeSpan
	stale bool
}

const (
	// Ranges longer than this are put together of days.
	hoursUpTo = int64(48 * time.Hour)
	// mostKnown bounds the streams of all spans of a tenant together.
	mostKnown = 1 << 18
)

// begin notes that a span is asked for.
func (k *known) begin(s timeSpan) *asking {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asking == nil {
		k.asking = make(map[*asking]bool)
	}
	a := &asking{span: s}
	k.asking[a] = true
	return a
}

// end keeps what the engine answered, by the streams' texts, unless it may have
// changed since. nil keeps nothing.
func (k *known) end(a *asking, found map[string]logs.Labels) []*knownStream {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.asking, a)
	if k.size+len(found) > mostKnown || k.spans == nil {
		k.reset()
	}
	list := make([]*knownStream, 0, len(found))
	for text, labels := range found {
		s := k.streams[text]
		if s == nil {
			s = &knownStream{text, labels}
			k.streams[text] = s
		}
		list = append(list, s)
	}
	if found != nil && !a.stale {
		k.size += len(list) - len(k.spans[a.span])
		k.spans[a.span] = list
	}
	return list
}

func (k *known) reset() {
	k.spans, k.streams, k.size = make(map[timeSpan][]*knownStream), make(map[string]*knownStream), 0
}

func (k *known) of(s timeSpan) (list []*knownStream, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list, ok = k.spans[s]
	return list, ok
}

// allChanged forgets everything.
func (k *known) allChanged() { k.changed(math.MinInt64, math.MaxInt64) }

// changed forgets the spans that hold any time from oldest to newest. It is called
// after rows were added or removed.
func (k *known) changed(oldest, newest int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	touched := func(s timeSpan) bool { return s.start <= newest && s.end() > oldest }
	for a := range k.asking {
		a.stale = a.stale || touched(a.span)
	}
	for s, list := range k.spans {
		if touched(s) {
			k.size -= len(list)
			delete(k.spans, s)
		}
	}
}

// spansOf cuts [start, end) into the hours, or days, that hold it.
func spansOf(start, end int64, days []string) (spans []timeSpan) {
	width := int64(time.Hour)
	if end-start > hoursUpTo {
		width = nanosPerDay
	}
	for _, name := range days {
		at, err := time.Parse("20060102", name)
		if err != nil {
			continue
		}
		day := at.UnixNano()
		for from := day; from < day+nanosPerDay; from += width {
			if from < end && from+width > start {
				spans = append(spans, timeSpan{from, width})
			}
		}
	}
	return spans
}

// list adds the streams with lines in [start, end) that pass the matchers. all is
// LogsQL for every line, filter that for those of the streams which pass.
func (t *tenant) list(ctx context.Context, all, filter string, matchers []logs.Matcher, start, end int64, seen map[string]logs.Labels) error {
	if t.storage == nil || start >= end {
		return t.streams(ctx, filter, start, end, seen)
	}
	spans := spansOf(start, end, t.storage.PartitionList())
	whole := func(s timeSpan) bool { return start <= s.start && s.end() <= end }
	if !slices.ContainsFunc(spans, whole) {
		return t.streams(ctx, filter, start, end, seen)
	}
	lists, err := t.streamsOf(ctx, all, spans)
	if err != nil {
		return err
	}
	if lists == nil {
		return t.streams(ctx, filter, start, end, seen)
	}
	found := make(map[*knownStream]bool)
	var partly []timeSpan
	for i, s := range spans {
		if !whole(s) {
			partly = append(partly, s)
		}
		for _, stream := range lists[i] {
			found[stream] = found[stream] || whole(s)
		}
	}
	news := false
	for stream, surely := range found {
		switch {
		case !logs.MatchesAll(matchers, stream.labels):
		case surely:
			seen[stream.text] = stream.labels
		default:
			news = true
		}
	}
	for _, s := range partly {
		if !news {
			break
		}
		if err := t.streams(ctx, filter, max(start, s.start), min(end, s.end()), seen); err != nil {
			return err
		}
	}
	return nil
}

// mostAsked is how many spans that are not known one question asks for.
const mostAsked = 8

// streamsOf tells the streams with lines in each span; nil where too many spans are
// not known yet.
func (t *tenant) streamsOf(ctx context.Context, all string, spans []timeSpan) ([][]*knownStream, error) {
	lists := make([][]*knownStream, len(spans))
	left := mostAsked
	for i, s := range spans {
		list, ok := t.known.of(s)
		if !ok && left == 0 {
			return nil, nil
		}
		if !ok {
			var err error
			if list, err = t.askStreams(ctx, all, s); err != nil {
				return nil, err
			}
			left--
		}
		lists[i] = list
	}
	return lists, nil
}

func (t *tenant) askStreams(ctx context.Context, all string, s timeSpan) ([]*knownStream, error) {
	// Of the times around the question not all may be visible yet.
	if err := t.show(ctx, s.start, s.end()); err != nil {
		return nil, err
	}
	a := t.known.begin(s)
	found := make(map[string]logs.Labels)
	if err := t.streams(ctx, all, s.start, s.end(), found); err != nil {
		t.known.end(a, nil)
		return nil, err
	}
	return t.known.end(a, found), nil
}
