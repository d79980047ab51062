package discover

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// logged is what a watcher logs.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logged) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.lines {
		n += strings.Count(s, text)
	}
	return n
}

// scanned scans several times and returns the names told of, and what is unread.
func scanned(t *testing.T, l Layout) (names []string, unread map[string]int) {
	t.Helper()
	unread = map[string]int{}
	w := New(l, time.Second, func(reason string) { unread[reason]++ }, slog.New(slog.DiscardHandler))
	for range 3 {
		w.scanAll()
	}
	for _, e := range w.news.Events {
		if e.Name.pending&Vanished == 0 {
			names = append(names, e.Name.Rel)
		}
	}
	return names, unread
}

func globs(t *testing.T, follow bool, include ...string) *Files {
	t.Helper()
	f, err := NewFiles(include, nil, "", follow)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func link(t *testing.T, to, from string) {
	t.Helper()
	if err := os.Symlink(to, from); err != nil {
		t.Fatal(err)
	}
}

func TestStrangeNamesAreDistinctAndValid(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"new\nline.log", `new\nline.log`, "bad\xff.log", `bad\xff.log`, "quote\".log", "é.log", " .log", "\x1b[31m.log"} {
		put(t, filepath.Join(root, name), "x")
	}
	l := globs(t, false, root+"/*.log")
	names, unread := scanned(t, l)
	if got := len(slices.Compact(slices.Sorted(slices.Values(names)))); got != 8 || len(unread) > 0 {
		t.Errorf("%d names, want 8: %q; unread %v", got, names, unread)
	}
	for _, n := range names {
		if _, err := os.Lstat(l.Path(&Name{Rel: n})); err != nil {
			t.Errorf("%s leads nowhere: %v", n, err)
		}
	}
}

func TestSymbolicLinksOutOfTheRootAreCountedOnce(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	put(t, filepath.Join(outside, "secret.log"), "x")
	put(t, filepath.Join(root, "a.log"), "x")
	link(t, filepath.Join(outside, "secret.log"), filepath.Join(root, "b.log"))
	link(t, outside, filepath.Join(root, "dir"))
	link(t, filepath.Join(root, "a.log"), filepath.Join(root, "c.log"))
	link(t, filepath.Join(root, "nowhere"), filepath.Join(root, "d.log"))
	names, unread := scanned(t, globs(t, false, root+"/**/*.log"))
	if len(names) != 1 || unread[reasonSymlink] != 2 || len(unread) != 1 {
		t.Errorf("names %q, unread %v", names, unread)
	}
	// The same below a Ray root.
	logs := filepath.Join(root, session, "logs")
	put(t, filepath.Join(logs, "raylet.out"), "x")
	link(t, outside, filepath.Join(logs, "dir"))
	link(t, filepath.Join(outside, "secret.log"), filepath.Join(logs, "b.log"))
	link(t, filepath.Join(root, session), filepath.Join(root, "session_latest"))
	link(t, root, filepath.Join(outside, "way"))
	for _, r := range []string{root, filepath.Join(outside, "way")} {
		names, unread = scanned(t, Ray{Root: r})
		if len(names) != 1 || unread[reasonSymlink] != 2 {
			t.Errorf("names %q, unread %v", names, unread)
		}
	}
}

func TestLinksAreFollowedWhereAskedForAndLoopsEnd(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	put(t, filepath.Join(outside, "one.log"), "x")
	put(t, filepath.Join(outside, "dir/two.log"), "x")
	link(t, filepath.Join(outside, "one.log"), filepath.Join(root, "b.log"))
	link(t, filepath.Join(outside, "dir"), filepath.Join(root, "dir"))
	link(t, root, filepath.Join(root, "loop"))
	link(t, root, filepath.Join(outside, "dir", "back"))
	names, unread := scanned(t, globs(t, true, root+"/**/*.log"))
	slices.Sort(names)
	want := []string{filepath.Join(outside, "one.log"), filepath.Join(root, "dir/two.log")}
	slices.Sort(want)
	if !slices.Equal(names, want) || unread[reasonLoop] != 2 {
		t.Errorf("names %q, want %q; unread %v", names, want, unread)
	}
}

