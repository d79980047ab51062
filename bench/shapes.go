package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/bench/gen"
)

// shape is a kind of question, and how many times faster than Loki its answer is
// to be.
type shape struct {
	name, path string
	params     url.Values
	goal       float64
	want       int64 // lines, or the sum of all numbers; 0 where nobody knows
	apart      int   // of so many values one may differ; see compare
}

const everyLine = `{job="ray/logs"}`

// Shapes that are asked again.
const (
	shapeWord      = "needle, an inner whole word"
	shapeSubstring = "needle, a bare substring"
	shapeHistogram = "histogram by file"
	shapeLast      = "last 1,000 lines of one file"
)

// shapes are all that is asked.
func (b *lokiBench) shapes() []shape {
	n := b.manifest.Needles
	lines := func(name, query string, goal float64, want int64) shape {
		return shape{name: name, path: "/loki/api/v1/query_range", params: b.over("query", query, "limit", "1000"), goal: goal, want: want}
	}
	step := 5 * time.Minute
	matrix := func(name, query string, goal float64, want int64) shape {
		p := b.over("query", query, "step", seconds(step))
		// Whole steps, each line in one window.
		p.Set("start", nanos(b.begin))
		p.Set("end", nanos(b.begin.Add(gen.Span+step)))
		return shape{name: name, path: "/loki/api/v1/query_range", params: p, goal: goal, want: want, apart: 100}
	}
	return []shape{
		lines(shapeWord, everyLine+fmt.Sprintf(" |= %q", n.Word), 20, n.WordLines),
		lines("needle, a metadata value", fmt.Sprintf(`{component="worker"} | worker_id=%q`, n.WorkerID), 20, n.WorkerLines),
		lines(shapeSubstring, everyLine+fmt.Sprintf(" |= %q", n.Substring), 4, n.SubstringLines),
		lines("rare regexp", everyLine+" |~ `[a-z]+phonequartz[a-z]+ in [0-9]+ ms`", 3, n.SubstringLines),
		matrix("count with a filter", `sum by (component) (count_over_time(`+everyLine+` |= "TimeoutError" [5m]))`, 10, 0),
		matrix(shapeHistogram, `sum by (filename) (count_over_time(`+everyLine+`[5m]))`, 50, b.manifest.Lines),
		lines("json and a label filter, lines", `{component="worker"} | json | levelname="ERROR"`, 5, 0),
		matrix("json and a label filter, counted", `sum by (levelname) (count_over_time({component="worker"} | json | __error__="" | levelname=~"ERROR|WARNING" [5m]))`, 5, 0),
		matrix("logfmt, unwrap, quantile by label", `quantile_over_time(0.9, {component="worker"} | logfmt | unwrap reward_mean [5m]) by (policy)`, 5, 0),
		lines(shapeLast, `{component="raylet"} | filename="raylet.out"`, 5, 0),
		{name: "values of a label", path: "/loki/api/v1/label/component/values", params: b.over(), goal: 5},
		{name: "series", path: "/loki/api/v1/series", params: b.over("match[]", everyLine), goal: 5},
	}
}

// asking is a shape, and what its answers took of each server.
type asking struct {
	shape
	ours, theirs []cost
}

// cost is what an answer took.
type cost struct{ wall, cpu time.Duration }

// Whoever takes long is asked less often.
const patience = 10 * time.Second

// askBoth asks both servers each question in turn and compares what they answer.
func (b *lokiBench) askBoth(ctx context.Context) error {
	for _, q := range b.shapes() {
		a := &asking{shape: q}
		spent := time.Duration(0)
		for range b.rounds {
			theirs, t, err := b.theirs.ask(ctx, q)
			if err != nil {
				return err
			}
			ours, o, err := b.ours.ask(ctx, q)
			if err != nil {
				return err
			}
			if err := q.compare(theirs, ours); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			a.theirs, a.ours = append(a.theirs, t), append(a.ours, o)
			if spent += t.wall; spent > patience {
				break
			}
		}
		b.asked = append(b.asked, a)
		t, o := typical(a.theirs), typical(a.ours)
		b.say("%s: %s and %s, %.1f ×", q.name, millis(t.wall), millis(o.wall), faster(t.wall, o.wall))
	}
	b.ours.asking, b.theirs.asking = b.ours.peakRSS(), b.theirs.peakRSS()
	return nil
}

