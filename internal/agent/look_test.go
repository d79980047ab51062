package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/agent/discover"
)

// With one descriptor left the older of two new files is taken: the newer one, taken
// first, would have to be read before it.
func TestOutOfDescriptorsTheOlderFileIsTakenFirst(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.write("worker-a.out", "old\n")
	w.rotate("worker-a.out", 2)
	w.write("worker-a.out", "new\n")
	a := w.open()
	defer a.close()
	f := a.followerOf(a.conf.Source.Name(w.path("worker-a.out")))
	for _, name := range []string{"worker-a.out", "worker-a.out.1"} {
		f.names = append(f.names, a.conf.Source.Name(w.path(name)))
	}
	give := takeDescriptors(t)
	give(1)
	a.look(f)
	give(-1)
	if len(f.gens) != 1 || f.gens[0].rotation != 1 {
		t.Fatalf("%d files are known, want the older one alone", len(f.gens))
	}
	a.look(f)
	if len(f.gens) != 2 || f.gens[1].rotation != 0 {
		t.Errorf("%d files are known, want the newer one behind it", len(f.gens))
	}
}

// takeDescriptors opens files until there is no descriptor left; give closes so many of
// them, or all.
func takeDescriptors(t *testing.T) (give func(n int)) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(old.Cur, 512), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	give = func(n int) {
		for ; n != 0 && len(taken) > 0; n-- {
			taken[0].Close()
			taken = taken[1:]
		}
	}
	t.Cleanup(func() {
		give(-1)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
	return give
}

// What an earlier run has sent of a copy is not missing when the copy is gone.
func TestACopyThatIsCopiedOverAfterItWasSent(t *testing.T) {
	for emit, want := range map[uint64]struct {
		size int64
		gap  string
	}{0: {40, "copied-over"}, 70: {70, "copied-over"}, 100: {100, ""}, 500: {100, ""}} {
		w := newWorld(t)
		w.mkdir()
		w.write("worker-a.out", "a\n")
		a := w.open()
		defer a.close()
		f := a.followerOf(a.conf.Source.Name(w.path("worker-a.out")))
		g := &generation{of: f, fd: -1, begun: true, copied: 100}
		f.gens, f.emit = []*generation{g}, emit
		f.cursor.Offset = 40
		a.copiedOver(f, g)
		if g.size != want.size || f.gap != want.gap {
			t.Errorf("sent %d: taken to have %d bytes, gap %q; want %d, %q", emit, g.size, f.gap, want.size, want.gap)
		}
	}
}

// Several files are renamed at once and word of the names has come in part: those that
// are not told of yet are found, so that a newer one is not begun before them.
func TestNamesOfWhichWordIsOnItsWay(t *testing.T) {
	for _, told := range [][]string{{"worker-a.out"}, {"worker-a.out", "worker-a.out.2"}} {
		t.Run(strings.Join(told, " "), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			a := w.open()
			defer a.close()
			name := func(s string) *discover.Name { return a.conf.Source.Name(w.path(s)) }
			w.write("worker-a.out", "oldest\n")
			f := a.followerOf(name("worker-a.out"))
			f.names = append(f.names, name("worker-a.out"))
			a.look(f)
			w.rotate("worker-a.out", 3)
			w.write("worker-a.out", "next\n")
			w.rotate("worker-a.out", 3)
			w.write("worker-a.out", "last\n")
			f.names = nil
			for _, n := range told {
				f.names = append(f.names, name(n))
			}
			a.look(f)
			var got []string
			for _, g := range f.gens {
				got = append(got, filepath.Base(g.path))
			}
			if want := []string{"worker-a.out.2", "worker-a.out.1", "worker-a.out"}; !slices.Equal(got, want) {
				t.Errorf("the files of the stream are %q, want %q", got, want)
			}
		})
	}
}
