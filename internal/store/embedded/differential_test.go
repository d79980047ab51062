package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// Lines by stream: the engine stores a column in another way when all values of
// a block are numbers, addresses or times, and searches it in another way.
var oddLines = map[string][]string{
	"small":   {"100", "7", "12", "255", "0", "5"},
	"big":     {"18446744073709551615", "10000000000", "400", "77000"},
	"signed":  {"-5", "-100", "-1", "5"},
	"negated": {"-5", "-51", "-1"},
	"float":   {"1.5", "-0.25", "100.125", "7", "0.001"},
	"ip":      {"10.0.0.1", "192.168.1.255", "127.0.0.1", "10.0.0.10"},
	"iso":     {"2026-11-20T12:00:00.000Z", "2026-11-20T12:00:01.500Z", "2025-01-01T00:00:00.000Z"},
	"dict":    {"start", "stop", "start", "start"},
	"text": {
		"raylet started on 10.0.0.1:6379", "", "error: task failed", "ERROR Task Failed", "a.b.c", "abc", "foobar", "foo bar", "foo",
		"two\nlines here", "éword x", "word été", "x\xffy z", "\xe2word", "nul\x00byte", "tab\tand \"quotes\" and `ticks`", "task_id=0100 took 1_000 ms",
		"Ärger über Straße", "a+b*c?(d)[e]{f}|g^h$", "trailing space ", " leading", "foo\nbar", "00", "1e6", "*", "%", "\\d\\", "日本語のログ",
	},
}

var needles = []string{
	"", "0", "00", "5", "1", "55", "-", ".", "10", "1_0", "e", "E", "12:00", "T12", "1.5", "0.0", "foo", "oo b", "o", "bar", "raylet started", "started on 10",
	"task failed", "word", "word x", "éword", "\xa9word x", "\xff", "y z", "\xffy", "\x00", "\"quotes\"", "`", "a+b*c?", "\\d", "日本", "本語の", " ", "*", "absent", "a.b", "two\nlines",
	"Straße", "stra", "\xc3", "18446744073709551615", "-5", "99999999999999999999999",
}

var expressions = []string{
	"foo", "foo.*bar", "foo.+bar", "foo.+", ".+", ".*", "^foo", "bar$", "^foo$", "foo$", `\bfoo\b`, `foo\b`, `foo\B`, `\Bbar`, "(?i)error", "(?i)task failed", "(?i)ÄRGER", "error|abc",
	"a.b", "[0-9]+", "^[0-9]+$", "^-", `1\.5`, `^\d+\.\d+\.\d+\.\d+$`, "00", "5$", "(foo|bar) ?bar", "x?", "fo{2}", "(?s)two.lines", "two.lines", "two$", "(?m)two$", "^$", "日本.",
	"te?st|start", "st(art|op)", ".*failed.*", ".+failed", "task failed$", "[^a-z]foo", "(foo)(bar)", "éword", `\xff`, "word été|foo", `word\b x`, "z$",
}

// More than eight different values make the engine choose the column of numbers.
func init() {
	for i := range 30 {
		oddLines["small"] = append(oddLines["small"], fmt.Sprint(i*7))
		oddLines["big"] = append(oddLines["big"], fmt.Sprint(uint64(i)*100_000_000_001))
		oddLines["signed"] = append(oddLines["signed"], fmt.Sprint(i*10-100))
		oddLines["negated"] = append(oddLines["negated"], fmt.Sprint(-1-i))
		oddLines["float"] = append(oddLines["float"], fmt.Sprint(float64(i)*1.25-3))
		oddLines["ip"] = append(oddLines["ip"], fmt.Sprintf("10.0.%d.%d", i*8, 255-i))
		oddLines["iso"] = append(oddLines["iso"], base.Add(time.Duration(i)*1500*time.Millisecond).Format("2006-01-02T15:04:05.000Z"))
	}
}

