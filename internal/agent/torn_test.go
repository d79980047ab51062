package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The state is older than what was sent: a power cut took its end. The server has
// the second generation by a fingerprint of few bytes, and must not take the place
// where the agent goes on for the file's beginning: the next who asks would be misled.
func TestStateOlderThanWhatWasSentAndThenLost(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(len(want))
	w.crash()
	restore := w.copyState()
	w.rotate("worker-a.out", 2)
	w.write("worker-a.out", "short\n")
	want = append(want, "short")
	w.start()
	w.arrived(len(want))
	w.crash()
	restore()
	text, lines := numbered("more", 0, 10)
	w.write("worker-a.out", text)
	want = append(want, lines...)
	w.start()
	w.arrived(len(want))
	w.drain()
	w.loseState()
	w.write("worker-a.out", "last\n")
	w.start()
	w.arrived(len(want) + 1)
	w.drain()
	w.want("worker-a.out", append(want, "last"))
	w.contiguous("worker-a.out")
	w.noGaps()
}

// What the state knows of is gone, and what is there now it does not know: that is
// newer, whatever number it has by now.
func TestStateThatKnowsOnlyWhatIsGone(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(len(want))
	w.crash()
	for gen := range 3 {
		w.rotate("worker-a.out", 2)
		w.ticks()
		text, lines := numbered(fmt.Sprint("unread", gen), 0, 10)
		w.write("worker-a.out", text)
		want = append(want, lines...)
	}
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.contiguous("worker-a.out")
	w.noGaps() // their times tell that no file came and went between them
}

// What was deleted while the server was away has no name but the agent's own, which
// tells what it is even where the state is lost.
func TestStateLostAndUnreadFilesDeleted(t *testing.T) {
	for _, acked := range []bool{true, false} {
		t.Run(fmt.Sprint("the server knows the stream: ", acked), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			var want []string
			if acked {
				want = w.generations("worker-a.out", 0, 2, 1)
			}
			w.srv.on(func(int, bool) int { return 503 })
			for gen := range 4 {
				text, lines := numbered(fmt.Sprint("away", gen), 0, 10)
				w.write("worker-a.out", text)
				want = append(want, lines...)
				w.until("the agent holds it", func() bool { return links(w.path("worker-a.out")) > 1 })
				w.rotate("worker-a.out", 1)
			}
			w.crash()
			w.loseState()
			w.srv.on(nil)
			w.write("worker-a.out", "last\n")
			w.start()
			w.arrived(len(want) + 1)
			w.drain()
			// Nothing may be left by which the server knows the stream: it then has two.
			w.wantOnce("worker-a.out", append(want, "last"))
			if left := glob(t, filepath.Join(w.a.linkDir(w.root), "*")); len(left) > 1 {
				t.Errorf("names of our own are left: %q", left)
			}
		})
	}
}

// The end of the state is lost, and with it what it knew of files that were deleted.
func TestStateTornAndUnreadFilesDeleted(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	want := w.generations("worker-a.out", 0, 2, 1)
	w.crash()
	restore := w.copyState()
	w.srv.on(func(int, bool) int { return 503 })
	w.start()
	for gen := range 3 {
		text, lines := numbered(fmt.Sprint("away", gen), 0, 10)
		w.write("worker-a.out", text)
		want = append(want, lines...)
		w.until("the agent holds it", func() bool { return links(w.path("worker-a.out")) > 1 })
		w.ages()
		w.rotate("worker-a.out", 1)
	}
	w.crash()
	restore()
	w.srv.on(nil)
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.contiguous("worker-a.out")
	// That no file came and went between these cannot be known: that may be told.
	if g := w.srv.gaps(); len(g) > 3 {
		t.Errorf("gaps are %q", g)
	}
}

// The end of the state is lost, and an agent before this one, of which the state was
// lost too, kept an older file of the stream: that is read long since.
func TestStateTornAndAnOlderAgentKeptAnOlderFile(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	text, want := numbered("oldest", 0, 10)
	w.write("worker-a.out", text)
	w.arrived(len(want))
	w.crash()
	w.loseState()
	w.start()
	want = append(want, w.generations("worker-a.out", 0, 3, 1)...)
	w.crash()
	restore := w.copyState()
	w.srv.on(func(int, bool) int { return 503 })
	w.start()
	for gen := range 3 {
		text, lines := numbered(fmt.Sprint("away", gen), 0, 10)
		w.write("worker-a.out", text)
		want = append(want, lines...)
		w.until("the agent holds it", func() bool { return links(w.path("worker-a.out")) > 1 })
		w.rotate("worker-a.out", 1)
	}
	w.crash()
	restore()
	w.tearState()
	w.srv.on(nil)
	w.start()
	w.write("worker-a.out", "last\n")
	want = append(want, "last")
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
}

// tearState takes the last bytes off the state, as a crash of the machine may.
func (w *world) tearState() {
	w.t.Helper()
	path := filepath.Join(w.conf.State, "positions")
	st, err := os.Stat(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.Truncate(path, st.Size()-3); err != nil {
		w.t.Fatal(err)
	}
}

// As before, but the state still knows that file, though it is gone.
func TestStateTornAndAnOlderAgentKeptAFileThatIsRead(t *testing.T) {
	w := newWorld(t)
	w.conf.ScanEvery = 10 * time.Second // what is gone is known for as long
	w.mkdir()
	w.start()
	text, want := numbered("oldest", 0, 10)
	w.write("worker-a.out", text)
	w.arrived(len(want))
	w.crash()
	w.loseState()
	w.start()
	want = append(want, w.generations("worker-a.out", 0, 3, 1)...)
	w.crash()
	w.tearState()
	text, lines := numbered("meanwhile", 0, 10)
	w.write("worker-a.out", text)
	w.rotate("worker-a.out", 1)
	w.write("worker-a.out", "last\n")
	want = append(append(want, lines...), "last")
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
}
