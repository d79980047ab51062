package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// Whatever is added and deleted between them, lists of streams tell those which have
// lines in the time that is asked for.
func TestStreamsAreThoseThatHaveLines(t *testing.T) {
	e := openTest(t, nil)
	ctx := context.Background()
	random := rand.New(rand.NewPCG(1, 2))
	first := base.Add(-36 * time.Hour).Truncate(24 * time.Hour)
	at := func() int64 { return first.Add(time.Duration(random.Int64N(int64(72 * time.Hour)))).UnixNano() }
	for turn := range 60 {
		switch {
		case turn == 30:
			sel := logs.Selection{Matchers: []logs.Matcher{{Name: "app", Value: "a1"}}, Start: 0, End: first.Add(50 * time.Hour).UnixNano()}
			if err := e.Delete(ctx, "fake", sel, "", nil); err != nil {
				t.Fatal(err)
			}
		default:
			p := &loki.Push{}
			for range 1 + random.IntN(3) {
				ls := logs.LabelsOf("app", fmt.Sprintf("a%d", random.IntN(4)), "zone", fmt.Sprintf("z%d", random.IntN(2)))
				p.Streams = append(p.Streams, loki.Stream{Labels: ls, Entries: []logs.Entry{{Time: at(), Line: fmt.Sprint("line ", turn)}}})
			}
			appendPush(t, e, p)
		}
		for range 4 {
			start := at()
			end := start + random.Int64N(int64(72*time.Hour))
			if random.IntN(2) == 0 {
				start, end = start/int64(time.Hour)*int64(time.Hour), start+int64(random.IntN(6))*int64(time.Hour)
			}
			var matchers []logs.Matcher
			if random.IntN(2) == 0 {
				matchers = []logs.Matcher{{Name: "app", Op: logs.NotEqual, Value: "a2"}}
			}
			got, err := e.Streams(ctx, []string{"fake"}, matchers, start, end)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(streamsOfLines(t, e, matchers, start, end), texts(got)); diff != "" {
				t.Fatalf("turn %d, from %s to %s, %v (-of lines +listed):\n%s", turn, time.Unix(0, start).UTC(), time.Unix(0, end).UTC(), matchers, diff)
			}
		}
	}
}

func texts(streams []logs.Labels) []string {
	list := []string{}
	for _, ls := range streams {
		list = append(list, ls.String())
	}
	return list
}

func streamsOfLines(t *testing.T, e *Engine, matchers []logs.Matcher, start, end int64) []string {
	t.Helper()
	list := []string{}
	sel := logs.Selection{Matchers: matchers, Start: start, End: end}
	if err := e.Select(context.Background(), []string{"fake"}, sel, func(r *logs.Record) error {
		list = append(list, r.Stream.String())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, strings.Compare)
	return slices.Compact(list)
}

// What is not asked again is what has not changed: a day that is removed, and one
// that lines come to, are asked for.
func TestStreamsOfADayThatIsRemoved(t *testing.T) {
	e := openTest(t, nil)
	ctx := context.Background()
	start := base.Truncate(24 * time.Hour)
	push := func(app string) {
		p := foreignPush(logs.LabelsOf("app", app), "a line")
		if _, err := e.Append(ctx, store.Batch{Tenant: "fake", Received: base, Push: p}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(apps ...string) {
		t.Helper()
		got, err := e.LabelValues(ctx, []string{"fake"}, "app", nil, start.UnixNano(), start.Add(24*time.Hour).UnixNano())
		if diff := cmp.Diff(apps, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	push("a")
	want("a")
	push("b")
	want("a", "b")
	want("a", "b")
	e.dropping.Lock()
	err := e.dropDays(ctx, "fake", []string{start.Format("20060102")})
	e.dropping.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	want([]string(nil)...)
	push("c")
	want("c")
}