func loadOdd(t *testing.T, e *Engine) []logs.Record {
	t.Helper()
	var all []logs.Record
	p := &loki.Push{}
	at := base.UnixNano()
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for k := range oddLines {
			if !yield(k) {
				return
			}
		}
	}) {
		s := loki.Stream{Labels: logs.LabelsOf("kind", name, "pod", "pod-"+name[:1], "_msg", "label")}
		for i, l := range oddLines[name] {
			at += 1e9
			meta := logs.LabelsOf("value", l, "n", fmt.Sprint(i%3), "kind", "shadowed", "_time", "meta", "a.b", "dot")
			if i%2 == 0 {
				meta = logs.LabelsOf("n", fmt.Sprint(i%3), "job_id", "01000000", "remora_file", "mine", "remora:m:x", "y")
			}
			s.Entries = append(s.Entries, logs.Entry{Time: at, Line: l, Metadata: meta})
		}
		p.Streams = append(p.Streams, s)
		for _, en := range s.Entries {
			all = append(all, logs.Record{Stream: s.Labels, Entry: en})
		}
	}
	if _, err := e.Append(context.Background(), store.Batch{Tenant: "fake", Received: base, Push: p}); err != nil {
		t.Fatal(err)
	}
	return all
}

func naive(all []logs.Record, sel logs.Selection) []logs.Record {
	var out []logs.Record
	for _, r := range all {
		if r.Time < sel.Start || r.Time >= sel.End || !logs.MatchesAll(sel.Matchers, r.Stream) {
			continue
		}
		ok := true
		for _, f := range sel.Lines {
			ok = ok && naiveLine(f, r.Line)
		}
		for _, m := range sel.Labels {
			ok = ok && m.Matches(r.Label(m.Name))
		}
		if ok {
			out = append(out, r)
		}
	}
	if sel.Direction == logs.Backward {
		slices.Reverse(out)
	}
	if sel.Limit > 0 && len(out) > sel.Limit {
		out = out[:sel.Limit]
	}
	return out
}

func naiveLine(f logs.LineFilter, line string) bool {
	found := false
	for _, s := range f.Any {
		if f.Op == logs.Contains || f.Op == logs.NotContains {
			found = found || strings.Contains(line, s)
		} else {
			found = found || regexp.MustCompile(s).MatchString(line)
		}
	}
	return found == (f.Op == logs.Contains || f.Op == logs.MatchesRegexp)
}

