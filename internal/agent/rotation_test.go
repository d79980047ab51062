package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
