package agent

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// startToBeReplaced starts an agent; replace tells it that another one takes over.
func (w *world) startToBeReplaced() (replace func()) {
	w.t.Helper()
	if err := w.conf.validate(); err != nil {
		w.t.Fatal(err)
	}
	a, err := open(w.conf)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	hard, kill := context.WithCancel(context.Background())
	w.a, w.kill, w.done = a, kill, make(chan error, 1)
	w.stop = func() { stop(nil) }
	go func() {
		err := a.runUntil(ctx, hard)
		a.close()
		w.done <- err
	}()
	return func() { stop(ErrReplaced) }
}

func (w *world) ended(within time.Duration) bool {
	select {
	case err := <-w.done:
		if err != nil {
			w.t.Errorf("the agent that left: %v", err)
		}
		w.kill()
		w.done = nil
		return true
	case <-time.After(within):
		return false
	}
}

func TestOneThatIsReplacedLeavesTheRest(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.conf.DrainTimeout = time.Hour
	text, want := numbered("a", 0, 20)
	w.write("raylet.out", "first\n")
	replace := w.startToBeReplaced()
	w.arrived(1)
	w.srv.on(func(int, bool) int { return 503 })
	before := w.srv.requests()
	w.write("raylet.out", text)
	w.until("it tries", func() bool { return w.srv.requests() > before+1 })
	replace()
	if !w.ended(20 * time.Second) {
		t.Fatal("it waits for a server that is away")
	}
	w.srv.on(nil)
	w.conf.DrainTimeout = 20 * time.Second
	w.start()
	w.arrived(21)
	w.drain()
	w.want("raylet.out", append([]string{"first"}, want...))
	w.noGaps()
}

func TestOneThatIsReplacedReadsWhatItAloneHolds(t *testing.T) {
	w := newWorld(t)
	w.files("*.log") // no second names are given there
	w.conf.DrainTimeout = time.Hour
	w.srv.on(func(int, bool) int { return 503 })
	w.write("app.log", "one\ntwo\n")
	replace := w.startToBeReplaced()
	w.until("it asks", func() bool { return w.srv.questions() > 1 })
	w.remove("app.log")
	w.until("its name is gone", func() bool {
		s, err := w.a.health.Status(t.Context())
		return err == nil && len(s.Files) == 1 && s.Files[0].Path == ""
	})
	replace()
	if w.ended(leaveWithin + 500*time.Millisecond) {
		t.Fatal("it left, and with it the only descriptor of a file")
	}
	w.srv.on(nil)
	if !w.ended(20 * time.Second) {
		t.Fatal("it does not end")
	}
	w.wantFile("app.log", []string{"one", "two"})
	w.noGaps()
}

// While one agent takes over from another the file is copied and cut, before and after.
func TestReplacedWhileFilesAreCut(t *testing.T) {
	for _, when := range []string{"before", "between", "both"} {
		t.Run(when, func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			var want []string
			add := func(tag string) {
				text, lines := numbered(tag, 0, 20)
				w.write("job-driver-x.log", text)
				want = append(want, lines...)
			}
			for turn := range 4 {
				replace := w.startToBeReplaced()
				add(fmt.Sprint("turn", turn))
				w.arrived(len(want))
				add(fmt.Sprint("more", turn))
				replace()
				if when != "between" {
					w.shift("job-driver-x.log", 3)
					add(fmt.Sprint("before", turn))
				}
				if !w.ended(20 * time.Second) {
					t.Fatal("it does not end")
				}
				if when != "before" {
					w.shift("job-driver-x.log", 3)
					add(fmt.Sprint("between", turn))
				}
			}
			w.start()
			add("last")
			w.arrived(len(want))
			w.drain()
			w.want("job-driver-x.log", want)
			for _, g := range w.srv.gaps() { // for a moment nobody watched
				if !strings.HasPrefix(g, "truncated ") {
					t.Errorf("gap %q", g)
				}
			}
		})
	}
}
