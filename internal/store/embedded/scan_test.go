package embedded

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/remora-ray/remora/internal/logs"
)

// twoDays leaves a crashed store with one part on each of two days.
func twoDays(t *testing.T) (dir string, parts [2]string) {
	t.Helper()
	live := t.TempDir()
	e := openAt(t, live, nil)
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("line %d of the first day, long enough for a block %x", i, i*i*7919))
	}
	appendPush(t, e, filePush(1, 0, "", lines...))
	second := filePush(2, 0, "", "second day 1", "second day 2")
	for i := range second.Streams[0].Entries {
		second.Streams[0].Entries[i].Time -= nanosPerDay
	}
	appendPush(t, e, second)
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	dir = crashedCopy(t, live)
	found, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "partitions", "*", "datadb", "*", "message_values.bin"))
	if err != nil || len(found) != 2 {
		t.Fatalf("parts %v, error %v", found, err)
	}
	return dir, [2]string{filepath.Dir(found[0]), filepath.Dir(found[1])}
}

// After an unclean end a part that would make the engine panic, at open or at a
// query, is moved aside and named, and the rest is served.
func TestADamagedPartIsMovedAside(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, part string){
		"values overwritten": func(t *testing.T, part string) { overwrite(t, filepath.Join(part, "message_values.bin")) },
		"values cut":         func(t *testing.T, part string) { truncate(t, filepath.Join(part, "message_values.bin")) },
		"header overwritten": func(t *testing.T, part string) { overwrite(t, filepath.Join(part, "metadata.json")) },
		"index overwritten":  func(t *testing.T, part string) { overwrite(t, filepath.Join(part, "index.bin")) },
		"part missing": func(t *testing.T, part string) {
			if err := os.RemoveAll(part); err != nil {
				t.Fatal(err)
			}
		},
		"stream index overwritten": func(t *testing.T, part string) {
			items, err := filepath.Glob(filepath.Join(part, "..", "..", "indexdb", "*", "metadata.json"))
			if err != nil || len(items) == 0 {
				t.Fatalf("no stream index: %v", err)
			}
			overwrite(t, items[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, parts := twoDays(t)
			damage(t, parts[1]) // the later day
			var log bytes.Buffer
			reg := prometheus.NewRegistry()
			e := openAt(t, dir, func(c *Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
				c.Registerer = reg
			})
			wantLines(t, e, "second day 1", "second day 2")
			if !strings.Contains(log.String(), "moved aside") || !strings.Contains(log.String(), "damaged/tenants/") {
				t.Errorf("the log does not name the part:\n%s", log.String())
			}
			if n := testutil.ToFloat64(e.metrics.partsMoved); n != 1 {
				t.Errorf("%v parts counted as moved aside", n)
			}
			appendPush(t, e, filePush(3, 0, "", "later"))
			sel := everything()
			sel.Lines = []logs.LineFilter{{Op: logs.Contains, Any: []string{"later"}}}
			if got := selectLines(t, e, sel); len(got) != 1 {
				t.Errorf("a later line was found %d times", len(got))
			}
		})
	}
}

func overwrite(t *testing.T, path string) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xa5}, int(st.Size())), 0o644); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 3); err != nil {
		t.Fatal(err)
	}
}
