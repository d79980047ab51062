package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

func (w *world) loseState() {
	w.t.Helper()
	if err := os.RemoveAll(w.conf.State); err != nil {
		w.t.Fatal(err)
	}
}

// copyState keeps what the state is now; restore makes it that again.
func (w *world) copyState() (restore func()) {
	w.t.Helper()
	kept := filepath.Join(w.t.TempDir(), "state")
	copyDir := func(to, from string) {
		w.t.Helper()
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			w.t.Fatal(err)
		}
	}
	copyDir(kept, w.conf.State)
	return func() {
		w.t.Helper()
		w.loseState()
		copyDir(w.conf.State, kept)
	}
}

func TestStateLostFindsItsPlaceAgain(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	want := map[string][]string{}
	for f := range 3 {
		name := fmt.Sprintf("worker-%d.out", f)
		text, lines := numbered(name, 0, 50)
		w.write(name, text)
		want[name] = lines
	}
	w.start()
	w.arrived(150)
	w.rotate("worker-1.out", 3)
	w.drain()
	if err := os.RemoveAll(w.conf.State); err != nil {
		t.Fatal(err)
	}
	for f := range 3 {
		name := fmt.Sprintf("worker-%d.out", f)
		text, lines := numbered("more", 0, 10)
		w.write(name, text)
		want[name] = append(want[name], lines...)
	}
	w.start()
	w.arrived(180)
	w.drain()
	for name, lines := range want {
		w.want(name, lines)
	}
	w.noGaps()
}

// generations writes and rotates a file, keeping backups, and returns the lines.
func (w *world) generations(name string, from, to, backups int) (want []string) {
	for gen := from; gen < to; gen++ {
		text, lines := numbered(fmt.Sprint("g", gen), 0, 20)
		w.write(name, text)
		want = append(want, lines...)
		w.arrived(w.srv.count() + 20)
		w.rotate(name, backups)
	}
	return want
}

// contiguous wants one file on the server whose lines lie one behind the other, in
// place and in time.
func (w *world) contiguous(name string) {
	w.t.Helper()
	at, last := uint64(0), int64(0)
	for _, e := range w.srv.rows(testSession, name) {
		if e.time < last {
			w.t.Fatalf("line %q is %v before the one that it follows", e.line, time.Duration(last-e.time))
		}
		last = e.time
		if e.offset != at {
			w.t.Fatalf("line %q is at %d, want %d", e.line, e.offset, at)
		}
		at += uint64(len(e.line)) + 1
	}
	if n := len(w.srv.files); n != 1 {
		w.t.Errorf("the server has %d files, want 1", n)
	}
}

// The state is lost and the generation of which the identity was made is gone: a
// later one tells the server which file it is. None is lost, none is there twice.
func TestStateLostAndTheFirstGenerationGone(t *testing.T) {
	for _, tc := range []struct {
		name    string
		backups int
		unread  int // generations that came while no agent was there
	}{
		{"nothing new", 1, 0},
		{"more in the last file", 2, 0},
		{"the known ones all but one gone", 2, 1},
		{"several new ones", 5, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			want := w.generations("worker-a.out", 0, 7, tc.backups)
			// Its fingerprint on the server is of these few bytes.
			w.write("worker-a.out", "short\n")
			w.arrived(len(want) + 1)
			want = append(want, "short")
			w.crash()
			w.loseState()
			for gen := range tc.unread {
				text, lines := numbered(fmt.Sprint("unread", gen), 0, 20)
				w.write("worker-a.out", text)
				want = append(want, lines...)
				w.rotate("worker-a.out", tc.backups)
			}
			if tc.backups > 1 {
				text, lines := numbered("more", 0, 100)
				w.write("worker-a.out", text)
				want = append(want, lines...)
			}
			w.start()
			w.arrived(len(want))
			w.write("worker-a.out", "last\n")
			w.arrived(len(want) + 1)
			w.drain()
			w.start() // now the state knows it
			w.write("worker-a.out", "again\n")
			w.arrived(len(want) + 2)
			w.drain()
			w.want("worker-a.out", append(want, "last", "again"))
			w.contiguous("worker-a.out")
			w.noGaps()
		})
	}
}

// The server is away when the state is lost: what the agent has of streams before
// the first answer is nothing to rely on, however often it is killed until then.
func TestStateLostAndKilledBeforeTheServerAnswers(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	want := w.generations("worker-a.out", 0, 4, 2)
	w.crash()
	w.loseState()
	var asked atomic.Int32
	w.srv.on(func(int, bool) int { asked.Add(1); return 503 })
	for round := range 3 {
		w.start()
		n := asked.Load()
		w.until("the server was asked", func() bool { return asked.Load() > n })
		text, lines := numbered(fmt.Sprint("more", round), 0, 10)
		w.write("worker-a.out", text) // a new generation, seen before any answer
		want = append(want, lines...)
		if round == 0 {
			w.rotate("worker-a.out", 2)
		}
		n = asked.Load()
		w.until("it was asked again", func() bool { return asked.Load() > n+1 })
		w.crash()
	}
	w.srv.on(nil)
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.contiguous("worker-a.out")
	w.noGaps()
}

