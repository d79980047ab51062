package agent

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var (
	seeds = flag.Int("seeds", 6, "how many random histories TestAnyHistory goes through")
	seed1 = flag.Uint64("seed", 1, "the first of them")
)

// Whatever happens in whatever order, a line whose bytes stay there until it has
// arrived is on the server once, in its place: files are written and turned over,
// the server breaks before and after it has stored something, the agent is killed,
// its state goes back to what it was a while ago, or is lost.
func TestAnyHistory(t *testing.T) {
	var all []uint64
	for i := range *seeds {
		all = append(all, *seed1+uint64(i))
	}
	if *seed1 == 1 {
		all = append(all, wrongOnce...)
	}
	for _, seed := range all {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			h := &history{world: newWorld(t), rand: rand.New(rand.NewPCG(seed, 0))}
			h.run()
		})
	}
}

// wrongOnce are histories that found something, most of them only now and then.
var wrongOnce = []uint64{4059, 5015, 30054, 40066}

type history struct {
	*world
	rand    *rand.Rand
	files   []*turning
	restore func() // makes the state what it was a while ago
}

// turning is a file that is written and turned over, with what its generations
// hold that are still there, oldest first.
type turning struct {
	name string
	cut  bool // turned over by copy and truncation, else by renames
	want []string
	gens []string // the last line of each, "" where it is empty
}

func (h *history) run() {
	h.mkdir()
	h.conf.ScanEvery, h.conf.inFlight = 50*time.Millisecond, 100*time.Millisecond
	h.restore = func() {}
	for i := range 3 {
		h.files = append(h.files, &turning{name: fmt.Sprintf("worker-%d.out", i), gens: []string{""}})
	}
	h.files = append(h.files, &turning{name: "job-driver-x.log", cut: true, gens: []string{""}})
	h.start()
	for range 60 {
		if h.t.Failed() {
			return
		}
		h.step()
	}
	h.srv.on(nil)
	if h.done == nil {
		h.start()
	}
	n := 0
	for _, f := range h.files {
		n += len(f.want)
	}
	h.arrived(n)
	h.drain()
	for _, f := range h.files {
		h.once(f)
	}
}

// once wants each line once. Where the state was lost and nothing that is there was
// on the server, a file has several identities; in each its lines are in order.
func (h *history) once(f *turning) {
	got := map[string]int{}
	h.srv.mu.Lock()
	defer h.srv.mu.Unlock()
	for id, file := range h.srv.files {
		last := -1
		for _, e := range file.entries {
			if e.meta.Get("filename") != f.name {
				continue
			}
			n, at := 0, int(e.offset)
			if _, err := fmt.Sscanf(e.line, f.name+" %d", &n); err != nil {
				h.t.Errorf("line %q: %v", e.line, err)
			}
			if got[e.line]++; got[e.line] > 1 {
				h.t.Errorf("line %q is there twice, now in %s at %d", e.line, id, at)
			}
			if n <= last {
				h.t.Errorf("line %q comes after line %d in %s", e.line, last, id)
			}
			last = n
		}
	}
	for _, l := range f.want {
		if got[l] == 0 {
			h.t.Errorf("line %q is lost", l)
		}
	}
}

func (h *history) step() {
	f := h.files[h.rand.IntN(len(h.files))]
	switch h.rand.IntN(17) {
	case 16:
		h.kill9(h.tear)
	case 0:
		h.kill9(func() {})
	case 1:
		h.kill9(h.loseState)
	case 2:
		h.kill9(h.restore)
	case 3:
		if _, err := os.Stat(h.conf.State); h.done == nil && err == nil {
			h.restore = h.copyState()
		}
	case 4:
		at := h.rand.IntN(4)
		after, code := h.rand.IntN(2) == 0, []int{500, 429, -1}[h.rand.IntN(3)]
		h.srv.on(func(n int, stored bool) int {
			if n%4 == at && stored == after {
				return code
			}
			return 0
		})
	case 5:
		h.srv.on(func(int, bool) int { return 503 })
	case 6, 7:
		h.srv.on(nil)
	case 8, 9, 10:
		h.turn(f)
	case 11:
		h.pause()
	default:
		h.line(f)
	}
}

// tear takes some bytes off the end of the state.
func (h *history) tear() {
	path := filepath.Join(h.conf.State, "positions")
	if st, err := os.Stat(path); err == nil {
		_ = os.Truncate(path, max(100, st.Size()-1-h.rand.Int64N(300)))
	}
}

// kill9 kills the agent, does something, and starts it again at once or later.
func (h *history) kill9(then func()) {
	if h.done == nil {
		h.start()
		return
	}
	h.crash()
	then()
	if h.rand.IntN(2) == 0 {
		h.start()
	}
}

func (h *history) line(f *turning) {
	most := 40
	if f.gens[len(f.gens)-1] == "" {
		most = 2 // its fingerprint is then that of few bytes
	}
	text, lines := numbered(f.name, len(f.want), len(f.want)+1+h.rand.IntN(most))
	h.write(f.name, text)
	f.want = append(f.want, lines...)
	f.gens[len(f.gens)-1] = lines[len(lines)-1]
}

// turn turns a file over if what is deleted by it has arrived.
func (h *history) turn(f *turning) {
	const backups = 2
	if last := len(f.gens) - 1; f.gens[last] == "" {
		return
	}
	if len(f.gens) > backups {
		if !slices.Contains(h.srv.lines(testSession, f.name), f.gens[0]) {
			return
		}
		f.gens = f.gens[1:]
	}
	if f.cut {
		h.shift(f.name, backups)
	} else {
		h.rotate(f.name, backups)
	}
	f.gens = append(f.gens, "")
}

// pause lets things go on until a few more requests were made, or for a moment.
func (h *history) pause() {
	n := h.srv.requests()
	for range 20 {
		if h.srv.requests() > n+2 {
			return
		}
		wait := time.NewTimer(5 * time.Millisecond)
		<-wait.C
	}
}