func TestALinkThatIsTurnedLeadsToAnotherName(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	put(t, filepath.Join(outside, "one.log"), "x")
	put(t, filepath.Join(outside, "two.log"), "x")
	link(t, filepath.Join(outside, "one.log"), filepath.Join(root, "now.log"))
	w := start(t, globs(t, true, root+"/*.log"), 20*time.Millisecond)
	following(t, w, map[string]What{filepath.Join(outside, "one.log"): Appeared})
	link(t, filepath.Join(outside, "two.log"), filepath.Join(root, "next"))
	if err := os.Rename(filepath.Join(root, "next"), filepath.Join(root, "now.log")); err != nil {
		t.Fatal(err)
	}
	following(t, w, map[string]What{filepath.Join(outside, "one.log"): Vanished, filepath.Join(outside, "two.log"): Appeared})
}

func TestPipesAndSocketsAreNoFiles(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(root, "pipe.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(root, "sock.log")}); err != nil {
		t.Skip("no room for the name of a socket:", err)
	}
	names, unread := scanned(t, globs(t, false, root+"/*.log"))
	if len(names) != 0 || unread[reasonSpecial] != 2 {
		t.Errorf("names %q, unread %v", names, unread)
	}
}

func TestDirectoriesAreFollowedSoDeepAndNoDeeper(t *testing.T) {
	root := t.TempDir()
	deep := root
	for i := range maxDepth + 3 {
		deep = filepath.Join(deep, "d")
		put(t, filepath.Join(deep, fmt.Sprintf("%d.log", i+1)), "x")
	}
	names, unread := scanned(t, globs(t, false, root+"/**/*.log"))
	if len(names) != maxDepth || unread[reasonDeep] != 1 {
		t.Errorf("%d names, unread %v", len(names), unread)
	}
}

func TestARootMayComeLater(t *testing.T) {
	base := t.TempDir()
	w := start(t, globs(t, false, base+"/one/*.log", base+"/two/**/*.log"), 20*time.Millisecond)
	n := <-w.News()
	if !n.Scanned || n.Missing == nil {
		t.Errorf("no root is there, and it is told: %v", n.Missing)
	}
	put(t, filepath.Join(base, "two/x/a.log"), "x")
	following(t, w, map[string]What{filepath.Join(base, "two/x/a.log"): Appeared})
	for n = range w.News() {
		if n.Scanned {
			break
		}
	}
	if n.Missing != nil {
		t.Errorf("one of two roots is there, and it is told: %v", n.Missing)
	}
}

func TestWhereInotifyIsExhaustedScansDoAndItIsTriedAgain(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, session, "logs/a.log"), "x")
	var log logged
	w := New(Ray{Root: root}, time.Hour, nil, slog.New(slog.NewTextHandler(&log, nil)))
	w.open = func() (*notifier, error) { return nil, unix.EMFILE }
	w.start(t.Context())
	w.start(t.Context())
	if w.scanAll(); len(w.news.Events) != 1 || w.period() != pollEvery || log.count("max_user_instances") != 1 {
		t.Errorf("%d events, period %s, log %q", len(w.news.Events), w.period(), log.lines)
	}
	if w.again(t.Context()); w.notify != nil {
		t.Error("tried again at once")
	}
	full := true
	w.open = func() (*notifier, error) {
		n, err := newNotifier()
		if err != nil {
			return nil, err
		}
		n.add = func(fd int, path string, mask uint32) (int, error) {
			if full && strings.HasSuffix(path, "logs") {
				return -1, unix.ENOSPC
			}
			return unix.InotifyAddWatch(fd, path, mask)
		}
		return n, nil
	}
	w.retry = time.Now().Add(-time.Second)
	w.again(t.Context())
	defer w.end()
	for range 3 {
		w.scanAll()
	}
	if w.notify == nil || w.period() != pollEvery || log.count("max_user_watches") != 1 {
		t.Errorf("period %s, log %q", w.period(), log.lines)
	}
	full = false
	if w.scanAll(); w.period() != time.Hour || len(w.notify.dirs) != 3 {
		t.Errorf("period %s with %d watches after there is room again", w.period(), len(w.notify.dirs))
	}
}