func TestStateLostTwice(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	var want []string
	for round := range 4 {
		w.start()
		want = append(want, w.generations("worker-a.out", 3*round, 3*round+3, 2)...)
		w.crash()
		w.loseState()
	}
	w.write("worker-a.out", "last\n")
	w.start()
	w.arrived(len(want) + 1)
	w.drain()
	w.want("worker-a.out", append(want, "last"))
	w.contiguous("worker-a.out")
	w.noGaps()
}

// Once the place was not found, and there are two files on the server: the one that
// goes further is gone on with.
func TestStateLostAfterThePlaceWasNotFound(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	want := w.generations("worker-a.out", 0, 3, 2)
	w.until("the last one is let go", func() bool { return links(w.path("worker-a.out.1")) == 1 })
	w.drain()
	w.loseState()
	for gen := range 3 {
		text, lines := numbered(fmt.Sprint("unread", gen), 0, 20)
		w.write("worker-a.out", text)
		w.rotate("worker-a.out", 2)
		if gen > 0 {
			want = append(want, lines...)
		}
	}
	w.start()
	w.arrived(len(want))
	if g := w.srv.gaps(); len(g) != 1 || g[0] != "state-lost 0-0" {
		t.Fatalf("gaps are %q, want one that says state-lost", g)
	}
	want = append(want, w.generations("worker-a.out", 3, 6, 2)...)
	w.drain()
	w.loseState()
	w.start()
	w.write("worker-a.out", "last\n")
	w.arrived(len(want) + 1)
	w.drain()
	w.wantOnce("worker-a.out", append(want, "last"))
	if n := len(w.srv.files); n != 2 {
		t.Errorf("the server has %d files, want 2", n)
	}
}

// A generation that is seen, and deleted by Ray, while the server is away and the
// agent has no answer yet, is kept for the run after the next kill.
func TestKilledBeforeTheServerAnswersAndAGenerationIsGone(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(10)
	w.crash()
	var asked atomic.Int32
	w.srv.on(func(int, bool) int { asked.Add(1); return 503 })
	w.start()
	w.until("the server was asked", func() bool { return asked.Load() > 0 })
	w.rotate("worker-a.out", 2)
	text, lines := numbered("second", 0, 10)
	w.write("worker-a.out", text)
	want = append(want, lines...)
	w.until("the agent holds the second generation", func() bool {
		st, err := tail.StatPath(w.path("worker-a.out"))
		return err == nil && st.Links > 1
	})
	if err := os.Remove(w.path("worker-a.out")); err != nil {
		t.Fatal(err)
	}
	w.crash()
	w.srv.on(nil)
	w.start()
	w.arrived(20)
	w.drain()
	w.want("worker-a.out", want)
}

// A push of the agent whose state was lost is still on its way when the next one
// asks, and its file is deleted meanwhile.
func TestStateLostWhileAPushIsOnItsWay(t *testing.T) {
	w := newWorld(t)
	w.conf.inFlight = 300 * time.Millisecond
	w.mkdir()
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(len(want))
	held := w.srv.hold()
	w.rotate("worker-a.out", 1)
	text, lines := numbered("second", 0, 10)
	w.write("worker-a.out", text)
	want = append(want, lines...)
	w.until("a push is on its way", func() bool { return w.srv.held() > 0 })
	w.crash()
	w.loseState()
	w.rotate("worker-a.out", 1)
	asked := w.srv.questions()
	w.start()
	w.until("the server was asked", func() bool { return w.srv.questions() > asked })
	held()
	w.write("worker-a.out", "last\n")
	w.arrived(len(want) + 1)
	w.drain()
	w.want("worker-a.out", append(want, "last"))
	w.contiguous("worker-a.out")
	w.noGaps()
}

