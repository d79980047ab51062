package main

import (
	"cmp"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/remora-ray/remora/internal/archive"
)

const (
	tenantOne   = "one"
	tenantTwo   = "two"
	tenantThree = "three"
	tenantRetry = "retry"  // has lines that arrive twice
	tenantLive  = "live"   // has the lines that tails wait for
	tenantNone  = "nobody" // has no lines
	tenantPush  = "pushed" // has what the questions push
	tenantEdge  = "edge"   // has what is made to be pushed

	tenantDeleting = "delete-made" // asks to delete
)

// span is the time from base in which all lines lie.
const span = 100 * time.Minute

// stream is the lines of one set of labels of a tenant, in the order of arrival.
type stream struct {
	tenant string
	labels map[string]string
	lines  []line
}

type line struct {
	at   int64
	text string
	meta map[string]string
}

// maker makes streams from a seed.
type maker struct {
	rnd     *rand.Rand
	base    time.Time
	streams []stream
}

func makeStreams(corpus string, base time.Time, seed int64) ([]stream, error) {
	m := &maker{rnd: newRand(seed), base: base}
	m.made(tenantOne, 1)
	m.made(tenantTwo, 4)
	m.made(tenantThree, 10)
	m.hard(tenantOne)
	m.twice()
	for _, name := range []string{"basic", "json", "serve"} {
		if err := m.ray(filepath.Join(corpus, name), name, 25); err != nil {
			return nil, err
		}
	}
	return m.streams, nil
}

func newRand(seed int64) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 1)) }

// ray adds the first lines of each file of a recording, with times of today.
func (m *maker) ray(dir, name string, most int) error {
	a, err := archive.Open([]string{dir}, archive.Options{})
	if err != nil {
		return err
	}
	defer a.Close()
	for _, node := range a.Nodes() {
		for _, session := range node.Sessions {
			for _, st := range session.Streams {
				labels := map[string]string{
					"app": "ray", "RayCluster": name, "component": string(st.File.Component), "file": path.Base(st.File.Path),
				}
				var texts []string
				err := st.Lines(func(_ int64, l []byte) error {
					if len(texts) < most && len(l) < 4096 {
						texts = append(texts, string(l))
					}
					return nil
				})
				if err != nil {
					return err
				}
				m.add(tenantOne, labels, m.spread(texts, func(i int) map[string]string {
					return map[string]string{"job_id": "0" + strconv.Itoa(i%3) + "000000", "node_id": node.Name}
				}))
			}
		}
	}
	return nil
}

func (m *maker) add(tenant string, labels map[string]string, lines []line) {
	if len(lines) > 0 {
		m.streams = append(m.streams, stream{tenant, labels, lines})
	}
}

// spread gives texts times over the span, in order.
func (m *maker) spread(texts []string, meta func(i int) map[string]string) []line {
	out := make([]line, len(texts))
	for i, text := range texts {
		out[i] = line{at: m.at(int64(span)*int64(i)/int64(len(texts))).UnixNano() + m.rnd.Int64N(int64(time.Second)), text: text}
		if meta != nil {
			out[i].meta = meta(i)
		}
	}
	return out
}

func (m *maker) at(since int64) time.Time { return m.base.Add(time.Duration(since)) }

// body is one push.
type body struct {
	tenant  string
	Streams []wireStream `json:"streams"`
}

type wireStream struct {
	Stream map[string]string `json:"stream"`
	Values [][]any           `json:"values"`
}

// bodies makes pushes of at most so many lines, each of one tenant. Streams of lines
// that arrive twice have a push each.
func bodies(streams []stream) []body {
	const most = 2000
	var out []body
	size := most
	ordered := slices.Clone(streams)
	slices.SortStableFunc(ordered, func(a, b stream) int { return cmp.Compare(a.tenant, b.tenant) })
	for _, s := range ordered {
		if len(out) == 0 || size+len(s.lines) > most || out[len(out)-1].tenant != s.tenant || s.tenant == tenantRetry {
			out = append(out, body{tenant: s.tenant})
			size = 0
		}
		size += len(s.lines)
		w := wireStream{Stream: s.labels}
		for _, l := range s.lines {
			v := []any{strconv.FormatInt(l.at, 10), l.text}
			if len(l.meta) > 0 {
				v = append(v, l.meta)
			}
			w.Values = append(w.Values, v)
		}
		b := &out[len(out)-1]
		b.Streams = append(b.Streams, w)
	}
	return out
}
