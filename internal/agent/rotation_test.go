package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRenameChain(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	var want []string
	for gen := range 5 {
		text, lines := numbered(fmt.Sprint("g", gen), 0, 40)
		w.write("worker-a.out", text)
		want = append(want, lines...)
		w.arrived(len(want))
		w.rotate("worker-a.out", 3)
	}
	text, lines := numbered("last", 0, 10)
	w.write("worker-a.out", text)
	w.arrived(len(want) + 10)
	w.drain()
	w.want("worker-a.out", append(want, lines...))
	w.noGaps()
	offset := uint64(0)
	for _, e := range w.srv.rows(testSession, "worker-a.out") {
		if e.offset != offset {
			t.Fatalf("line %q is at %d, want %d: rotations added up", e.line, e.offset, offset)
		}
		offset += uint64(len(e.line)) + 1
	}
}

func TestThreeRotationsBetweenTwoLooks(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("seen", 0, 20)
	w.write("raylet.out", text)
	w.start()
	w.arrived(20)
	w.drain()
	more, lines := numbered("tail", 0, 5)
	w.write("raylet.out", more)
	want = append(want, lines...)
	for gen := range 3 {
		w.rotate("raylet.out", 5)
		text, lines := numbered(fmt.Sprint("unseen", gen), 0, 20)
		w.write("raylet.out", text)
		want = append(want, lines...)
	}
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("raylet.out", want)
	w.noGaps()
}

func TestRotatedFilesThatAreThereAtTheStart(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	var want []string
	for gen := range 4 {
		if gen > 0 {
			w.rotate("raylet.out", 5)
		}
		text, lines := numbered(fmt.Sprint("g", gen), 0, 20)
		w.write("raylet.out", text)
		want = append(want, lines...)
	}
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("raylet.out", want)
}

func TestInodeReuse(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	var want []string
	inodes := map[uint64]int{}
	for gen := range 12 {
		text, lines := numbered(fmt.Sprint("g", gen), 0, 30)
		w.write("worker-a.out", text)
		want = append(want, lines...)
		w.arrived(len(want))
		inodes[inode(t, w.path("worker-a.out"))]++
		// With one backup the inode that is unlinked here is free for the next file.
		w.rotate("worker-a.out", 1)
	}
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
	t.Logf("%d generations had %d inode numbers", 12, len(inodes))
}

func TestMoveToOld(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 50)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(50)
	more, lines := numbered("b", 0, 50)
	w.write("worker-a.out", more)
	w.rename("worker-a.out", "old/worker-a.out")
	w.arrived(100)
	w.drain()
	w.start() // nothing is read again under its new name
	w.drain()
	w.want("worker-a.out", append(want, lines...))
	w.noGaps()
}

func TestRenamedToAnotherName(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 50)
	w.write("my.log", text)
	w.start()
	w.arrived(50)
	w.rename("my.log", "your.log")
	more, lines := numbered("b", 0, 50)
	w.write("your.log", more)
	w.arrived(100)
	w.drain()
	w.want("my.log", append(want, lines...))
	w.want("your.log", nil)
}

func TestDeleteWhileUnread(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.srv.on(func(int, bool) int { return 503 })
	text, want := numbered("a", 0, 20)
	w.write("worker-a.out", text)
	w.start()
	w.until("the file is held", func() bool { return links(w.path("worker-a.out")) == 2 })
	w.write("worker-a.out", "last words\n")
	w.remove("worker-a.out")
	w.srv.on(nil)
	w.arrived(21)
	w.drain()
	w.want("worker-a.out", append(want, "last words"))
	w.noGaps()
	w.until("no second name is left", func() bool { return len(glob(t, filepath.Join(w.root, ".remora/*/*"))) == 0 })
}

func TestDeleteWhileUnreadAndTheAgentIsKilled(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 20)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(20)
	w.until("the file is held", func() bool { return links(w.path("worker-a.out")) == 2 })
	w.crash()
	w.write("worker-a.out", "last words\n")
	w.remove("worker-a.out")
	w.start()
	w.arrived(21)
	w.drain()
	w.want("worker-a.out", append(want, "last words"))
	w.noGaps()
}

func TestDeletedFilesBeyondTheBudgetAreLetGoAndTold(t *testing.T) {
	w := newWorld(t)
	w.conf.HoldBytes = 10 << 10
	w.conf.BatchBytes = 4 << 10
	w.mkdir()
	w.srv.on(func(int, bool) int { return 503 })
	w.start()
	big := strings.Repeat("0123456789abcde\n", 1024)
	for i := range 10 {
		name := fmt.Sprintf("worker-%d.out", i)
		w.write(name, big)
		w.until("the file is held", func() bool { return links(w.path(name)) == 2 })
		w.remove(name)
	}
	w.until("some are let go", func() bool { return len(glob(t, filepath.Join(w.root, ".remora/*/*"))) <= 6 })
	w.srv.on(nil)
	w.until("gaps are told", func() bool { return len(w.srv.gaps()) > 0 })
	w.drain()
	for _, g := range w.srv.gaps() {
		if !strings.HasPrefix(g, "too-much-unread ") {
			t.Errorf("gap %q", g)
		}
	}
}

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

func TestManyRotationsInASecond(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	var want []string
	line := strings.Repeat("x", 190)
	// 20 KB files, a rotation every 25 ms, three backups: facts of a loud worker.
	pace := time.NewTicker(25 * time.Millisecond)
	defer pace.Stop()
	for gen := range 40 {
		var b strings.Builder
		for n := range 100 {
			l := fmt.Sprintf("%d-%d %s", gen, n, line)
			want = append(want, l)
			b.WriteString(l + "\n")
		}
		w.write("worker-a.out", b.String())
		<-pace.C
		w.rotate("worker-a.out", 3)
	}
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
}

