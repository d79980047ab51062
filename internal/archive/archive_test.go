package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/remora-ray/remora/internal/ray"
)

const (
	session = "session_2026-11-21_05-06-01_604983_1"
	nodeA   = "fa54367a3916f370768f0af36394d0f345a27028ea71a94a534a30e1"
	nodeB   = "e729004ee0b122d178f99c66a2577dcee01b95992e4a1d5df455e27c"
	worker  = "worker-2c3c0297ec8821ebd51aade06c34d4a865fab46ce461983ac936228f-01000000-793.out"
)

// entry is a file of a test's archive; one that ends in "/" is a directory, one
// with a link is a symbolic link.
type entry struct{ name, text, link string }

var clock = time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC)

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.text)), ModTime: clock.Add(time.Duration(i) * time.Second), Typeflag: tar.TypeReg}
		switch {
		case e.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zst(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func gz(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// contents opens paths and lists node|session|stream: text.
func contents(t *testing.T, paths ...string) map[string]string {
	t.Helper()
	a, err := Open(paths, Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	got := make(map[string]string)
	for _, n := range a.Nodes() {
		for _, s := range n.Sessions {
			for _, st := range s.Streams {
				got[n.Name+"|"+s.Name+"|"+st.File.Stream] = text(t, st)
			}
		}
		for _, st := range n.Outside {
			got[n.Name+"||"+st.File.Stream] = text(t, st)
		}
	}
	return got
}

func text(t *testing.T, st *Stream) string {
	t.Helper()
	r, err := st.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != st.Size() {
		t.Errorf("%s: %d bytes read, %d told", st.File.Path, len(b), st.Size())
	}
	return string(b)
}

func logs(rel string) string { return "ray/" + session + "/logs/" + rel }

func TestEveryWayToGiveASession(t *testing.T) {
	files := []entry{
		{name: "ray/"},
		{name: "ray/session_latest", link: "/tmp/ray/" + session},
		{name: "ray/" + session + "/metrics_agent_port_" + nodeA, text: "1234"},
		{name: logs("raylet.out"), text: "c\n"},
		{name: logs("raylet.out.1"), text: "b\n"},
		{name: logs("raylet.out.2"), text: "a\n"},
		{name: logs("old/" + worker), text: "w\n"},
		{name: logs("debug_state.txt"), text: "dump"},
		{name: "ray/" + session + "/runtime_resources/pip/x.log", text: "no log of Ray's"},
	}
	dir := t.TempDir()
	raw := tarOf(t, files...)
	for _, e := range files {
		if e.link == "" && !strings.HasSuffix(e.name, "/") {
			write(t, filepath.Join(dir, "disk", e.name), []byte(e.text))
		}
	}
	if err := os.Symlink(filepath.Join(dir, "disk/ray", session), filepath.Join(dir, "disk/ray/session_latest")); err != nil {
		t.Fatal(err)
	}
	want := func(node string) map[string]string {
		return map[string]string{
			node + "|" + session + "|raylet.out": "a\nb\nc\n",
			node + "|" + session + "|" + worker:  "w\n",
		}
	}
	for _, c := range []struct{ name, path, node string }{
		{"tar", write(t, filepath.Join(dir, "session.tar"), raw), "head"},
		{"gzip", write(t, filepath.Join(dir, "session.pod-1.tar.gz"), gz(t, raw)), "pod-1"},
		{"zstd", write(t, filepath.Join(dir, "mine.tar.zst"), zst(t, raw)), "mine"},
		{"a wrong extension", write(t, filepath.Join(dir, "mine.tar"), zst(t, raw)), "mine"},
		{"temp directory", filepath.Join(dir, "disk/ray"), ""},
		{"session directory", filepath.Join(dir, "disk/ray", session), ""},
		{"session_latest", filepath.Join(dir, "disk/ray/session_latest"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(want(c.node), contents(t, c.path)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNodeIDsNewestFirst(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "session.tar"), tarOf(t,
		entry{name: "ray/" + session + "/metrics_agent_port_" + nodeA, text: "1"},
		entry{name: "ray/" + session + "/metrics_agent_port_" + nodeB, text: "1"},
		entry{name: "ray/" + session + "/gcs_server_port_" + nodeB, text: "1"},
	))
	a, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	n := a.Nodes()[0]
	if diff := cmp.Diff([]string{nodeB, nodeA}, n.Sessions[0].NodeIDs); diff != "" || !n.IsHead() {
		t.Errorf("head %v, ids (-want +got):\n%s", n.IsHead(), diff)
	}
}

func TestFolderOfArchivesAndOutputs(t *testing.T) {
	dir := t.TempDir()
	gcs := tarOf(t, entry{name: logs("gcs_server.out"), text: "g\n"})
	write(t, filepath.Join(dir, "session.tar.zst"), zst(t, gcs))
	write(t, filepath.Join(dir, "session.pod-1.tar.zst"), zst(t, tarOf(t, entry{name: logs("raylet.out"), text: "r\n"})))
	write(t, filepath.Join(dir, "state.tar.zst"), zst(t, gcs))
	write(t, filepath.Join(dir, "container.log"), []byte("c\n"))
	write(t, filepath.Join(dir, "container.pod-1.log"), []byte("c1\n"))
	write(t, filepath.Join(dir, "container.pod-2.log"), []byte("c2\n"))
	write(t, filepath.Join(dir, "driver1.log.zst"), zst(t, []byte("d\n")))
	write(t, filepath.Join(dir, "truth.json"), []byte("{}"))
	want := map[string]string{
		"head|" + session + "|gcs_server.out": "g\n",
		"pod-1|" + session + "|raylet.out":    "r\n",
		"head||container.log":                 "c\n",
		"head||driver1.log":                   "d\n",
		"pod-1||container.pod-1.log":          "c1\n",
		"pod-2||container.pod-2.log":          "c2\n",
	}
	if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestArchiveOfPods(t *testing.T) {
	at := func(pod, rel string) string { return "case/pods/" + pod + "/" + session + "/" + rel }
	path := write(t, filepath.Join(t.TempDir(), "pods.tar.zst"), zst(t, tarOf(t,
		entry{name: at("worker-a", "logs/raylet.out"), text: "a\n"},
		entry{name: at("head-x", "logs/gcs_server.out"), text: "g\n"},
		entry{name: at("worker-b", "logs/raylet.out"), text: "b\n"},
		entry{name: "case/worker-a.stdout.log", text: "oa\n"},
		entry{name: "case/submitter.log", text: "s\n"},
		entry{name: "case/objects/operator.log", text: "not ours\n"},
	)))
	want := map[string]string{
		"head-x|" + session + "|gcs_server.out": "g\n",
		"worker-a|" + session + "|raylet.out":   "a\n",
		"worker-b|" + session + "|raylet.out":   "b\n",
		"worker-a||worker-a.stdout.log":         "oa\n",
		"head-x||submitter.log":                 "s\n",
	}
	if diff := cmp.Diff(want, contents(t, path)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHostileNames(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "session.tar"), tarOf(t,
		entry{name: "../../" + session + "/logs/raylet.out", text: "no\n"},
		entry{name: session + "/logs/../../../etc/passwd", text: "no\n"},
		entry{name: session + "/logs/raylet.err", link: "/etc/passwd"},
		entry{name: strings.Repeat("d/", 3000) + session + "/logs/raylet.out", text: "no\n"},
		entry{name: "/" + session + "/logs/gcs_server.out", text: "absolute\n"},
		entry{name: "./" + session + "/logs/raylet.out", text: "yes\n"},
	))
	want := map[string]string{
		"head|" + session + "|gcs_server.out": "absolute\n",
		"head|" + session + "|raylet.out":     "yes\n",
	}
	if diff := cmp.Diff(want, contents(t, path)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLinksInADirectoryAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), []byte("secret\n"))
	write(t, filepath.Join(dir, "ray", session, "logs/raylet.out"), []byte("r\n"))
	if err := os.Symlink(secret, filepath.Join(dir, "ray", session, "logs/raylet.err")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"|" + session + "|raylet.out": "r\n"}
	if diff := cmp.Diff(want, contents(t, filepath.Join(dir, "ray"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	whole := tarOf(t,
		entry{name: logs("gcs_server.out"), text: strings.Repeat("g\n", 5000)},
		entry{name: logs("raylet.out"), text: strings.Repeat("r\n", 5000)},
	)
	packed := zst(t, tarOf(t, entry{name: logs("raylet.out"), text: strings.Repeat("0123456789abcdef\n", 100000)}))
	damaged := gz(t, whole)
	damaged[len(damaged)/2] ^= 0xff
	for _, c := range []struct {
		name, path string
		words      []string
	}{
		{"nothing there", filepath.Join(dir, "none"), []string{"none", "no such file"}},
		{"no session", t.TempDir(), []string{"no session_* directory", "/tmp/ray"}},
		{"no archive", write(t, filepath.Join(dir, "notes.tar"), []byte("hello")), []string{"notes.tar", "not a tar archive"}},
		{"an empty file", write(t, filepath.Join(dir, "empty.tar"), nil), []string{"empty.tar", "not a tar archive"}},
		{"cut in an entry", write(t, filepath.Join(dir, "cut.tar"), whole[:15000]), []string{"cut.tar", "cut short", "raylet.out"}},
		{"cut zstd", write(t, filepath.Join(dir, "cut.tar.zst"), packed[:len(packed)-9]), []string{"cut.tar.zst", "cut short", "raylet.out"}},
		{"damaged gzip", write(t, filepath.Join(dir, "bad.tar.gz"), damaged), []string{"bad.tar.gz"}},
		{"no header of gzip", write(t, filepath.Join(dir, "x.tar.gz"), []byte{0x1f, 0x8b, 0, 0}), []string{"x.tar.gz"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Open([]string{c.path}, Options{TempDir: t.TempDir()})
			if err == nil {
				t.Fatal(errors.Join(errors.New("it was opened"), a.Close()))
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	bomb := zst(t, tarOf(t, entry{name: logs("raylet.out"), text: strings.Repeat("0", 1<<20)}))
	path := write(t, filepath.Join(t.TempDir(), "session.tar.zst"), bomb)
	var limit *LimitError
	if _, err := Open([]string{path}, Options{MaxBytes: 1 << 16}); !errors.As(err, &limit) || limit.What != "bytes" {
		t.Errorf("a bomb of bytes: %v", err)
	}
	many := make([]entry, 100)
	for i := range many {
		many[i] = entry{name: logs("raylet.out"), text: "r\n"}
	}
	path = write(t, filepath.Join(t.TempDir(), "session.tar"), tarOf(t, many...))
	if _, err := Open([]string{path}, Options{MaxEntries: 50}); !errors.As(err, &limit) || limit.What != "entries" {
		t.Errorf("a bomb of entries: %v", err)
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", MaxLine+10)
	path := write(t, filepath.Join(t.TempDir(), "session.tar"), tarOf(t,
		entry{name: logs("raylet.out.1"), text: "a\n\nno end"},
		entry{name: logs("raylet.out"), text: "b\n" + long + "\nc\n"},
	))
	a, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	type line struct {
		Offset int64
		Size   int
		Text   string
	}
	var got []line
	err = a.Nodes()[0].Sessions[0].Streams[0].Lines(func(offset int64, b []byte) error {
		got = append(got, line{offset, len(b), string(b[:min(len(b), 6)])})
		return nil
	})
	want := []line{
		{0, 1, "a"},
		{2, 0, ""},
		{3, 6, "no end"},
		{9, 1, "b"},
		{11, MaxLine, "xxxxxx"},
		{11 + int64(len(long)) + 1, 1, "c"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestALaterCopyInAnArchiveCounts(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "session.tar"), tarOf(t,
		entry{name: logs("raylet.out"), text: "a\n"}, entry{name: logs("raylet.out"), text: "a\nb\n"},
	))
	if diff := cmp.Diff(map[string]string{"head|" + session + "|raylet.out": "a\nb\n"}, contents(t, path)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoRoomForTheSpool(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "session.tar.gz"), gz(t, tarOf(t, entry{name: logs("raylet.out"), text: "a\n"})))
	_, err := Open([]string{path}, Options{TempDir: filepath.Join(t.TempDir(), "none")})
	if err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("got %v", err)
	}
}

func TestStreamIsOfItsOldestGeneration(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "session.tar"), tarOf(t, entry{name: logs("raylet.out")}, entry{name: logs("raylet.out.3")}))
	a, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want := ray.ParsePath("raylet.out.3")
	if diff := cmp.Diff(want, a.Nodes()[0].Sessions[0].Streams[0].File); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzOpen takes any bytes as an archive: it is read or refused, and nothing panics.
func FuzzOpen(f *testing.F) {
	t := &testing.T{}
	whole := tarOf(t, entry{name: logs("raylet.out"), text: "r\n"}, entry{name: "../x", text: "y"})
	f.Add(whole)
	f.Add(gz(t, whole))
	f.Add(zst(t, whole))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := write(t, filepath.Join(dir, "session.tar"), data)
		a, err := Open([]string{path}, Options{TempDir: dir, MaxBytes: 1 << 20, MaxEntries: 1000})
		if err != nil {
			return
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
