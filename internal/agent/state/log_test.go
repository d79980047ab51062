package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/tail"
	"github.com/remora-ray/remora/internal/loki"
)

func stream(n byte) *Stream {
	return &Stream{
		ID: loki.FileID{n}, Session: "session_x", Name: fmt.Sprintf("worker-%d.out", n), Asked: true, Rotation: 3,
		Position: parse.Position{Offset: 1000 + uint64(n), Seen: 17, Last: 18, Anchored: true, Unsure: n%2 == 0, Split: 2, Parser: []byte{1, 2, n}},
		Mark:     tail.Mark{Len: 64, Sum: 99}, At: 12345, Gap: "truncated", GapAt: 2000,
		Generations: []Generation{
			{Key: tail.Key{Dev: 1, Ino: 2, Birth: 3}, Head: tail.Head{Len: 5, Sum: 6}, Print: []byte("p"), Size: 7, Rotation: 1, Begun: true, Done: true},
			{Key: tail.Key{Dev: 1, Ino: 9, Birth: -3}, Print: []byte("q"), Base: 7, Size: 70, Begun: true, Gap: "late", Cut: true},
		},
	}
}

func reopen(t *testing.T, dir string) (*Log, Contents) {
	t.Helper()
	l, c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l, c
}

func TestWhatWasSavedIsReadBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	l, c := reopen(t, dir)
	if !c.Fresh {
		t.Error("a new directory is not fresh")
	}
	one, two := stream(1), stream(2)
	check(t, l.Save(one, two))
	check(t, l.Anchor(Anchored{one.ID, []parse.Anchor{{Offset: 1, Time: 2}, {Offset: 5000, Time: 6}}}))
	more := Generation{Key: tail.Key{Dev: 1, Ino: 10, Birth: 4}, Print: []byte("r"), Size: 71}
	check(t, l.Add(one.ID, more))
	check(t, l.Forget(two.ID))
	check(t, l.Add(two.ID, more))
	id := l.ID()
	check(t, l.Close())
	l, c = reopen(t, dir)
	one.Anchors = []parse.Anchor{{Offset: 5000, Time: 6}} // the other lies before the position
	one.Generations = append(one.Generations, more)
	if d := cmp.Diff([]*Stream{one}, c.Streams); d != "" || c.Fresh || c.Torn != 0 {
		t.Errorf("fresh %v, torn %d (-want +got):\n%s", c.Fresh, c.Torn, d)
	}
	check(t, l.Close())
	l, c = reopen(t, dir) // it was written anew meanwhile
	if d := cmp.Diff([]*Stream{one}, c.Streams); d != "" {
		t.Errorf("after a compaction (-want +got):\n%s", d)
	}
	if l.ID() != id {
		t.Error("the directory has another name now")
	}
	check(t, l.Close())
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Wherever a crash tears the file, every record before the tear is there.
func TestTornAnywhere(t *testing.T) {
	dir := t.TempDir()
	l, _ := reopen(t, dir)
	check(t, l.Save(stream(1)))
	first := l.size
	check(t, l.Save(stream(2)))
	check(t, l.Close())
	path := filepath.Join(dir, fileName)
	whole, err := os.ReadFile(path)
	check(t, err)
	for cut := len(magic) + idLen; cut < len(whole); cut += 3 {
		check(t, os.WriteFile(path, whole[:cut], 0o600))
		l, c := reopen(t, dir)
		want := 0
		if int64(cut) >= first {
			want = 1
		}
		if len(c.Streams) != want {
			t.Fatalf("cut at %d: %d streams, want %d", cut, len(c.Streams), want)
		}
		check(t, l.Save(stream(3)))
		check(t, l.Close())
		l, c = reopen(t, dir)
		if len(c.Streams) != want+1 || c.Torn != 0 {
			t.Fatalf("cut at %d: what was written behind the tear is lost", cut)
		}
		check(t, l.Close())
	}
}

func TestCompactionKeepsWhatIsAlive(t *testing.T) {
	dir := t.TempDir()
	l, _ := reopen(t, dir)
	s := stream(1)
	for n := range 40000 {
		s.Position.Offset = uint64(n)
		check(t, l.Save(s))
	}
	if l.size > compactAt+1<<16 {
		t.Errorf("the log has %d bytes", l.size)
	}
	check(t, l.Close())
	l, c := reopen(t, dir)
	if len(c.Streams) != 1 || c.Streams[0].Position.Offset != 39999 {
		t.Errorf("read back %+v", c.Streams)
	}
	check(t, l.Close())
}