func TestManyRotationsWhileTheServerIsAway(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	w.write("worker-a.out", "first\n")
	want := []string{"first"}
	w.arrived(1)
	w.srv.on(func(int, bool) int { return 503 })
	pace := time.NewTicker(30 * time.Millisecond)
	defer pace.Stop()
	for gen := range 20 {
		text, lines := numbered(fmt.Sprint("g", gen), 0, 100)
		w.write("worker-a.out", text)
		want = append(want, lines...)
		<-pace.C
		w.rotate("worker-a.out", 3)
	}
	w.srv.on(nil)
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
}

func TestSessionLatestFlips(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	link := filepath.Join(w.root, "session_latest")
	flip := func(session string) {
		_ = os.Remove(link)
		if err := os.Symlink(filepath.Join(w.root, session), link); err != nil {
			t.Fatal(err)
		}
	}
	flip(testSession)
	text, want := numbered("old", 0, 30)
	w.write("raylet.out", text)
	w.start()
	w.arrived(30)
	const second = "session_2026-11-21_06-00-00_000001_1"
	if err := os.MkdirAll(filepath.Join(w.root, second, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	flip(second)
	more, lines := numbered("late", 0, 5)
	w.write("raylet.out", more)
	first := w.logs
	w.logs = filepath.Join(w.root, second, "logs")
	text, newer := numbered("new", 0, 30)
	w.write("raylet.out", text)
	w.logs = first
	w.arrived(65)
	w.drain()
	w.wantIn(testSession, "raylet.out", append(want, lines...))
	w.wantIn(second, "raylet.out", newer)
	w.wantIn("session_latest", "raylet.out", nil)
}

func TestRootAppearsLate(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.until("the agent says so", func() bool {
		return w.a.health.Ready() != nil && strings.Contains(w.a.health.Ready().Error(), "the directory to follow")
	})
	w.mkdir()
	text, want := numbered("a", 0, 30)
	w.write("raylet.out", text)
	w.arrived(30)
	w.drain()
	w.want("raylet.out", want)
}

func TestRootVanishesAndComesBack(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 30)
	w.write("raylet.out", text)
	w.start()
	w.arrived(30)
	if err := os.RemoveAll(w.root); err != nil {
		t.Fatal(err)
	}
	w.until("the agent says so", func() bool { return w.a.health.Ready() != nil })
	w.mkdir()
	text, more := numbered("b", 0, 40)
	w.write("raylet.out", text)
	w.arrived(70)
	w.drain()
	w.wantOnce("raylet.out", append(want, more...))
}

func TestParentDirectoryIsMovedAway(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 30)
	w.write("raylet.out", text)
	f, err := os.OpenFile(w.path("raylet.out"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w.start()
	w.arrived(30)
	if err := os.Rename(filepath.Join(w.root, testSession), filepath.Join(w.root, "prev-logs")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("after the move\n"); err != nil {
		t.Fatal(err)
	}
	w.arrived(31)
	w.drain()
	w.want("raylet.out", append(want, "after the move"))
}

// A new file is empty when it appears; its first bytes come while the generation
// before it still waits for its writer.
func TestFileThatWasEmptyWhenItAppeared(t *testing.T) {
	for _, every := range []time.Duration{time.Hour, 20 * time.Millisecond} {
		w := newWorld(t)
		w.conf.ScanEvery = every
		w.mkdir()
		w.start()
		var want []string
		for gen := range 6 {
			text, lines := numbered(fmt.Sprint("g", gen), 0, 5)
			w.write("worker-a.out", text)
			want = append(want, lines...)
			w.arrived(len(want))
			w.rotate("worker-a.out", 3)
			pause := time.NewTimer(time.Duration(gen) * 30 * time.Millisecond)
			<-pause.C
		}
		w.drain()
		w.want("worker-a.out", want)
	}
}

func TestWhatADeadAgentKeptIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("raylet.out", "x\n")
	kept := func(agent string, age time.Duration) string {
		dir := filepath.Join(w.root, ".remora", agent)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(w.path("raylet.out"), filepath.Join(dir, "kept")); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dead, living := kept("0123", 25*time.Hour), kept("4567", time.Hour)
	w.start()
	w.until("the dead one's is gone", func() bool { return len(glob(t, dead)) == 0 })
	w.drain()
	if len(glob(t, living)) == 0 {
		t.Error("what another agent keeps is gone")
	}
}

// A server that is ahead of the state, as after a kill before the position was
// recorded: nothing is sent again and the files are let go.
func TestServerAheadOfTheState(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("a", 0, 40)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(40)
	w.drain()
	old, err := os.ReadFile(filepath.Join(w.conf.State, "positions"))
	if err != nil {
		t.Fatal(err)
	}
	text, more := numbered("b", 0, 40)
	w.write("worker-a.out", text)
	w.rotate("worker-a.out", 3)
	w.start()
	w.arrived(80)
	w.drain()
	if err := os.WriteFile(filepath.Join(w.conf.State, "positions"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.write("worker-a.out", "next\n")
	w.arrived(81)
	w.until("nothing but the last file is kept", func() bool { return len(glob(t, filepath.Join(w.root, ".remora/*/*"))) == 1 })
	w.drain()
	w.want("worker-a.out", slices.Concat(want, more, []string{"next"}))
	w.noGaps()
}
