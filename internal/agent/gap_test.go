package agent

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

// A gap behind which nothing comes is told all the same, and what comes late is there.
func TestGapIsToldThoughNothingFollows(t *testing.T) {
	for _, c := range []struct {
		name  string
		after func(w *world)
	}{
		{"nothing", func(*world) {}},
		{"killed, then more", func(w *world) { w.crash(); w.start() }},
		{"ended, then more", func(w *world) { w.drain(); w.start() }},
		{"half a line", func(w *world) { w.write("raylet.out", "be") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			w.write("raylet.out", "one\ntwo\n")
			w.arrived(2)
			if err := os.Truncate(w.path("raylet.out"), 0); err != nil {
				t.Fatal(err)
			}
			w.until("the gap is told", func() bool { return len(w.srv.gaps()) == 1 })
			c.after(w)
			w.write("raylet.out", "hind\nlast\n")
			w.arrived(4)
			w.drain()
			first := "hind"
			if c.name == "half a line" {
				first = "behind"
			}
			w.wantOnce("raylet.out", []string{"one", "two", first, "last"})
			if g := w.srv.gaps(); len(g) != 1 {
				t.Errorf("gaps are %q, want one", g)
			}
		})
	}
}

// The agent is killed while a gap is being told by itself: it is told once, whether the
// server had taken it or not.
func TestKilledWhileAGapIsTold(t *testing.T) {
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprintf("taken=%v", taken), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			w.write("raylet.out", "one\ntwo\n")
			w.arrived(2)
			var tries atomic.Int32
			w.srv.on(func(_ int, stored bool) int {
				if stored != taken {
					return 0
				}
				tries.Add(1)
				return -1
			})
			if err := os.Truncate(w.path("raylet.out"), 0); err != nil {
				t.Fatal(err)
			}
			w.until("the gap is on its way", func() bool { return tries.Load() > 0 })
			w.crash()
			w.srv.on(nil)
			w.start()
			w.write("raylet.out", "behind\nlast\n")
			w.arrived(4)
			w.drain()
			w.wantOnce("raylet.out", []string{"one", "two", "behind", "last"})
			if g := w.srv.gaps(); len(g) != 1 {
				t.Errorf("gaps are %q, want one", g)
			}
		})
	}
}

// The file behind whose beginning a gap was told is turned over before a line comes.
func TestGapIsToldBeforeAFileThatStaysEmpty(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	w.write("worker-a.out", "one\ntwo\n")
	w.arrived(2)
	if err := os.Truncate(w.path("worker-a.out"), 0); err != nil {
		t.Fatal(err)
	}
	w.until("the gap is told", func() bool { return len(w.srv.gaps()) == 1 })
	w.rename("worker-a.out", "worker-a.out.1")
	w.write("worker-a.out", "x\ny\n")
	w.arrived(4)
	w.rotate("worker-a.out", 3)
	w.write("worker-a.out", "z\n")
	w.arrived(5)
	w.drain()
	w.wantOnce("worker-a.out", []string{"one", "two", "x", "y", "z"})
	if g := w.srv.gaps(); len(g) != 1 {
		t.Errorf("gaps are %q, want one", g)
	}
}
