package demo

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/ray"
)

// An hour after what becomes the begin of the session.
var playTime = time.Date(2031, 3, 4, 11, 20, 30, 123456000, time.UTC)

func playInto(t *testing.T, o Options) (r *Recording, session, dir string) {
	t.Helper()
	r, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	session, err = r.Play(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r, session, dir
}

// All files come out with the recorded lengths, and no recorded time is left in
// them, nor in their names.
func TestPlayMovesEveryStamp(t *testing.T) {
	r, session, dir := playInto(t, Options{Now: playTime, Lead: time.Hour, Zone: time.UTC})
	if want := "session_2031-03-04_10-20-30_123456_18"; session != want {
		t.Errorf("session %s, want %s", session, want)
	}
	sizes := map[string]int{}
	for _, f := range r.files {
		sizes[strings.Replace(f.path, r.Session, session, 1)] = len(f.content)
	}
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		seen++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if want, ok := sizes[filepath.ToSlash(rel)]; !ok || len(b) != want {
			t.Errorf("%s has %d bytes, recorded were %d (%t)", rel, len(b), want, ok)
		}
		for _, old := range []string{"2026-11-21", "21/Nov/2026", " 179526", "=179526", `:179526`, `"179526`} {
			if i := bytes.Index(b, []byte(old)); i >= 0 {
				t.Errorf("%s still holds a recorded time: %.80q", rel, b[max(0, i-20):])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != len(sizes) || seen < 100 {
		t.Errorf("%d files were written, %d are recorded", seen, len(sizes))
	}
	if target, err := os.Readlink(filepath.Join(dir, "session_latest")); err != nil || filepath.Base(target) != session {
		t.Errorf("session_latest leads to %s (%v)", target, err)
	}
}

// A play takes the recorded time behind its lead divided by its speed, and its
// stamps say so.
func TestPlayKeepsThePace(t *testing.T) {
	start := time.Now()
	const lead = 20 * time.Second
	r, session, dir := playInto(t, Options{Now: start, Lead: lead, Speed: 100})
	if want, took := (r.Duration()-lead)/100, time.Since(start); took < want {
		t.Errorf("play took %s, want at least %s", took, want)
	}
	b, err := os.ReadFile(filepath.Join(dir, session, "logs", "gcs_server.out"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	for _, tc := range []struct {
		line       string
		from, till time.Time
	}{
		{lines[0], start.Add(-lead), start.Add(-lead + 5*time.Second)},
		{lines[len(lines)-1], start, time.Now()},
	} {
		got, err := time.ParseInLocation("[2006-01-02 15:04:05,000", tc.line[:24], time.Local)
		if err != nil || got.Before(tc.from.Truncate(time.Millisecond)) || got.After(tc.till) {
			t.Errorf("%.80s: want a time from %s to %s (%v)", tc.line, tc.from, tc.till, err)
		}
	}
}

// The recording is of a size to watch, and something happens all the time.
func TestPace(t *testing.T) {
	r, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if d := r.Duration(); d < time.Minute || d > 3*time.Minute {
		t.Errorf("recording lasts %s", d)
	}
	busy := map[time.Duration]bool{}
	last := time.Duration(0)
	for _, w := range r.writes {
		busy[w.at.Truncate(time.Second)] = true
		if w.at < last {
			t.Fatalf("%s is written at %s, after %s", r.files[w.file].path, w.at, last)
		}
		last = w.at
	}
	if n := int(r.Duration() / time.Second); len(busy) < n*8/10 {
		t.Errorf("writes come in %d of %d seconds only", len(busy), n)
	}
}

func TestStamps(t *testing.T) {
	s := stamps{from: time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC), to: time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC), zone: time.FixedZone("", 3600)}
	for _, tc := range []struct{ in, want string }{
		{"2026-11-21 05:45:51,598\tINFO", "2027-11-22 06:45:51,598\tINFO"},
		{"[2026-11-21 05:45:51,598 I 1 1]", "[2027-11-22 06:45:51,598 I 1 1]"},
		{"2026-11-21T05:45:51.598123Z", "2027-11-22T05:45:51.598123Z"},
		{"2026-11-21 05:45:51", "2027-11-22 06:45:51"},
		{"/tmp/ray/session_2026-11-21_05-45-44_723701_1/logs", "/tmp/ray/session_2027-11-22_06-45-44_723701_1/logs"},
		{"[21/Nov/2026:05:45:50 +0000] 'GET", "[22/Nov/2027:05:45:50 +0000] 'GET"},
		{"- [21/Nov/2026 05:47:17] GET", "- [22/Nov/2027 06:47:17] GET"},
		{"E1121 05:43:37.742374091      11 chttp2", "E1122 06:43:37.742374091      11 chttp2"},
		{`"timestamp": 1795239979, "x"`, `"timestamp": 1826862379, "x"`},
		{"after 1795238150.4106078 on", "after 1826860550.4106078 on"},
		{`"timestamp_ns":1795239953248331145}`, `"timestamp_ns":1826862353248331145}`},
		{"1795239953248 ms", "1826862353248 ms"},
		// Other times and other numbers are what a user or Ray wrote.
		{"2025-02-12 12:25:16,836", "2025-02-12 12:25:16,836"},
		{"id=a1795239979 n=1795239979b 17952399791", "id=a1795239979 n=1795239979b 17952399791"},
		{"2026-13-41 05:45:51", "2026-13-41 05:45:51"},
	} {
		got := string(s.move([]byte(tc.in), func(t time.Time) time.Time { return t.AddDate(1, 0, 1) }))
		if got != tc.want {
			t.Errorf("move(%q)\n got %q\nwant %q", tc.in, got, tc.want)
		}
	}
}

// The answers expected of a server are not empty, and what they are.
func TestQuestions(t *testing.T) {
	r, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, q := range r.Questions() {
		if q.Components == nil && q.Lines < 4 {
			t.Errorf("%s is answered by %d lines", q.Query, q.Lines)
		}
		for component, n := range q.Components {
			total += n
			if n == 0 || component == string(ray.ComponentOther) {
				t.Errorf("%s: %s has %d lines", q.Query, component, n)
			}
		}
	}
	if total != r.Lines() {
		t.Errorf("components have %d lines, the recording %d", total, r.Lines())
	}
}

// Whatever a log holds, moving its stamps changes no length.
func FuzzMove(f *testing.F) {
	f.Add([]byte("2026-11-21 05:45:51,598\tINFO x [21/Nov/2026:05:45:50 +0000] E1121 05:43:37.742374091 1795239979.25"))
	f.Add([]byte("2026-11-21T05:45:51.598Z session_2026-11-21_05-45-44_723701_1 1795239953248331145"))
	s := stamps{from: time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC), to: time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC), zone: time.FixedZone("", -9*3600)}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := s.move(text, func(t time.Time) time.Time { return t.Add(1000 * time.Hour) }); len(got) != len(text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
