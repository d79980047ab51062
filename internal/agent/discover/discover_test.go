package discover

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const session = "session_2026-11-21_05-06-01_604983_1"

// following collects what a watcher tells until all names of want were told so.
func following(t *testing.T, w *Watcher, want map[string]What) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for len(want) > 0 {
		select {
		case n := <-w.News():
			for _, e := range n.Events {
				if want[e.Name.Rel]&e.What != 0 {
					delete(want, e.Name.Rel)
				}
			}
		case <-deadline:
			t.Fatalf("not told: %v", want)
		}
	}
}

func start(t *testing.T, l Layout, every time.Duration) *Watcher {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	w := New(l, every, nil, slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() {
		w.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return w
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestTellsOfEachChangeAtOnce(t *testing.T) {
	root := t.TempDir()
	logs := filepath.Join(root, session, "logs")
	put(t, filepath.Join(logs, "raylet.out"), "x")
	w := start(t, Ray{Root: root}, time.Hour) // inotify alone
	following(t, w, map[string]What{"raylet.out": Appeared})
	put(t, filepath.Join(logs, "raylet.out"), "more")
	following(t, w, map[string]What{"raylet.out": Written})
	put(t, filepath.Join(logs, "serve/deep/replica.log"), "x")
	put(t, filepath.Join(root, session, "metrics_agent_port_abc"), "1")
	following(t, w, map[string]What{"serve/deep/replica.log": Appeared, "metrics_agent_port_abc": Appeared})
	if err := os.Rename(filepath.Join(logs, "raylet.out"), filepath.Join(logs, "raylet.out.1")); err != nil {
		t.Fatal(err)
	}
	following(t, w, map[string]What{"raylet.out": Vanished, "raylet.out.1": Appeared})
	put(t, filepath.Join(root, "session_2027-01-01_00-00-00_000000_1", "logs", "new.log"), "x")
	following(t, w, map[string]What{"new.log": Appeared})
	if err := os.RemoveAll(filepath.Join(logs, "serve")); err != nil {
		t.Fatal(err)
	}
	following(t, w, map[string]What{"serve/deep/replica.log": Vanished})
}

func TestFirstBytesOfAFileAreToldOfAtOnce(t *testing.T) {
	w := New(Ray{Root: t.TempDir()}, time.Hour, nil, slog.New(slog.DiscardHandler))
	n := &Name{}
	told := func(what What) (held bool) {
		w.tell(n, what)
		held = w.hold() > 0
		if !w.deliver() {
			t.Fatal("not delivered")
		}
		<-w.News()
		return held
	}
	for _, what := range []What{Appeared, Written} {
		if told(what) {
			t.Errorf("what %d waits for more", what)
		}
	}
	if !told(Written) {
		t.Error("a file that has only grown does not wait for others")
	}
}

func TestScansFindWhatInotifyDoesNot(t *testing.T) {
	root := t.TempDir()
	w := New(Ray{Root: root}, 20*time.Millisecond, nil, slog.New(slog.DiscardHandler))
	put(t, filepath.Join(root, session, "logs/a.log"), "x")
	w.scanAll()
	w.deliver()
	following(t, w, map[string]What{"a.log": Appeared})
	if err := os.RemoveAll(filepath.Join(root, session)); err != nil {
		t.Fatal(err)
	}
	w.scanAll()
	w.deliver()
	following(t, w, map[string]What{"a.log": Vanished})
}

func TestDoesNotFollowLinks(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, session, "logs/a.log"), "x")
	for link, to := range map[string]string{"session_latest": session, session + "/logs/loop": session + "/logs"} {
		if err := os.Symlink(filepath.Join(root, to), filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	w := New(Ray{Root: root}, time.Second, nil, slog.New(slog.DiscardHandler))
	w.scanAll()
	if n := len(w.news.Events); n != 1 {
		t.Errorf("%d names, want 1", n)
	}
}

// Without descriptors nothing can be listed: files are not taken to be gone for that.
func TestWhatCannotBeListedIsNotGone(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, session, "logs", "old", "raylet.out"), "x\n")
	w := New(Ray{Root: root}, time.Hour, nil, slog.New(slog.DiscardHandler))
	w.scanAll()
	w.deliver()
	if n := <-w.News(); len(n.Events) != 1 || n.Events[0].What != Appeared {
		t.Fatalf("told %+v", n.Events)
	}
	for _, which := range []string{root, filepath.Join(root, session, "logs"), filepath.Join(root, session, "logs", "old")} {
		w.openDir = func(path string, through bool) (*os.File, error) {
			if path == which {
				return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EMFILE}
			}
			return openDir(path, through)
		}
		w.scanAll()
		w.deliver()
		if n := <-w.News(); len(n.Events) != 0 {
			t.Errorf("when %s cannot be listed: told %+v", which, n.Events[0])
		}
	}
	w.openDir = openDir
	if err := os.RemoveAll(filepath.Join(root, session, "logs", "old")); err != nil {
		t.Fatal(err)
	}
	w.scanAll()
	w.deliver()
	if n := <-w.News(); len(n.Events) != 1 || n.Events[0].What != Vanished {
		t.Errorf("told %+v when it was gone", n.Events)
	}
}
