package embedded

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

func TestDeletedLinesAreGoneAndLaterOnesStay(t *testing.T) {
	dir := t.TempDir()
	e := openAt(t, dir, nil)
	appendPush(t, e, filePush(1, 0, "", "keep 1", "drop 2", "keep 3", "drop 4"))
	sel := everything()
	sel.End = base.UnixNano() + 30 // before drop 4
	sel.Matchers = []logs.Matcher{{Name: "component", Value: "raylet"}}
	sel.Lines = []logs.LineFilter{{Op: logs.Contains, Any: []string{"drop"}}}
	if err := e.Delete(context.Background(), "fake", sel, "{}", nil); err != nil {
		t.Fatal(err)
	}
	wantLines(t, e, "keep 1", "keep 3", "drop 4")
	wantDeleted(t, e, "{} done")
	p := filePush(2, 0, "", "drop later")
	appendPush(t, e, p)
	wantLines(t, e, "drop later", "keep 1", "keep 3", "drop 4")
	// The first row of a block leaves an empty one behind, which nothing shows.
	sel.Lines[0].Any[0] = "keep 1"
	if err := e.Delete(context.Background(), "fake", sel, "{}", nil); err != nil {
		t.Fatal(err)
	}
	wantLines(t, e, "drop later", "keep 3", "drop 4")
	st, err := e.Stats(context.Background(), []string{"fake"}, nil, 0, everything().End)
	if err != nil || st.Entries != 3 {
		t.Errorf("%d lines are counted, %v", st.Entries, err)
	}
	if err := e.Delete(context.Background(), "nobody", everything(), "{}", nil); err != nil {
		t.Errorf("delete of a tenant without lines: %v", err)
	}
}

// The journal's tail holds a push, its deletion and a push after it, the engine
// has nothing yet.
func TestADeletionIsReplayedInItsPlace(t *testing.T) {
	dir := t.TempDir()
	e := openAt(t, dir, nil)
	appendPush(t, e, filePush(1, 0, "", "one", "two"))
	if err := e.Delete(context.Background(), "fake", everything(), "{}", nil); err != nil {
		t.Fatal(err)
	}
	appendPush(t, e, filePush(1, 20, "", "three"))
	wantLines(t, e, "three")
	dir = crashedCopy(t, dir)
	e = openAt(t, dir, nil)
	wantLines(t, e, "three")
	wantDeleted(t, e, "{} done")
	// Once more without the journal: what was asked for is remembered.
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	e = openAt(t, crashedCopy(t, dir), nil)
	wantDeleted(t, e, "{} done")
	if r := appendPush(t, e, filePush(1, 0, "", "one", "two", "three")); r.Stored != 0 {
		t.Errorf("deleted lines that came again were stored: %+v", r)
	}
}

// crashedCopy is what a crash now would leave of the store in dir.
func crashedCopy(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestASnapshotIsAStoreOfItsOwn(t *testing.T) {
	e := openTest(t, nil)
	appendPush(t, e, filePush(1, 0, "", "one", "two"))
	other := store.Batch{Tenant: "other", Received: base, Push: filePush(1, 0, "", "of another tenant")}
	if _, err := e.Append(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "snapshot")
	if err := e.Snapshot(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	if err := e.Snapshot(context.Background(), dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a snapshot into a directory with something in it: %v", err)
	}
	appendPush(t, e, filePush(1, 20, "", "three"))
	s := openAt(t, dir, nil)
	wantLines(t, s, "one", "two")
	r, err := s.Append(context.Background(), other)
	if diff := cmp.Diff(store.AppendResult{Duplicate: 1}, r); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	wantLines(t, e, "one", "two", "three")
}

func wantDeleted(t *testing.T, e *Engine, want ...string) {
	t.Helper()
	list, err := e.Deletions("fake")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	ids := map[string]bool{}
	for _, d := range list {
		text := d.Query
		if d.Done {
			text += " done"
		}
		got = append(got, text)
		ids[d.ID] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(ids) != len(list) {
		t.Errorf("requests to delete (-want +got):\n%s", diff)
	}
}

// What the engine cannot be asked for is deleted row by row: of files, of other
// clients, and after a crash that lost what the engine had.
func TestRowsThatMatchAreDeleted(t *testing.T) {
	dir := t.TempDir()
	e := openAt(t, dir, nil)
	appendPush(t, e, filePush(1, 0, "", "drop 1", "keep 1", "drop 2"))
	appendPush(t, e, filePush(2, 100, "lost", "after a gap", "drop 3"))
	foreign := &loki.Push{Streams: []loki.Stream{{Labels: logs.LabelsOf("app", "x")}}}
	for i, line := range []string{"drop 4", "keep 4", "drop 5"} {
		foreign.Streams[0].Entries = append(foreign.Streams[0].Entries, logs.Entry{Time: base.UnixNano() + int64(i), Line: line})
	}
	appendPush(t, e, foreign)
	sel := everything()
	sel.Lines = []logs.LineFilter{{Op: logs.MatchesRegexp, Any: []string{"^dr.p [0-9]$"}}}
	if err := e.Delete(context.Background(), "fake", sel, "by regexp", func(r *logs.Record) bool { return r.Line != "drop 2" }); err != nil {
		t.Fatal(err)
	}
	appendPush(t, e, filePush(3, 0, "", "drop later"))
	want := []string{"after a gap", "drop 2", "drop later", "keep 1", "keep 4"}
	check := func(e *Engine) {
		t.Helper()
		var got []string
		for _, l := range selectLines(t, e, everything()) {
			if !strings.Contains(l, "lost") { // the gap's own line
				got = append(got, l)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	}
	check(e)
	e = openAt(t, crashedCopy(t, dir), nil)
	check(e)
	wantDeleted(t, e, "by regexp done")
}
