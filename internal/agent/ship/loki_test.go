package ship

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// fakeLoki takes and refuses as Loki 3.7 does: what is wrong with entries before
// they get to their streams is told of all; else what the last stream of a push
// refused, at most ten of them, and 204 where it refused none; the rest is stored.
type fakeLoki struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	newest  map[string]int64
	stored  []row
	pushes  int
	window  time.Duration
	maxLine int
	now     time.Time
	whole   bool // refuse all of a push that has a bad line, and say nothing of use
	answer  func(w http.ResponseWriter) bool
}

type row struct {
	stream string
	time   int64
	line   string
}

func newFakeLoki(t *testing.T) *fakeLoki {
	l := &fakeLoki{t: t, newest: map[string]int64{}, window: time.Hour, maxLine: 1000, now: time.Now()}
	l.Server = httptest.NewServer(http.HandlerFunc(l.push))
	t.Cleanup(l.Close)
	return l
}

func (l *fakeLoki) push(w http.ResponseWriter, r *http.Request) {
	packed, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pushes++
	if l.answer != nil && l.answer(w) {
		return
	}
	body, err := s2.Decode(nil, packed)
	if err != nil {
		l.t.Error(err)
	}
	p, err := loki.DecodePush(body)
	if err != nil {
		l.t.Error(err)
		return
	}
	if said := l.take(p); said != "" {
		http.Error(w, said, http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (l *fakeLoki) take(p *loki.Push) (said string) {
	if l.whole && l.anyBad(p) {
		return "no"
	}
	before := map[string]int{}
	for i := range p.Streams {
		s := &p.Streams[i]
		name := logs.Normalize(append(slices.Clone(s.Labels), logs.Label{Name: "service_name", Value: "unknown_service"})).String()
		if len(s.Labels) > 5 {
			before[fmt.Sprintf("entry for stream '%s' has %d label names; limit 5", name, len(s.Labels))]++
			continue
		}
		var ok []logs.Entry
		for _, e := range s.Entries {
			if why := l.invalid(name, &e); why != "" {
				before[why]++
				continue
			}
			ok = append(ok, e)
		}
		said = l.store(name, s.Labels.String(), ok)
	}
	switch len(before) {
	case 0:
		return said
	case 1:
		return slices.Collect(maps.Keys(before))[0]
	}
	var all []string
	for why, n := range before {
		all = append(all, fmt.Sprintf("%d errors like: %s", n, why))
	}
	return strings.Join(all, "; ")
}

func (l *fakeLoki) anyBad(p *loki.Push) bool {
	for _, s := range p.Streams {
		for _, e := range s.Entries {
			if l.invalid("", &e) != "" {
				return true
			}
		}
	}
	return false
}

func (l *fakeLoki) invalid(stream string, e *logs.Entry) string {
	oldest := l.now.Add(-7 * 24 * time.Hour)
	at := time.Unix(0, e.Time).UTC().Format(time.RFC3339)
	switch {
	case len(e.Line) > l.maxLine:
		return fmt.Sprintf("max entry size '%d' bytes exceeded for stream '%s' while adding an entry with length '%d' bytes", l.maxLine, stream, len(e.Line))
	case e.Time < oldest.UnixNano():
		return fmt.Sprintf("entry for stream '%s' has timestamp too old: %s, oldest acceptable timestamp is: %s", stream, at, oldest.UTC().Format(time.RFC3339))
	case e.Time > l.now.Add(10*time.Minute).UnixNano():
		return fmt.Sprintf("entry for stream '%s' has timestamp too new: %s", stream, at)
	}
	return ""
}

func (l *fakeLoki) store(name, labels string, es []logs.Entry) string {
	var told strings.Builder
	bad := 0
	for _, e := range es {
		if oldest := l.newest[labels] - int64(l.window); e.Time < oldest {
			if bad++; bad <= 10 {
				t := time.Unix(0, e.Time).UTC()
				fmt.Fprintf(&told, "entry with timestamp %s ignored, reason: 'entry too far behind, entry timestamp is: %s, oldest acceptable timestamp is: %s',\n",
					t, t.Format(time.RFC3339), time.Unix(0, oldest).UTC().Format(time.RFC3339))
			}
			continue
		}
		l.newest[labels] = max(l.newest[labels], e.Time)
		if r := (row{labels, e.Time, e.Line}); !slices.Contains(l.stored, r) {
			l.stored = append(l.stored, r)
		}
	}
	if bad == 0 {
		return ""
	}
	return fmt.Sprintf("%suser 'fake', total ignored: %d out of %d for stream: %s", told.String(), bad, len(es), name)
}

// rows are the lines of each stream, sorted.
func (l *fakeLoki) rows() map[string][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string][]string{}
	for _, r := range l.stored {
		all[r.stream] = append(all[r.stream], r.line)
	}
	for _, lines := range all {
		slices.Sort(lines)
	}
	return all
}

func (l *fakeLoki) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pushes
}
