package agent

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// An answer about the files that were known when it was asked for decides nothing
// where older ones have turned up since: the server may know the stream by those.
func TestOlderFilesTurnUpBeforeTheAnswer(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("raylet.out.1", "older\n")
	w.write("raylet.out", "newer\n")
	a := w.open()
	defer a.close()
	f := a.newFollower(testSession, ray.ParsePath("raylet.out"))
	hold := func(name string, rotation int) *generation {
		g, _, err := a.hold(f, w.path(name), rotation)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	older, newer := hold("raylet.out.1", 1), hold("raylet.out", 0)
	f.gens = []*generation{newer}
	a.name(f)
	a.toAsk = nil
	question := answers{
		asked: []*follower{f}, count: []int{1}, first: []*generation{newer}, wire: parse.Remora,
		found: loki.OffsetsResponse{Files: []loki.FileOffsets{{File: f.id}}},
	}
	f.gens = []*generation{older, newer}
	a.answered(question)
	if f.asked || !slices.Contains(a.toAsk, f) {
		t.Error("it is not asked about again")
	}
	if want := identity(a.machine, testSession, f.file, older.key); f.id != want {
		t.Errorf("its identity is %s, want that of its oldest file, %s", f.id, want)
	}
}

func TestAnUnreadableFileIsTriedAgainAfterAWhile(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("raylet.out", "x\n")
	a := w.open()
	defer a.close()
	f := a.newFollower(testSession, ray.ParsePath("raylet.out"))
	g, _, err := a.hold(f, w.path("raylet.out"), 0)
	if err != nil {
		t.Fatal(err)
	}
	f.gens, f.named, f.asked = []*generation{g}, true, true
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		before := wall.Mono()
		a.failed(g, os.ErrPermission)
		if wait := time.Duration(g.notBefore - before); wait < want*time.Second || wait > want*time.Second+time.Minute/2 {
			t.Errorf("after failure %d it is tried again in %v, want %ds", i+1, wait, want)
		}
		if a.step(f, time.Now()); f.running {
			t.Fatalf("after failure %d it is read again at once", i+1)
		}
	}
	g.notBefore = wall.Mono()
	if a.step(f, time.Now()); !f.running {
		t.Error("it is not tried again")
	}
}

func TestNamesOfLinks(t *testing.T) {
	k := tail.Key{Ino: 77, Birth: 1795238691123456789}
	for _, stream := range []string{"raylet.out", "old/worker-1~2.out", "serve/a b%2F.log", "events/event_ü.log"} {
		name := linkName(testSession, stream, k)
		session, got, key, ok := parseLinkName(name)
		if strings.Contains(name, "/") || !ok || session != testSession || got != stream || key != k {
			t.Errorf("%q: %q gives %q %q %v %v", stream, name, session, got, key, ok)
		}
	}
	if name := linkName(testSession, strings.Repeat("x", 250), k); len(name) > maxLinkName {
		t.Errorf("a name of %d bytes", len(name))
	}
	for _, name := range []string{"", "1-2", "x-y~s~f", "1-2~s~../f", "1-2~..~f", "1-2~%zz~f", "1-2~a~b~c"} {
		if _, _, _, ok := parseLinkName(name); ok {
			t.Errorf("%q is taken for a name of ours", name)
		}
	}
}

// A file that was emptied between two looks at it is none yet.
func TestAFileEmptiedWhileItIsLookedAt(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("raylet.out", "")
	a := w.open()
	defer a.close()
	f := a.newFollower(testSession, ray.ParsePath("raylet.out"))
	g, _, err := a.hold(f, w.path("raylet.out"), 0)
	if err != nil {
		t.Fatal(err)
	}
	a.place(f, []tail.Sighting{{Path: w.path("raylet.out"), Stat: tail.Stat{Key: g.key}}}, []*generation{g}, nil)
	if len(f.gens) != 0 || f.named || g.fd >= 0 {
		t.Errorf("it is followed: %d files, named %v, descriptor %d", len(f.gens), f.named, g.fd)
	}
}

// A file that the agent held before it was killed is deleted as it starts: after it was
// met, before all was looked at.
func TestAFileDeletedDuringTheFirstScanIsReadOn(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	text, want := numbered("first", 0, 10)
	w.write("worker-a.out", text)
	w.arrived(len(want))
	w.crash()
	text, lines := numbered("unread", 0, 10)
	w.write("worker-a.out", text)
	a := w.open()
	n := a.conf.Source.Name(w.path("worker-a.out"))
	f := a.followerOf(n)
	f.names = append(f.names, n)
	a.look(f)
	if err := os.Remove(w.path("worker-a.out")); err != nil {
		t.Fatal(err)
	}
	a.look(f)
	a.firstScan()
	a.close()
	w.start()
	w.arrived(len(want) + len(lines))
	w.drain()
	w.want("worker-a.out", append(want, lines...))
}

// A file that is sent is renamed as the agent starts, between two looks at the names of its
// chain: it is no new one.
func TestAFileRenamedDuringTheFirstScanIsKnown(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	var want []string
	add := func(tag string) {
		text, lines := numbered(tag, 0, 10)
		w.write("worker-a.out", text)
		want = append(want, lines...)
	}
	add("oldest")
	w.arrived(len(want))
	w.rotate("worker-a.out", 3)
	add("next")
	w.arrived(len(want))
	w.crash()
	w.conf.ScanEvery = time.Millisecond // what is gone is forgotten at once
	a := w.open()
	n := a.conf.Source.Name(w.path("worker-a.out"))
	f := a.followerOf(n)
	f.names = append(f.names, n, a.conf.Source.Name(w.path("worker-a.out.1")))
	w.rotate("worker-a.out", 3)
	a.look(f)
	a.firstScan()
	w.rotate("worker-a.out", 3)
	f.names = append(f.names, a.conf.Source.Name(w.path("worker-a.out.3")))
	a.look(f)
	w.run(a)
	add("last")
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.noGaps()
}
