package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestCopyTruncate(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 50)
	w.write("job-driver-raysubmit_x.log", text)
	w.start()
	w.arrived(50)
	// What logrotate's copytruncate does, with bytes nobody has read yet.
	more, lines := numbered("unread", 0, 30)
	w.srv.on(func(int, bool) int { return 503 })
	w.write("job-driver-raysubmit_x.log", more)
	want = append(want, lines...)
	whole, err := os.ReadFile(w.path("job-driver-raysubmit_x.log"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("job-driver-raysubmit_x.log.1", string(whole))
	if err := os.Truncate(w.path("job-driver-raysubmit_x.log"), 0); err != nil {
		t.Fatal(err)
	}
	next, lines := numbered("b", 0, 5)
	w.write("job-driver-raysubmit_x.log", next)
	want = append(want, lines...)
	w.srv.on(nil)
	w.arrived(len(want))
	w.drain()
	w.want("job-driver-raysubmit_x.log", want)
}

// What a file held between two cuts while nothing could be read is gone, and told, unless
// there is a copy of it.
func TestCutTwiceWhileNothingCanBeSent(t *testing.T) {
	for _, c := range []struct {
		name   string
		waits  string // the file that waits for the server in the only reader
		before bool   // it is cut the first time before
		copied bool
	}{
		{"waiting itself", "job-driver-x.log", false, false},
		{"waiting itself, copied", "job-driver-x.log", false, true},
		{"behind another", "worker-big.out", false, false},
		{"behind another, copied", "worker-big.out", false, true},
		{"cut before", "worker-big.out", true, false},
		{"cut before, copied", "worker-big.out", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.conf.BatchBytes, w.conf.Readers = 4<<10, 1
			w.mkdir()
			w.start()
			text, want := numbered("known", 0, 1)
			w.write("job-driver-x.log", text)
			w.arrived(1)
			if c.before {
				w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
				w.until("the agent to see it", func() bool { return testutil.ToFloat64(w.a.met.rotations) == 1 })
			}
			w.srv.on(func(int, bool) int { return 503 })
			more, lines := numbered("first", 0, 4000)
			others := len(lines)
			w.write(c.waits, more)
			if c.waits == "job-driver-x.log" {
				text, want, others = text+more, append(want, lines...), 0
			}
			w.until("a push", func() bool { return w.srv.requests() > 1 })
			seen := w.sees(0)
			if !c.before {
				w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
			}
			between, lines := numbered("between", 0, 50)
			w.write("job-driver-x.log", between)
			seen = w.sees(seen)
			if c.copied {
				want = append(want, lines...)
				w.rename("job-driver-x.log.1", "job-driver-x.log.2")
				w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
			} else if err := os.Truncate(w.path("job-driver-x.log"), 0); err != nil {
				t.Fatal(err)
			}
			seen = w.sees(seen)
			last, lines := numbered("last", 0, 20)
			w.write("job-driver-x.log", last)
			seen = w.sees(seen)
			w.srv.on(nil)
			want = append(want, lines...)
			w.arrived(len(want) + seen + others)
			w.drain()
			w.want("job-driver-x.log", want)
			if c.copied {
				w.noGaps()
			} else {
				w.gapsAre(fmt.Sprintf("truncated %d-%d", len(text), len(text)))
			}
		})
	}
}

// sees waits until what was done so far has been looked at: a file made now is kept.
func (w *world) sees(n int) int {
	w.t.Helper()
	name := fmt.Sprintf("worker-%d.out", n)
	w.write(name, "seen\n")
	w.until("the agent to see it", func() bool { return links(w.path(name)) == 2 })
	return n + 1
}