func checkSelection(t *testing.T, e *Engine, all []logs.Record, sel logs.Selection) {
	t.Helper()
	var got []logs.Record
	err := e.Select(context.Background(), []string{"fake"}, sel, func(r *logs.Record) error {
		got = append(got, *r)
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", push(&sel, false).filter, err)
		return
	}
	if diff := cmp.Diff(naive(all, sel), got); diff != "" {
		t.Errorf("%v %v %v pushed as %s (-want +got):\n%.1500s", sel.Matchers, sel.Lines, sel.Labels, push(&sel, false).filter, diff)
	}
	checkBuckets(t, e, all, sel)
}

func checkBuckets(t *testing.T, e *Engine, all []logs.Record, sel logs.Selection) {
	t.Helper()
	q := logs.BucketQuery{Selection: sel, Origin: base.UnixNano() + 3, Width: 10e9, By: []string{"kind", "n", "_time", "nope"}}
	q.Limit, q.Direction = 0, logs.Forward
	want := counter{query: q, buckets: make(map[string]*logs.Bucket)}
	for _, r := range naive(all, q.Selection) {
		want.count(&r)
	}
	got := make(map[string]*logs.Bucket)
	err := e.Buckets(context.Background(), []string{"fake"}, q, func(b logs.Bucket) error {
		got[fmt.Sprint(b.End, b.Group)] = &b
		return nil
	})
	if err != nil {
		t.Errorf("buckets of %s: %v", push(&sel, false).filter, err)
	}
	byText := make(map[string]*logs.Bucket)
	for _, b := range want.buckets {
		byText[fmt.Sprint(b.End, b.Group)] = b
	}
	if diff := cmp.Diff(byText, got); diff != "" {
		t.Errorf("buckets of %s (-want +got):\n%.1500s", push(&sel, false).filter, diff)
	}
}

func matcher(t *testing.T, name string, op logs.MatchOp, value string) logs.Matcher {
	t.Helper()
	m, err := logs.NewMatcher(name, op, value)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Whatever is pushed down, the answer is the one of a scan that applies Loki's
// rules to each record.
func TestAnswersAreThoseOfAScan(t *testing.T) {
	dir := t.TempDir()
	e := openAt(t, dir, nil)
	all := loadOdd(t, e)
	t.Run("in memory", func(t *testing.T) { checkLines(t, e, all) })
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openAt(t, dir, nil)
	t.Run("on disk", func(t *testing.T) {
		checkLines(t, e, all)
		checkLabels(t, e, all)
	})
}

func checkLines(t *testing.T, e *Engine, all []logs.Record) {
	t.Helper()
	sel := everything()
	checkSelection(t, e, all, sel)
	for _, op := range []logs.LineOp{logs.Contains, logs.NotContains} {
		for _, n := range needles {
			sel.Lines = []logs.LineFilter{{Op: op, Any: []string{n}}}
			checkSelection(t, e, all, sel)
		}
	}
	for _, op := range []logs.LineOp{logs.MatchesRegexp, logs.NotMatchesRegexp} {
		for _, n := range expressions {
			sel.Lines = []logs.LineFilter{{Op: op, Any: []string{n}}}
			checkSelection(t, e, all, sel)
		}
	}
}

func checkLabels(t *testing.T, e *Engine, all []logs.Record) {
	t.Helper()
	values := []string{
		"", "text", "te.*", ".*", ".+", "text|ip", "ip|", "01000000", "1", "1.5", "1.50", "1_0", "-5", "10.0.0.1", "2026-11-20T12:00:00.000Z", "2026-11-20T12:00:00Z",
		"two\nlines here", "two.lines here", "mine", "shadowed", "[12]", "(?i)TEXT", "y", "x\\?y z", "foo.*", "0|2", "s.*", "meta",
	}
	names := []string{"kind", "value", "n", "job_id", "nope", "_msg", "_time", "a.b", "remora_file", "remora:m:x"}
	for _, op := range []logs.MatchOp{logs.Equal, logs.NotEqual, logs.Regexp, logs.NotRegexp} {
		for _, v := range values {
			for _, name := range names {
				sel := everything()
				sel.Labels = []logs.Matcher{matcher(t, name, op, v)}
				checkSelection(t, e, all, sel)
				if logs.ValidName(name) {
					sel := everything()
					sel.Matchers = []logs.Matcher{matcher(t, name, op, v)}
					checkSelection(t, e, all, sel)
				}
			}
		}
	}
	if t.Failed() {
		return
	}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	for range 300 {
		sel := everything()
		sel.Start = base.UnixNano() + random.Int64N(250)*1e9
		sel.End = sel.Start + random.Int64N(250)*1e9
		sel.Direction = logs.Direction(random.IntN(2))
		sel.Limit = random.IntN(6)
		for range random.IntN(3) {
			f := logs.LineFilter{Op: logs.LineOp(random.IntN(4))}
			for range 1 + random.IntN(2) {
				if f.Op == logs.Contains || f.Op == logs.NotContains {
					f.Any = append(f.Any, pick(needles))
				} else {
					f.Any = append(f.Any, pick(expressions))
				}
			}
			sel.Lines = append(sel.Lines, f)
		}
		if random.IntN(2) == 0 {
			sel.Matchers = append(sel.Matchers, matcher(t, "kind", logs.MatchOp(random.IntN(4)), pick(values)))
		}
		if random.IntN(2) == 0 {
			sel.Labels = append(sel.Labels, matcher(t, pick(names), logs.MatchOp(random.IntN(4)), pick(values)))
		}
		checkSelection(t, e, all, sel)
	}
}
