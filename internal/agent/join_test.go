package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/remora-ray/remora/internal/agent/tail"
)

// While the agent is dead a chain turns over so often that files of it come and go.
// The one that it was reading is kept by a name of its own, which tells of it even when
// the state is lost.
func TestFilesThatCameAndWentWhileNobodyLooked(t *testing.T) {
	for _, tc := range []struct {
		name        string
		acked, lost bool
		bytes       int // to read before anything is acknowledged
	}{{"acknowledged", true, false, 100}, {"unread", false, false, 90 + 200}, {"unread and the state is lost", false, true, 90 + 200}} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			want := w.holding(tc.acked)
			w.crash()
			if tc.lost {
				w.loseState()
			}
			for gen := range 6 {
				lines := w.turn(gen)
				if gen >= 3 {
					want = append(want, lines...)
				}
			}
			w.startAndRead(tc.bytes)
			w.arrived(len(want))
			w.drain()
			w.want("worker-a.out", want)
			if g := w.srv.gaps(); len(g) != 1 || !strings.HasPrefix(g[0], "rotated-unseen ") {
				t.Errorf("gaps are %q, want one that says rotated-unseen", g)
			}
		})
	}
}

// One came and went, and the newest file has nothing in it yet.
func TestAFileThatCameAndWentBeforeAnEmptyOne(t *testing.T) {
	w := newWorld(t)
	want := w.holding(false)
	w.crash()
	for gen := range 3 {
		lines := w.turn(gen)
		if gen > 0 {
			want = append(want, lines...)
		}
	}
	w.ticks()
	w.rotate("worker-a.out", 2)
	w.startAndRead(90 + 2*100)
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.gapsAre("rotated-unseen 170-170")
}

// holding starts an agent that holds a file of which the server has some lines, or all.
func (w *world) holding(acked bool) (lines []string) {
	w.t.Helper()
	w.mkdir()
	w.start()
	text, lines := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.arrived(len(lines))
	if !acked {
		w.srv.on(func(int, bool) int { return 503 })
		text, more := numbered("second", 0, 10)
		w.write("worker-a.out", text)
		lines = append(lines, more...)
	}
	return lines
}

// startAndRead starts an agent of which nothing is acknowledged before it has read so
// many bytes.
func (w *world) startAndRead(bytes int) {
	w.t.Helper()
	release := w.srv.hold()
	defer release()
	w.srv.on(nil)
	w.start()
	w.until("the agent has read it", func() bool { return testutil.ToFloat64(w.a.met.bytesRead) >= float64(bytes) })
}

// turn rotates the file, of which two old ones are kept, and writes to the next.
func (w *world) turn(gen int) []string {
	w.t.Helper()
	w.ages()
	w.ticks()
	w.rotate("worker-a.out", 2)
	text, lines := numbered(fmt.Sprint("unread", gen), 0, 10)
	w.write("worker-a.out", text)
	return lines
}

// As many turns as there are names: all that came is still there.
func TestAsManyTurnsAsNamesWhileNobodyLooked(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.arrived(len(want))
	w.crash()
	for gen := range 2 {
		w.ages()
		w.rotate("worker-a.out", 2)
		text, lines := numbered(fmt.Sprint("unread", gen), 0, 10)
		w.write("worker-a.out", text)
		want = append(want, lines...)
	}
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
}

// Unread files that the agent kept before it died stay one behind the other.
func TestKeptFilesAreStillJoinedAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.arrived(len(want))
	w.srv.on(func(int, bool) int { return 503 })
	for gen := range 4 {
		w.ages()
		w.rotate("worker-a.out", 1)
		text, lines := numbered(fmt.Sprint("unread", gen), 0, 10)
		w.write("worker-a.out", text)
		want = append(want, lines...)
		w.until("the agent holds it", func() bool { return links(w.path("worker-a.out")) > 1 })
	}
	w.crash()
	w.srv.on(nil)
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
}