// copyTruncate does what logrotate's copytruncate does.
func (w *world) copyTruncate(from, to string) {
	w.t.Helper()
	b, err := os.ReadFile(w.path(from))
	if err == nil {
		err = os.WriteFile(w.path(to), b, 0o600)
	}
	if err == nil {
		err = os.Truncate(w.path(from), 0)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// What is written behind the copy may have been cut once more, without one, while nobody
// watched.
func TestCopyTruncateWhileTheAgentIsDead(t *testing.T) {
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprintf("written since=%v", written), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			text, want := numbered("first", 0, 80)
			w.write("job-driver-x.log", text)
			w.arrived(80)
			w.crash()
			more, lines := numbered("unread", 0, 20)
			w.write("job-driver-x.log", more)
			want = append(want, lines...)
			text += more
			w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
			if written {
				at := time.Now()
				w.until("the file system's clock to go on", func() bool { return time.Since(at) > 2*fileTick })
				more, lines = numbered("new", 0, 30)
				w.write("job-driver-x.log", more)
				want = append(want, lines...)
			}
			w.start()
			w.arrived(len(want))
			more, lines = numbered("last", 0, 5)
			w.write("job-driver-x.log", more)
			want = append(want, lines...)
			w.arrived(len(want))
			w.drain()
			w.want("job-driver-x.log", want)
			if written {
				w.gapsAre(fmt.Sprintf("truncated %d-%d", len(text), len(text)))
			} else {
				w.noGaps()
			}
		})
	}
}

// The state is lost, and what the server has is only in the copy: another inode, but it
// begins as the file did and holds all of it.
func TestStateLostAndTheFileCopiedAndCut(t *testing.T) {
	for _, more := range []int{0, 20} {
		t.Run(fmt.Sprint("not sent yet: ", more), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			text, want := numbered("first", 0, 80)
			w.write("job-driver-x.log", text)
			w.arrived(80)
			w.crash()
			w.loseState()
			if more > 0 {
				text, lines := numbered("more", 0, more)
				w.write("job-driver-x.log", text)
				want = append(want, lines...)
			}
			w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
			w.write("job-driver-x.log", "new\n")
			want = append(want, "new")
			w.start()
			w.arrived(len(want))
			w.write("job-driver-x.log", "last\n")
			w.arrived(len(want) + 1)
			w.drain()
			w.want("job-driver-x.log", append(want, "last"))
			w.contiguous("job-driver-x.log")
			w.noGaps()
		})
	}
}

// Each copy is written over the one before it, as cp does.
func TestCopyTruncateAgainAndAgain(t *testing.T) {
	for _, notify := range []bool{true, false} {
		t.Run(fmt.Sprint("killed each time: ", !notify), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			var want []string
			for turn := range 6 {
				text, lines := numbered(fmt.Sprint("turn", turn), 0, 30+10*turn)
				w.write("job-driver-x.log", text)
				want = append(want, lines...)
				w.arrived(len(want))
				if !notify {
					w.crash()
				}
				w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
				w.write("job-driver-x.log", "after\n")
				want = append(want, "after")
				if !notify {
					w.start()
				}
				w.arrived(len(want))
			}
			w.drain()
			w.want("job-driver-x.log", want)
		})
	}
}

// The copy turns up when the agent has given up what it had not read of the file.
func TestCopyTruncateOfWhichTheCopyIsSeenLate(t *testing.T) {
	for _, unread := range []int{0, 20} {
		t.Run(fmt.Sprint(unread), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			text, want := numbered("first", 0, 80)
			w.write("job-driver-x.log", text)
			w.arrived(80)
			more, lines := numbered("unread", 0, unread)
			if unread == 0 {
				more = ""
			}
			want = append(want, lines...)
			elsewhere := filepath.Join(w.root, "copy")
			if err := os.WriteFile(elsewhere, []byte(text+more), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(w.path("job-driver-x.log"), 0); err != nil {
				t.Fatal(err)
			}
			text, lines = numbered("new", 0, 30)
			w.write("job-driver-x.log", text)
			want = append(want, lines...)
			w.until("the gap is told", func() bool { return len(w.srv.gaps()) == 1 })
			w.arrived(110)
			if err := os.Rename(elsewhere, w.path("job-driver-x.log.1")); err != nil {
				t.Fatal(err)
			}
			w.write("job-driver-x.log", "last\n")
			want = append(want, "last")
			w.arrived(len(want))
			w.drain()
			w.wantOnce("job-driver-x.log", want)
		})
	}
}

func TestTruncatedFileThatGrewBeyondTheOldPlace(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 50)
	w.write("notes.log", text)
	w.start()
	w.arrived(50)
	w.drain()
	longer, lines := numbered("begun anew", 0, 500)
	if err := os.WriteFile(w.path("notes.log"), []byte(longer), 0o644); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.arrived(550)
	w.drain()
	w.want("notes.log", append(want, lines...))
	if g := w.srv.gaps(); len(g) != 1 || !strings.HasPrefix(g[0], "truncated ") {
		t.Errorf("gaps are %q, want one that says truncated", g)
	}
}
