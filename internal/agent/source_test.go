package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"

	"github.com/remora-ray/remora/internal/agent/discover"
)

// files makes the world one of files named by globs below its directory.
func (w *world) files(include ...string) {
	w.t.Helper()
	w.logs = filepath.Join(w.t.TempDir(), "app")
	for i, p := range include {
		include[i] = filepath.Join(w.logs, p)
	}
	l, err := discover.NewFiles(include, []string{"*.tmp"}, "", false)
	if err != nil {
		w.t.Fatal(err)
	}
	w.conf.Source, w.conf.Node.Type = l, ""
	w.mkdir()
}

// pods makes the world one of the kubelet's files, of pods of the namespace ray.
func (w *world) pods(dirs ...string) {
	w.t.Helper()
	w.logs = filepath.Join(w.t.TempDir(), "pods")
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(w.logs, d), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	l, err := discover.NewPods(w.logs, []string{"ray_*"}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.conf.Source, w.conf.Node.Type = l, ""
}

// wantFile is want for a file that is named by its whole path.
func (w *world) wantFile(name string, lines []string) {
	w.t.Helper()
	w.wantIn("", filepath.Join(w.logs, name), lines)
}

func TestFilesByGlob(t *testing.T) {
	w := newWorld(t)
	w.files("**/*.log*")
	w.write("app.log", "one\n")
	w.write("old/deep.log", "[2026-11-21 05:06:33,161 W 21 21] deep\n")
	w.write("app.log.tmp", "not this\n")
	w.write("other.out", "nor this\n")
	w.start()
	w.arrived(2)
	w.write("app.log", "two\n")
	w.write("new.log", "three\n")
	w.arrived(4)
	w.drain()
	w.write("app.log", "four\n")
	w.start()
	w.arrived(5)
	w.drain()
	w.wantFile("app.log", []string{"one", "two", "four"})
	w.wantFile("new.log", []string{"three"})
	w.noGaps()
	e := w.srv.rows("", w.path("old/deep.log"))
	const labels = `{RayCluster="test", component="other", job="ray/logs", service_name="ray-cluster"}`
	if len(e) != 1 || e[0].labels.String() != labels || e[0].meta.Get("detected_level") != "warn" || e[0].meta.Get("session") != "" {
		t.Errorf("labels are %v\nwant %s", e, labels)
	}
	if w.srv.count() != 5 {
		t.Errorf("%d lines arrived, want 5", w.srv.count())
	}
	if left := glob(t, filepath.Join(w.logs, ".*")); len(left) > 0 {
		t.Errorf("the agent wrote where files are only read: %q", left)
	}
}

func TestRotatedFilesOfAGlobAreOneStream(t *testing.T) {
	for _, to := range []string{"app.log.1", "app.log-20261121", "app.log.2026-11-21_05", "app-20261121.log", "app.log.bak"} {
		t.Run(to, func(t *testing.T) {
			w := newWorld(t)
			w.files("**/*.log*")
			one, want := numbered("a", 0, 50)
			w.write("app.log", one)
			w.start()
			w.arrived(50)
			two, more := numbered("b", 0, 50)
			w.write("app.log", two) // not read yet, perhaps
			w.rename("app.log", to)
			three, last := numbered("c", 0, 50)
			w.write("app.log", three)
			w.arrived(150)
			w.drain()
			w.start()
			w.write("app.log", "end\n")
			w.arrived(151)
			w.drain()
			w.wantFile("app.log", slices.Concat(want, more, last, []string{"end"}))
			w.noGaps()
			if n := w.srv.count(); n != 151 {
				t.Errorf("%d lines arrived, want 151", n)
			}
		})
	}
}

func TestRotatedFilesThatWereThereFirstAreReadOldestFirst(t *testing.T) {
	w := newWorld(t)
	w.files("*.log*")
	w.write("app.log", "4\n")
	w.write("app.log.1", "3\n")
	w.write("app.log-20261121", "2\n")
	w.write("app.log-20261120", "1\n")
	w.start()
	w.arrived(4)
	w.drain()
	w.wantFile("app.log", []string{"1", "2", "3", "4"})
}

func TestPodLogs(t *testing.T) {
	w := newWorld(t)
	const dir = "ray_head-x7_0b1c9d4e-1111-2222-3333-444455556666/ray-head"
	w.pods(dir, "kube-system_dns_1b1c9d4e-1111-2222-3333-444455556666/dns")
	w.write("kube-system_dns_1b1c9d4e-1111-2222-3333-444455556666/dns/0.log", "not this\n")
	w.write(dir+"/0.log.20261121-050601", "1\n")
	w.write(dir+"/0.log", "2\n")
	w.start()
	w.arrived(2)
	w.rename(dir+"/0.log", dir+"/0.log.20261121-060601")
	w.write(dir+"/0.log", "3\n")
	w.write(dir+"/1.log", "of the next start\n")
	w.arrived(4)
	w.drain()
	w.wantIn("", dir+"/0.log", []string{"1", "2", "3"})
	w.wantIn("", dir+"/1.log", []string{"of the next start"})
	e := w.srv.rows("", dir+"/1.log")[0]
	if e.labels.Get("namespace") != "ray" || e.labels.Get("component") != "container" || e.meta.Get("pod") != "head-x7" ||
		e.meta.Get("container") != "ray-head" || e.meta.Get("pod_uid") != "0b1c9d4e-1111-2222-3333-444455556666" {
		t.Errorf("labels %s, metadata %s", e.labels, e.meta)
	}
}

func TestStrangeNamesArriveEach(t *testing.T) {
	names := map[string]string{
		"new\nline.log": `new\x0aline.log`, `new\nline.log`: `new\\nline.log`, "bad\xff.log": `bad\xff.log`,
		"quote\"'{}.log": "quote\"'{}.log", "\x1b[31m.log": `\x1b[31m.log`,
	}
	for layout, prepare := range map[string]func(w *world) (session, dir string){
		"files": func(w *world) (string, string) { w.files("*.log*"); return "", w.logs + "/" },
		"ray":   func(w *world) (string, string) { w.mkdir(); return testSession, "" },
	} {
		t.Run(layout, func(t *testing.T) {
			w := newWorld(t)
			session, dir := prepare(w)
			for n := range names {
				w.write(n, "one\n")
			}
			w.start()
			w.arrived(len(names))
			for n := range names {
				w.rename(n, n+".1")
				w.write(n, "two\n")
			}
			w.arrived(2 * len(names))
			w.drain()
			w.start()
			w.drain()
			for _, known := range names {
				w.wantIn(session, dir+known, []string{"one", "two"})
			}
			w.noGaps()
		})
	}
}

func TestWhatIsNoFileIsNeverOpened(t *testing.T) {
	w := newWorld(t)
	w.files("*.log")
	if err := unix.Mkfifo(w.path("pipe.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, w.path("link.log")); err != nil {
		t.Fatal(err)
	}
	w.write("a.log", "x\n")
	w.start()
	w.arrived(1)
	w.drain()
	if w.srv.count() != 1 {
		t.Errorf("%d lines arrived, want 1", w.srv.count())
	}
	for _, reason := range []string{"symlink", "not-regular"} {
		if n := testutil.ToFloat64(w.a.met.drops.WithLabelValues(reason)); n != 1 {
			t.Errorf("%v counted as %s, want 1", n, reason)
		}
	}
}

func TestManyFilesOfOneGlob(t *testing.T) {
	w := newWorld(t)
	w.files("**/*.log")
	for i := range 500 {
		w.write(strings.Repeat("x", i%7)+"-"+string(rune('a'+i%26))+"-"+string(rune('a'+i/26))+".log", "line\n")
	}
	w.start()
	w.arrived(500)
	w.drain()
	if n := w.srv.count(); n != 500 {
		t.Errorf("%d lines arrived, want 500", n)
	}
}

func TestADirectoryThatBecomesALinkLeadsNowhere(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	secret := t.TempDir()
	if err := os.WriteFile(filepath.Join(secret, "a.log"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.write("old/a.log", "one\n")
	w.start()
	w.arrived(1)
	f := w.path("old")
	if err := os.Rename(f, f+"er"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, f); err != nil {
		t.Fatal(err)
	}
	w.write("older/a.log", "two\n")
	w.write("b.log", "x\n")
	w.arrived(3)
	if _, err := w.a.openNew(filepath.Join(f, "a.log")); err == nil {
		t.Error("a file outside of the root is opened")
	}
	w.drain()
	if n := w.srv.count(); n != 3 {
		t.Errorf("%d lines arrived, want 3", n)
	}
}