// The same of a file that the server knows: what comes late was given older times than
// a new agent would give to what is before it.
func TestStateLostWhileMoreOfAFileIsOnItsWay(t *testing.T) {
	w := newWorld(t)
	w.conf.inFlight = 300 * time.Millisecond
	w.mkdir()
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(len(want))
	held := w.srv.hold()
	text, lines := numbered("second", 0, 10)
	w.write("worker-a.out", text)
	want = append(want, lines...)
	w.until("a push is on its way", func() bool { return w.srv.held() > 0 })
	w.crash()
	w.loseState()
	asked := w.srv.questions()
	w.start()
	w.until("the server was asked again", func() bool { return w.srv.questions() > asked+1 || w.srv.held() > 1 })
	if n := w.srv.held(); n != 1 {
		t.Errorf("%d pushes are on their way, want that of the agent that died", n)
	}
	held()
	w.write("worker-a.out", "last\n")
	w.arrived(len(want) + 1)
	w.drain()
	w.want("worker-a.out", append(want, "last"))
	w.contiguous("worker-a.out")
	rows := w.srv.rows(testSession, "worker-a.out")
	for i := 1; i < len(rows); i++ {
		if rows[i].time <= rows[i-1].time {
			t.Fatalf("line %q has the time %d, the one before it %d", rows[i].line, rows[i].time, rows[i-1].time)
		}
	}
}

// A state that is new keeps what the agent holds while no server has ever answered.
func TestKilledBeforeAnyAnswerAndAGenerationIsGone(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	var asked atomic.Int32
	w.srv.on(func(int, bool) int { asked.Add(1); return 503 })
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.start()
	w.until("the server was asked", func() bool { return asked.Load() > 0 })
	w.until("the agent holds the file", func() bool { return links(w.path("worker-a.out")) > 1 })
	w.rotate("worker-a.out", 1)
	text, lines := numbered("second", 0, 10)
	w.write("worker-a.out", text)
	want = append(want, lines...)
	w.until("the agent holds the second file", func() bool { return links(w.path("worker-a.out")) > 1 })
	w.rotate("worker-a.out", 1) // the first is deleted
	w.crash()
	w.srv.on(nil)
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.contiguous("worker-a.out")
	w.noGaps()
}

// What the server knows by the same inode and birth time need not be this file.
func TestStateLostAndAForeignFileOfTheSameInode(t *testing.T) {
	const text = ":job_id:01000000\nmine 1\nmine 2\n"
	for _, tc := range []struct {
		name    string
		begins  string // what the server's generation began with
		own     bool   // it has the identity that this file gives
		wantGap string
	}{
		{"another beginning", "something else\n", false, ""},
		{"the same beginning, of another pod", ":job_id:01000000\n", false, ""},
		{"another beginning, its identity this one's", "something else\n", true, "state-lost 1000-1000"},
		{"cut since, its first line the same", ":job_id:01000000\n", true, "state-lost 1000-1000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.write("worker-a.out", text)
			st, err := tail.StatPath(w.path("worker-a.out"))
			if err != nil {
				t.Fatal(err)
			}
			id := loki.FileID{7}
			if tc.own {
				id = identity(w.conf.machine(), testSession, ray.ParsePath("worker-a.out"), st.Key)
			}
			w.srv.files[id] = &received{
				committed: 1000, gens: []loki.Generation{{Fingerprint: tail.Print(st.Key, tail.HeadOf([]byte(tc.begins)))}},
			}
			w.start()
			w.arrived(3)
			w.drain()
			w.want("worker-a.out", strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
			if got := strings.Join(w.srv.gaps(), ", "); got != tc.wantGap {
				t.Errorf("gaps are %q, want %q", got, tc.wantGap)
			}
		})
	}
}

// Where a stream is taken up again, by its acknowledged offset: three generations of
// 100 bytes, the last one being written.
func TestStandAtAnOffset(t *testing.T) {
	mark := tail.MarkOf([]byte("before"))
	for _, tc := range []struct {
		at     uint64
		cur    int
		offset int64
		marked bool
	}{
		{0, 0, 0, false},
		{50, 0, 50, true},
		{100, 1, 0, false}, // the bytes before it are of the generation before
		{101, 1, 1, true},
		{200, 2, 0, false},
		{260, 2, 60, true},
		{300, 2, 100, true},
	} {
		t.Run(fmt.Sprint(tc.at), func(t *testing.T) {
			f := &follower{}
			for i := range 3 {
				f.gens = append(f.gens, &generation{of: f, base: uint64(i) * 100, size: 100, begun: true, done: i < 2, fd: -1})
			}
			f.gens[0].size = 130 // it grew after the next one was begun
			(&agent{}).stand(f, parse.Position{Offset: tc.at}, mark)
			if f.cur != tc.cur || f.cursor.Offset != tc.offset || f.cursor.Seen != tc.offset || (f.mark == mark) != tc.marked || !tc.marked && f.mark.Len > 0 {
				t.Errorf("it stands in generation %d at %+v, marked by %+v", f.cur, f.cursor, f.mark)
			}
			if f.gens[f.cur].done {
				t.Error("the generation is taken to be read")
			}
		})
	}
}