func TestAFailedWriteIsMadeGood(t *testing.T) {
	dir := t.TempDir()
	l, _ := reopen(t, dir)
	check(t, l.Save(stream(1)))
	l.file.Close() // as a disk that fails
	if err := l.Save(stream(2)); err == nil {
		t.Fatal("a write into a closed file succeeds")
	}
	check(t, l.Save(stream(3)))
	check(t, l.Close())
	l, c := reopen(t, dir)
	if len(c.Streams) != 3 {
		t.Errorf("%d streams, want all 3", len(c.Streams))
	}
	check(t, l.Close())
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	other := t.TempDir()
	check(t, os.WriteFile(filepath.Join(other, fileName), []byte("remora-agent positions 9\n........"), 0o600))
	used := t.TempDir()
	l, _ := reopen(t, used)
	defer l.Close()
	for dir, want := range map[string]string{
		file: "name a writable one with --state", other: "is not the state of this version", used: "in use by another agent",
	} {
		if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one that says %q", err, want)
		}
	}
}

func FuzzReplay(f *testing.F) {
	l := &Log{live: map[loki.FileID]*kept{}}
	seed := appendStream(nil, stream(1))
	f.Add(finish(append(begin(nil), seed...), 0))
	f.Add(finish(append(begin(nil), appendAnchor(nil, loki.FileID{1}, parse.Anchor{Offset: 1, Time: 2})...), 0))
	f.Add(finish(append(begin(nil), appendForget(nil, loki.FileID{1})...), 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		l.live = map[loki.FileID]*kept{}
		streams, torn := l.replay(data)
		if torn < 0 || torn > int64(len(data)) || len(streams) > len(data) {
			t.Errorf("%d streams, %d of %d bytes torn", len(streams), torn, len(data))
		}
		// The checksum hides most records from the fuzzer: read the payload too.
		if len(data) > 0 {
			l.apply(data, map[loki.FileID]*Stream{})
		}
	})
}

// A file that a power cut or a disk has made nonsense of must not keep an agent from
// starting.
func TestADamagedStateIsPutAside(t *testing.T) {
	for _, text := range []string{"", "remora-agent pos", magic, magic + "1234", strings.Repeat("\x00", 4096), "nonsense\n"} {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		check(t, os.WriteFile(path, []byte(text), 0o600))
		l, c := reopen(t, dir)
		if !c.Fresh || c.Torn == 0 || len(c.Streams) > 0 {
			t.Errorf("%.20q: %+v", text, c)
		}
		check(t, l.Save(stream(1)))
		check(t, l.Close())
		l, c = reopen(t, dir)
		if len(c.Streams) != 1 || c.Torn != 0 {
			t.Errorf("%.20q: afterwards %+v", text, c)
		}
		check(t, l.Close())
		_, err := os.Stat(path + ".damaged")
		if kept := err == nil; kept != (strings.Trim(text, "\x00") != "") {
			t.Errorf("%.20q: kept aside: %v", text, kept)
		}
	}
}

// The agent starts on a full disk with what it had recorded, and records again once
// there is room.
func TestOpenOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	l, _ := reopen(t, dir)
	one, two := stream(1), stream(2)
	check(t, l.Save(one))
	check(t, l.Close())
	full := filepath.Join(dir, fileName+".new")
	check(t, os.Symlink("/dev/full", full))
	l, c := reopen(t, dir)
	if d := cmp.Diff([]*Stream{one}, c.Streams); d != "" || !errors.Is(c.Full, unix.ENOSPC) {
		t.Errorf("told %v (-want +got):\n%s", c.Full, d)
	}
	if err := l.Save(two); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("saved on a full disk: %v", err)
	}
	check(t, os.Remove(full))
	check(t, l.Sync())
	check(t, l.Close())
	_, c = reopen(t, dir)
	if d := cmp.Diff([]*Stream{one, two}, c.Streams); d != "" || c.Full != nil {
		t.Errorf("told %v (-want +got):\n%s", c.Full, d)
	}
}