// ask times one question.
func (s *side) ask(ctx context.Context, q shape) ([]byte, cost, error) {
	begin, before := time.Now(), s.cpu()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+q.path+"?"+q.params.Encode(), nil)
	if err != nil {
		return nil, cost{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, cost{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	took := cost{time.Since(begin), s.cpu() - before}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s: %.300s", s.name, q.name, resp.Status, text)
	}
	return text, took, err
}

// typical is the median of each figure by itself.
func typical(costs []cost) (m cost) {
	var walls, cpus []time.Duration
	for _, c := range costs {
		walls, cpus = append(walls, c.wall), append(cpus, c.cpu)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	return cost{walls[len(walls)/2], cpus[len(cpus)/2]}
}

func faster(theirs, ours time.Duration) float64 { return float64(theirs) / float64(max(ours, 1)) }

// facts are what an answer says, whatever its order: a number for each series and
// moment, 1 for each line or name.
type facts map[string]float64

// readFacts reads an answer of the query, label or series endpoint.
func readFacts(text []byte) (facts, error) {
	var a struct{ Data json.RawMessage }
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, err
	}
	f := facts{}
	var list []json.RawMessage
	if json.Unmarshal(a.Data, &list) == nil {
		for _, v := range list {
			key, err := sorted(v)
			if err != nil {
				return nil, err
			}
			f[key]++
		}
		return f, nil
	}
	var data struct {
		Result []struct {
			Stream, Metric map[string]string
			Values         [][2]any
			Value          *[2]any
		}
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		return nil, err
	}
	for _, r := range data.Result {
		if r.Value != nil {
			r.Values = append(r.Values, *r.Value)
		}
		for _, v := range r.Values {
			if r.Stream != nil {
				f[fmt.Sprint(r.Stream, v[0], " ", v[1])]++
				continue
			}
			n, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
			if err != nil {
				return nil, err
			}
			f[fmt.Sprintf("%v at %.3f", r.Metric, v[0])] = n
		}
	}
	return f, nil
}

// sorted writes JSON with its keys in order.
func sorted(v json.RawMessage) (string, error) {
	var any any
	if err := json.Unmarshal(v, &any); err != nil {
		return "", err
	}
	out, err := json.Marshal(any)
	return string(out), err
}

// compare fails where the answers differ, or ours is not what is known to be there.
// In some runs a few of Loki's thousands of values lack a line or two, not the same in
// each run: so few may differ.
func (q *shape) compare(loki, remora []byte) error {
	t, err := readFacts(loki)
	if err != nil {
		return fmt.Errorf("Loki: %w", err)
	}
	o, err := readFacts(remora)
	if err != nil {
		return fmt.Errorf("Remora: %w", err)
	}
	if len(o) == 0 {
		return fmt.Errorf("Remora finds nothing, Loki %d", len(t))
	}
	if total := o.total(); q.want > 0 && total != float64(q.want) {
		return fmt.Errorf("Remora answers %v, there are %d", total, q.want)
	}
	ours, n := o.without(t)
	theirs, m := t.without(o)
	allowed := 0
	if q.apart > 0 {
		allowed = (len(o) + q.apart - 1) / q.apart
	}
	if max(n, m) > allowed {
		return fmt.Errorf("the answers differ in %d and %d of %d and %d facts, in all %v and %v: Remora alone has %q, Loki alone %q",
			n, m, len(o), len(t), o.total(), t.total(), ours, theirs)
	}
	return nil
}

func (f facts) total() (sum float64) {
	for _, v := range f {
		sum += v
	}
	return sum
}

// without counts the facts that others have not, and tells the first in order.
func (f facts) without(others facts) (first string, n int) {
	for _, k := range slices.Sorted(maps.Keys(f)) {
		v, w := f[k], others[k]
		if math.Abs(v-w) > 1e-9*math.Max(math.Abs(v), math.Abs(w)) {
			if n++; n == 1 {
				first = fmt.Sprintf("%.700s: %v", k, v)
			}
		}
	}
	return first, n
}

func (q *shape) goalText() string {
	return strings.TrimSuffix(strconv.FormatFloat(q.goal, 'f', 1, 64), ".0") + " ×"
}