func TestMoreEventsThanInotifyKeepsAreFoundByAScan(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Skip(err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || most > 50000 {
		t.Skip("the queue is too long to fill:", string(b))
	}
	root := t.TempDir()
	w := New(globs(t, false, root+"/*.log"), time.Hour, nil, slog.New(slog.DiscardHandler))
	w.start(t.Context())
	defer w.end()
	w.scanAll()
	one := filepath.Join(root, "one.log")
	put(t, one, "x")
	for i := range most { // each makes one event
		if err := errors.Join(os.Link(one, filepath.Join(root, "two.log")), os.Remove(filepath.Join(root, "two.log"))); err != nil {
			t.Fatal(i, err)
		}
	}
	put(t, filepath.Join(root, "last.log"), "x")
	lost := false
	for range most {
		if lost = w.wait(t.Context(), time.Now().Add(time.Second)); lost {
			break
		}
	}
	if !lost || w.dirs[root].names["last.log"] != nil {
		t.Fatalf("the queue is not seen to be full: lost %v", lost)
	}
	if w.scanAll(); w.dirs[root].names["last.log"] == nil {
		t.Error("the scan does not find what was lost")
	}
}

func TestADirectoryThatCannotBeReadIsToldOnce(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	root := t.TempDir()
	put(t, filepath.Join(root, "closed/a.log"), "x")
	if err := os.Chmod(filepath.Join(root, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	_, unread := scanned(t, globs(t, false, root+"/**/*.log"))
	if unread[reasonListing] != 1 {
		t.Errorf("unread %v", unread)
	}
}

func TestMoreFilesThanAreFollowedAreCounted(t *testing.T) {
	root := t.TempDir()
	for i := range 5 {
		put(t, filepath.Join(root, fmt.Sprintf("%d.log", i)), "x")
	}
	w := New(globs(t, false, root+"/*.log"), time.Second, nil, slog.New(slog.DiscardHandler))
	unread := map[string]int{}
	w.unread = func(reason string) { unread[reason]++ }
	w.names = maxNames - 3
	w.scanAll()
	if w.scanAll(); len(w.news.Events) != 3 || unread[reasonMany] != 2 {
		t.Errorf("%d names, unread %v", len(w.news.Events), unread)
	}
	if err := os.Remove(filepath.Join(root, "0.log")); err != nil {
		t.Fatal(err)
	}
	w.scanAll()
	if w.scanAll(); !slices.ContainsFunc(slices.Collect(maps.Keys(w.dirs[root].names)), func(s string) bool { return s > "2.log" }) {
		t.Error("there is room again, and nothing takes it")
	}
}

// crowd makes n files in one directory, as links to one.
func crowd(tb testing.TB, n int, ext string) string {
	tb.Helper()
	root := tb.TempDir()
	one := filepath.Join(root, "one"+ext)
	for i := range n {
		if i%20000 == 0 { // a file has no more than 65000 names
			one = filepath.Join(root, fmt.Sprintf("first-%06d%s", i, ext))
			if err := os.WriteFile(one, nil, 0o600); err != nil {
				tb.Fatal(err)
			}
			continue
		}
		if err := os.Link(one, filepath.Join(root, fmt.Sprintf("file-%06d%s", i, ext))); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				tb.Skip(err)
			}
			tb.Fatal(err)
		}
	}
	return root
}

// BenchmarkCrowd scans a directory of 100,000 files that are followed, or are not.
func BenchmarkCrowd(b *testing.B) {
	for _, ext := range []string{".log", ".dat"} {
		b.Run(ext[1:], func(b *testing.B) {
			f, err := NewFiles([]string{crowd(b, 100000, ext) + "/*.log"}, nil, "", false)
			if err != nil {
				b.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			w := New(f, time.Second, nil, slog.New(slog.DiscardHandler))
			w.scanAll()
			w.news = News{}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportAllocs()
			for b.Loop() {
				w.scanAll()
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc), "kept-B")
			runtime.KeepAlive(w)
		})
	}
}
