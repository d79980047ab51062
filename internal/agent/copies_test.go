package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// The state is lost, the file is empty, and the server has what it held: copies of that
// are not sent again.
func TestCopiesOfWhatAnEmptyFileHeld(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	oldest, first := numbered("oldest", 0, 10)
	w.write("job-driver-x.log", oldest)
	w.shift("job-driver-x.log", 2)
	w.start()
	w.arrived(len(first))
	newer, second := numbered("newer", 0, 20)
	w.write("job-driver-x.log", newer)
	w.arrived(len(first) + len(second))
	w.shift("job-driver-x.log", 2)
	w.crash()
	w.remove("job-driver-x.log.2") // by whose name the server knows the stream
	w.loseState()
	w.start()
	w.write("worker-a.out", "asked about with it\n")
	w.arrived(len(first) + len(second) + 1)
	last, third := numbered("last", 0, 5)
	w.write("job-driver-x.log", last)
	w.arrived(len(first) + len(second) + 1 + len(third))
	w.drain()
	w.want("job-driver-x.log", slices.Concat(first, second, third))
}

// The first file of a stream was let go unread, so that the server has nothing of it: what
// it has of the next one is found all the same when the state is lost.
func TestStateLostWhereTheFirstFileWasNeverSent(t *testing.T) {
	for _, alone := range []bool{false, true} {
		t.Run(fmt.Sprintf("gap told alone=%v", alone), func(t *testing.T) {
			w := newWorld(t)
			w.conf.HoldBytes = 1
			w.mkdir()
			w.srv.on(func(int, bool) int { return 503 })
			w.start()
			gone, _ := numbered("gone", 0, 10)
			w.write("worker-a.out", gone)
			w.until("the file is held", func() bool { return links(w.path("worker-a.out")) == 2 })
			w.remove("worker-a.out")
			w.until("it is let go", func() bool { return len(glob(t, filepath.Join(w.root, ".remora/*/*"))) == 0 })
			if alone {
				w.srv.on(nil)
				w.until("that is told", func() bool { return len(w.srv.gaps()) > 0 })
			}
			text, want := numbered("kept", 0, 10)
			w.write("worker-a.out", text)
			w.srv.on(nil)
			w.arrived(len(want))
			w.crash()
			w.loseState()
			w.start()
			w.write("worker-b.out", "asked about with it\n")
			w.arrived(len(want) + 1)
			w.drain()
			w.want("worker-a.out", want)
		})
	}
}

// The state is older than the last lines of a file, which the server has, and than the
// file behind it: those lines are not taken for ones that came late.
func TestStateOlderThanTheEndOfAFile(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	text, want := numbered("known", 0, 10)
	w.write("worker-a.out", text)
	w.arrived(len(want))
	w.crash()
	restore := w.copyState()
	w.start()
	add := func(tag string) {
		more, lines := numbered(tag, 0, 3)
		w.write("worker-a.out", more)
		want = append(want, lines...)
		w.arrived(len(want))
	}
	add("end")
	w.rotate("worker-a.out", 3)
	add("next")
	w.crash()
	restore()
	w.start()
	add("last")
	w.rotate("worker-a.out", 3)
	add("more")
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
}

// A file is cut while the copy of what it held before is read: it has not been read itself.
func TestCutWhileItsCopyIsRead(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	text, want := numbered("copied", 0, 10)
	w.write("job-driver-x.log", text)
	w.arrived(len(want))
	w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
	gone, unread := numbered("gone", 0, 3)
	w.write("job-driver-x.log", gone)
	w.until("the agent to go on in the copy", func() bool { return testutil.ToFloat64(w.a.met.rotations) == 1 })
	if err := os.Truncate(w.path("job-driver-x.log"), 0); err != nil {
		t.Fatal(err)
	}
	text, after := numbered("behind the cut", 0, 20)
	w.write("job-driver-x.log", text)
	w.until("the rest", func() bool { return slices.Contains(w.srv.lines(testSession, "job-driver-x.log"), after[len(after)-1]) })
	w.drain()
	if got := w.srv.lines(testSession, "job-driver-x.log"); slices.Contains(got, unread[0]) {
		w.want("job-driver-x.log", slices.Concat(want, unread, after)) // it was quick
		return
	}
	w.want("job-driver-x.log", slices.Concat(want, after))
	w.gapsAre(fmt.Sprintf("truncated %d-%d", 10*len("copied 0\n"), 10*len("copied 0\n")))
}

// A file is cut twice while the server is away, and only what it held between is in a
// copy: what it held before, of which the end is not read, is gone, and that is told.
func TestCutTwiceAndCopiedOnce(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("copied before, and over=%v", again), func(t *testing.T) {
			w := newWorld(t)
			w.conf.BatchBytes, w.conf.Readers = 4<<10, 1
			w.mkdir()
			w.start()
			text, want := numbered("sent", 0, 10)
			w.write("job-driver-x.log", text)
			w.arrived(len(want))
			w.srv.on(func(int, bool) int { return 503 })
			text, others := numbered("takes the only reader", 0, 4000)
			w.write("worker-big.out", text)
			w.until("a push", func() bool { return w.srv.requests() > 1 })
			gone, _ := numbered("gone", 0, 10)
			seen := w.sees(0)
			if again {
				w.write("job-driver-x.log", gone)
				w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
				seen = w.sees(seen)
			} else {
				if err := os.Truncate(w.path("job-driver-x.log"), 0); err != nil {
					t.Fatal(err)
				}
			}
			between, second := numbered("between", 0, 20)
			w.write("job-driver-x.log", between)
			w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
			text, third := numbered("last", 0, 5)
			w.write("job-driver-x.log", text)
			seen = w.sees(seen)
			w.srv.on(nil)
			w.arrived(len(want) + len(second) + len(third) + len(others) + seen)
			w.drain()
			w.want("job-driver-x.log", slices.Concat(want, second, third))
			if g := w.srv.gaps(); len(g) != 1 {
				t.Errorf("gaps are %q, want one", g)
			}
		})
	}
}

// What a killed agent sent last is taken by the server after it told the next one where
// it stands, and that one finds the file cut: what the file holds now comes behind it.
func TestCutWhileTheLastPushIsOnItsWay(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(w *world)
	}{
		{"emptied", func(w *world) { w.empty("raylet.out") }},
		{"deleted", func(w *world) { w.remove("raylet.out"); w.forgetLinks() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			w.write("raylet.out", "one\ntwo\n")
			w.arrived(2)
			release := w.srv.hold()
			defer release()
			w.write("raylet.out", "three\n")
			w.until("it is on its way", func() bool { return w.srv.held() == 1 })
			w.crash()
			c.lose(w)
			w.write("raylet.out", "4\n5\n")
			asked := w.srv.questions()
			w.start()
			w.until("the server is asked", func() bool { return w.srv.questions() > asked })
			release()
			w.arrived(5)
			w.drain()
			w.want("raylet.out", []string{"one", "two", "three", "4", "5"})
			if g := w.srv.gaps(); len(g) != 1 {
				t.Errorf("gaps are %q, want one", g)
			}
		})
	}
}

func (w *world) empty(name string) {
	w.t.Helper()
	if err := os.Truncate(w.path(name), 0); err != nil {
		w.t.Fatal(err)
	}
}

// forgetLinks removes what agents keep of deleted files.
func (w *world) forgetLinks() {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.root, ".remora")); err != nil {
		w.t.Fatal(err)
	}
}
