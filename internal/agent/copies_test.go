package agent

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
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
