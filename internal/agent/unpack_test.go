package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// gz writes a compressed file that is old enough to be whole.
func (w *world) gz(name, text string) {
	w.t.Helper()
	w.put(name, packed(w.t, text))
}

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (w *world) put(name string, b []byte) {
	w.t.Helper()
	before := time.Now().Add(-time.Minute)
	err := errors.Join(os.WriteFile(w.path(name)+".tmp", b, 0o600), os.Chtimes(w.path(name)+".tmp", before, before))
	if err == nil {
		err = os.Rename(w.path(name)+".tmp", w.path(name))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// compress does what a rotator does to an old file.
func (w *world) compress(name string) {
	w.t.Helper()
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	w.gz(name+".gz", string(text))
	w.remove(name)
}

func TestCompressedFilesThatWereThereFirstAreReadOnce(t *testing.T) {
	w := newWorld(t)
	w.files("*.log*")
	var want []string
	for n := 4; n > 0; n-- {
		text, lines := numbered(fmt.Sprint("generation ", n), 0, 20000) // several reads each
		w.gz(fmt.Sprintf("app.log.%d.gz", n), text)
		want = append(want, lines...)
	}
	w.write("app.log", "now\n")
	w.gz("other.log.gz", "of the other\nhalf a line")
	want = append(want, "now")
	w.start()
	w.arrived(len(want) + 2)
	for n := 4; n > 0; n-- { // they are the same by another name
		w.rename(fmt.Sprintf("app.log.%d.gz", n), fmt.Sprintf("app.log.%d.gz", n+1))
	}
	w.rename("app.log", "app.log.1")
	w.write("app.log", "next\n")
	w.arrived(len(want) + 3)
	w.drain()
	w.start()
	w.write("app.log", "last\n")
	w.arrived(len(want) + 4)
	w.drain()
	w.wantFile("app.log", append(want, "next", "last"))
	w.wantFile("other.log", []string{"of the other", "half a line"})
}

func TestAFileThatIsCompressedIsNotSentTwice(t *testing.T) {
	for name, c := range map[string]struct{ down, away bool }{
		"while the agent runs": {}, "while it is down": {down: true}, "while the server is away": {away: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.files("*.log*")
			one, want := numbered("a", 0, 5000)
			w.write("app.log", one)
			w.start()
			w.arrived(5000)
			if c.away {
				w.srv.on(func(int, bool) int { return 503 })
			}
			two, more := numbered("b", 0, 5000)
			w.write("app.log", two)
			if c.down {
				w.crash()
			}
			for n := 3; n > 0; n-- {
				w.rotateGz("app.log", n)
			}
			three, last := numbered("c", 0, 10)
			w.write("app.log", three)
			if c.down {
				w.start()
			}
			w.srv.on(nil)
			w.arrived(10010)
			for range 3 { // it goes on being known under each name that it gets
				w.rotateGz("app.log", 3)
				w.write("app.log", "x\n")
				last = append(last, "x")
				w.arrived(10000 + len(last))
			}
			w.drain()
			w.start()
			w.drain()
			w.wantFile("app.log", slices.Concat(want, more, last))
			w.noGaps()
			if n := w.srv.count(); n != 10000+len(last) {
				t.Errorf("%d lines arrived, want %d", n, 10000+len(last))
			}
		})
	}
}

// rotateGz rotates as logrotate does: older ones one further, the file compressed at
// once.
func (w *world) rotateGz(name string, keep int) {
	w.t.Helper()
	if i, err := os.Stat(w.path(name)); err != nil || i.Size() == 0 {
		return
	}
	for n := 9; n > 0; n-- {
		_ = os.Rename(w.path(fmt.Sprintf("%s.%d.gz", name, n)), w.path(fmt.Sprintf("%s.%d.gz", name, n+1)))
	}
	w.rename(name, name+".1")
	w.write(name, "")
	w.compress(name + ".1")
}

func TestACompressedFileIsReadOnAfterAKill(t *testing.T) {
	w := newWorld(t)
	w.files("*.log*")
	text, want := numbered("a line that is long enough for several batches of them, number", 0, 60000)
	w.gz("app.log.1.gz", text)
	for w.srv.count() < len(want) {
		before := w.srv.count()
		w.start()
		w.arrived(min(len(want), before+15000))
		w.crash()
	}
	w.start()
	w.drain()
	w.wantFile("app.log", want)
}

func TestADamagedCompressedFileIsReadAsFarAsItGoes(t *testing.T) {
	w := newWorld(t)
	w.files("*.log*")
	text, want := numbered("line", 0, 60000)
	b := packed(t, text)
	w.put("app.log.1.gz", b[:len(b)/2])
	w.put("none.log.1.gz", []byte("this is not gzip at all, whatever its name says\n"))
	w.write("app.log", "now\n")
	w.write("none.log", "now\n")
	w.start()
	w.until("what is behind it", func() bool {
		l := w.srv.lines("", w.path("app.log"))
		return len(l) > 0 && l[len(l)-1] == "now" && len(w.srv.lines("", w.path("none.log"))) > 0
	})
	w.drain()
	got := w.srv.lines("", w.path("app.log"))
	if n := len(got) - 2; n < 1000 || !slices.Equal(got[:n], want[:n]) || !strings.HasPrefix(want[n], got[n]) {
		t.Errorf("%d lines arrived before the damage", n)
	}
	w.wantFile("none.log", []string{"now"})
	if n := testutil.ToFloat64(w.a.met.drops.WithLabelValues("damaged")); n != 2 {
		t.Errorf("%v counted as damaged, want 2", n)
	}
	if !slices.ContainsFunc(w.srv.gaps(), func(s string) bool { return strings.HasPrefix(s, "damaged ") }) {
		t.Errorf("gaps told: %q", w.srv.gaps())
	}
}

func TestManyCompressedFilesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.files("**/*.log*")
	for i := range 60 {
		w.gz(fmt.Sprintf("%d.log.1.gz", i), strings.Repeat("old\n", 3))
		w.write(fmt.Sprintf("%d.log", i), "new\n")
	}
	w.conf.Once = true
	if err := Run(context.Background(), w.conf); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		w.wantFile(fmt.Sprintf("%d.log", i), []string{"old", "old", "old", "new"})
	}
}

func TestPodLogsAreCompressedByTheKubelet(t *testing.T) {
	w := newWorld(t)
	const dir = "ray_head-x7_0b1c9d4e-1111-2222-3333-444455556666/ray-head/"
	w.pods(dir)
	w.gz(dir+"0.log.20261120-050601.gz", "1\n")
	w.write(dir+"0.log.20261121-050601", "2\n")
	w.write(dir+"0.log", "3\n")
	w.start()
	w.arrived(3)
	w.compress(dir + "0.log.20261121-050601")
	w.rename(dir+"0.log", dir+"0.log.20261122-050601")
	w.write(dir+"0.log", "4\n")
	w.arrived(4)
	w.drain()
	w.compress(dir + "0.log.20261122-050601")
	w.write(dir+"0.log", "5\n")
	w.start()
	w.arrived(5)
	w.drain()
	w.wantIn("", dir+"0.log", []string{"1", "2", "3", "4", "5"})
	if left, err := filepath.Glob(w.path(".*")); err != nil || len(left) > 0 {
		t.Errorf("the agent wrote among the kubelet's files: %q", left)
	}
}