// A file that is renamed to a name of another kind (a date, say) is out of its stream;
// inotify told that one file came after it.
func TestRenamedOutOfItsStream(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	var want []string
	for day := range 3 {
		text, lines := numbered(fmt.Sprint("day", day), 0, 10)
		w.write("worker-a.out", text)
		want = append(want, lines...)
		w.arrived(len(want))
		w.ages()
		w.rename("worker-a.out", fmt.Sprintf("../../day%d", day))
	}
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
}

// What is known of two files decides whether anything may have come between them.
func TestJoined(t *testing.T) {
	const born = int64(1e18)
	named, nameless := "/ray/worker-a.out.1", ""
	for name, c := range map[string]struct {
		path      string // of the older one
		old, next moment
		want      bool
	}{
		"the older one has a name":               {named, moment{}, moment{}, true},
		"it had one when the newer was found":    {nameless, moment{}, moment{next: true}, true},
		"one came since":                         {nameless, moment{sighted: true, turn: 4}, moment{sighted: true, turn: 5}, true},
		"two came since":                         {nameless, moment{sighted: true, turn: 4}, moment{sighted: true, turn: 6}, false},
		"one that is known, events were lost":    {nameless, moment{sighted: true, turn: 4}, moment{sighted: true, turn: 5, era: 1}, false},
		"nothing is known":                       {nameless, moment{}, moment{}, false},
		"nothing is known, but written just now": {nameless, moment{written: born - int64(2e6)}, moment{}, true},
		"written a while before":                 {nameless, moment{written: born - int64(50e6)}, moment{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			old := &generation{path: c.path, fd: -1, moment: c.old}
			next := &generation{fd: -1, key: tail.Key{Birth: born}, moment: c.next}
			f := &follower{gens: []*generation{old, next}, cur: 1}
			if got := (&agent{}).joined(f, next); got != c.want {
				t.Errorf("joined: %v, want %v", got, c.want)
			}
			f = &follower{gens: []*generation{next}}
			if !(&agent{}).joined(f, next) {
				t.Error("the first file of all is not joined")
			}
			if f.ended = &old.moment; c.path == nameless && (&agent{}).joined(f, next) != c.want {
				t.Errorf("joined when the older one is forgotten: %v, want %v", !c.want, c.want)
			}
		})
	}
}

// ages makes the files as old as if nothing had been written to them for a minute.
func (w *world) ages() {
	w.t.Helper()
	then := time.Now().Add(-time.Minute)
	for _, path := range glob(w.t, w.path("worker-*")) {
		if err := os.Chtimes(path, then, then); err != nil {
			w.t.Fatal(err)
		}
	}
}

// ticks waits until a file that is made now is younger than those that are there.
func (w *world) ticks() {
	w.t.Helper()
	birth := func(name string) int64 {
		path := filepath.Join(w.t.TempDir(), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			w.t.Fatal(err)
		}
		st, err := tail.StatPath(path)
		if err != nil {
			w.t.Fatal(err)
		}
		return st.Key.Birth
	}
	before := birth("before")
	w.until("the clock of the file system goes on", func() bool { return birth("after") > before })
}

// Of a deleted file of which all has arrived it is still known when it was deleted.
func TestWhenAFileWasDeletedIsKnownWithoutIt(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, _ := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	a := w.open()
	defer a.close()
	n := a.conf.Source.Name(w.path("worker-a.out"))
	f := a.followerOf(n)
	f.names = append(f.names, n)
	a.look(f)
	w.remove("worker-a.out")
	a.look(f)
	g := f.gens[0]
	at, ok := a.thrownAway(g)
	if !ok {
		t.Fatal("it is not known of a file that is held")
	}
	g.begun, g.done = true, true
	f.acked.Offset = uint64(g.size)
	a.prune(f)
	if again, ok := a.thrownAway(g); !ok || again != at || g.fd >= 0 {
		t.Errorf("it was deleted at %d, %v, when it is let go; before, at %d", again, ok, at)
	}
}
