package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// logText is a log that may be read while it is written.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logText) await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(l.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log does not say %q:\n%s", text, l.String())
		}
	}
}

// killed leaves a store killed after a checkpoint, with one large part on each of
// two days, and the lines of each.
func killed(t *testing.T) (dir string, parts [2]string, lines [2][]string) {
	t.Helper()
	live := t.TempDir()
	e := openAt(t, live, nil)
	for day := range 2 {
		for i := range 3000 {
			lines[day] = append(lines[day], fmt.Sprintf("day %d line %d %x", day, i, sha256.Sum256(fmt.Append(nil, day, i))))
		}
		p := filePush(byte(day+1), 0, "", lines[day]...)
		for i := range p.Streams[0].Entries {
			p.Streams[0].Entries[i].Time += int64(day-1) * nanosPerDay
		}
		appendPush(t, e, p)
	}
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	dir = crashedCopy(t, live)
	found, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "partitions", "*", "datadb", "*", "message_values.bin"))
	if err != nil || len(found) != 2 {
		t.Fatalf("parts %v, error %v", found, err)
	}
	for i, f := range found {
		if st, err := os.Stat(f); err != nil || st.Size() <= smallFile {
			t.Fatalf("%s is too small for this test: %v %v", f, st, err)
		}
		parts[i] = filepath.Dir(f)
	}
	return dir, parts, lines
}

// openKilled opens such a store; reading while serving begins with a call of go on.
func openKilled(t *testing.T, dir string) (e *Engine, log *logText, goOn func()) {
	t.Helper()
	log = &logText{}
	gate := make(chan struct{})
	goOn = sync.OnceFunc(func() { close(gate) })
	e = openAt(t, dir, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		c.fault = func(step string) error {
			if step == "verify part" {
				<-gate
			}
			return nil
		}
	})
	t.Cleanup(goOn)
	return e, log, goOn
}

// What was there at the last checkpoint is served before it is read.
func TestWhatWasListedIsServedBeforeItIsRead(t *testing.T) {
	dir, _, lines := killed(t)
	e, log, goOn := openKilled(t, dir)
	log.await(t, "parts_read=0 parts_later=4") // with a stream index for each day
	wantLines(t, e, append(append([]string{}, lines[0]...), lines[1]...)...)
	goOn()
	log.await(t, "was read while serving")
	if n := testutil.ToFloat64(e.metrics.partsMoved); n != 0 {
		t.Errorf("%v parts counted as moved aside", n)
	}
}

// What is not listed is read first: a part of which the list was lost, and one
// whose list is torn.
func TestWhatIsNotListedIsReadBeforeItIsServed(t *testing.T) {
	dir, parts, lines := killed(t)
	lists, err := filepath.Glob(filepath.Join(dir, "inventory", "*", "*"))
	if err != nil || len(lists) != 2 {
		t.Fatalf("lists %v, error %v", lists, err)
	}
	truncate(t, lists[1])
	overwrite(t, filepath.Join(parts[1], "message_values.bin"))
	e, log, _ := openKilled(t, dir)
	log.await(t, "parts_read=1 parts_later=2")
	if !strings.Contains(log.String(), filepath.Join(dir, "damaged")) {
		t.Errorf("the damaged part was not named:\n%s", log.String())
	}
	wantLines(t, e, lines[0]...)
}

// A part that is found damaged while serving is named and set aside, the rest is
// served, and later lines of its day are kept.
func TestADamagedPartIsFoundWhileServing(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		dir  string // what is moved, below a day's directory
	}{
		"lines":        {"message_values.bin", "datadb"},
		"stream index": {"../../indexdb/*/items.bin", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir, parts, lines := killed(t)
			found, err := filepath.Glob(filepath.Join(parts[1], tc.file))
			if err != nil || len(found) == 0 {
				t.Fatalf("no file %s: %v", tc.file, err)
			}
			if tc.dir == "" {
				makeLarge(t, dir, found[0])
			} else {
				overwrite(t, found[0])
			}
			e, log, goOn := openKilled(t, dir)
			log.await(t, "parts_read=0")
			goOn()
			log.await(t, "was read while serving")
			day := filepath.Dir(filepath.Dir(parts[1]))
			if !strings.Contains(log.String(), "moved aside") || !strings.Contains(log.String(), filepath.Join(day, tc.dir)) {
				t.Errorf("the log does not name the part:\n%s", log.String())
			}
			if n := testutil.ToFloat64(e.metrics.partsMoved); n != 1 {
				t.Errorf("%v parts counted as moved aside", n)
			}
			wantLines(t, e, lines[0]...)
			later := filePush(3, 0, "", "later")
			appendPush(t, e, later)
			wantLines(t, e, append(append([]string{}, lines[0]...), "later")...)
		})
	}
}

// makeLarge damages a file and lists it as a large one, which is not read before
// it is served.
func makeLarge(t *testing.T, dir, path string) {
	t.Helper()
	rel, err := filepath.Rel(filepath.Join(dir, "tenants"), path)
	if err != nil {
		t.Fatal(err)
	}
	// TENANT/partitions/DAY/indexdb/PART/FILE
	elem := strings.Split(rel, string(filepath.Separator))
	v := newInventory(&home{dir: dir})
	list := v.read(elem[0], elem[2])
	files := list["indexdb/"+elem[4]]
	was := files[elem[5]]
	if was.Size == 0 {
		t.Fatalf("%s is not listed: %v", path, list)
	}
	if err := os.Truncate(path, smallFile+1); err != nil {
		t.Fatal(err)
	}
	files[elem[5]] = partFile{Size: smallFile + 1, CRC: was.CRC}
	if err := v.write(elem[0], elem[2], list); err != nil {
		t.Fatal(err)
	}
}

// After a panic nothing is taken to be whole.
func TestAfterAPanicAllIsReadBeforeItIsServed(t *testing.T) {
	dir, parts, lines := killed(t)
	overwrite(t, filepath.Join(parts[1], "message_values.bin"))
	write(t, filepath.Join(dir, "panic"), "panic: what the runtime said\n")
	e, log, _ := openKilled(t, dir)
	log.await(t, "parts_read=2 parts_later=0")
	wantLines(t, e, lines[0]...)
	if e.home.panicked() {
		t.Error("the next start would read all of it again")
	}
}

// A goroutine that panics lets others go on before the process ends: it is seen.
func TestAPanicThatHasNotEndedTheProcess(t *testing.T) {
	if panicking() {
		t.Fatal("a process in order is taken to panic")
	}
	seen := make(chan bool)
	go func() {
		defer func() { _ = recover() }()
		defer func() { seen <- panicking() }()
		panic("of this test")
	}()
	if !<-seen {
		t.Error("a panic was not seen")
	}
}
