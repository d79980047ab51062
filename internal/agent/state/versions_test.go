package state

import (
	goflag "flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/agent/parse"
)

var write = goflag.Bool("write", false, "write the state of this version into testdata")

// newest is the file that -write writes. 2a has no Unsure.
const newest = "testdata/positions-2b"

// What earlier versions of this format wrote is read: testdata has a file of each.
// Whoever changes a record adds one and leaves the others.
func TestStatesOfEarlierVersions(t *testing.T) {
	one, two := stream(1), stream(2)
	if *write {
		dir := t.TempDir()
		l, _ := reopen(t, dir)
		check(t, l.Save(one, two))
		check(t, l.Anchor(Anchored{one.ID, []parse.Anchor{{Offset: 5000, Time: 6}}}))
		check(t, l.Close())
		data, err := os.ReadFile(filepath.Join(dir, fileName))
		check(t, err)
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile(newest, data, 0o644))
	}
	one.Anchors = []parse.Anchor{{Offset: 5000, Time: 6}}
	files, err := filepath.Glob("testdata/positions-*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no states in testdata: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		check(t, err)
		dir := t.TempDir()
		check(t, os.WriteFile(filepath.Join(dir, fileName), data, 0o640))
		l, c := reopen(t, dir)
		two.Position.Unsure = file != "testdata/positions-2a"
		if d := cmp.Diff([]*Stream{one, two}, c.Streams); d != "" || c.Fresh || c.Torn != 0 {
			t.Errorf("%s: fresh %v, torn %d (-want +got):\n%s", file, c.Fresh, c.Torn, d)
		}
		check(t, l.Close())
	}
}

// A later version may add records, and fields at the end of those that are known:
// they are passed over, and what comes behind them counts.
func TestALaterVersionOfTheState(t *testing.T) {
	dir := t.TempDir()
	l, _ := reopen(t, dir)
	check(t, l.Save(stream(1)))
	check(t, l.Close())
	path := filepath.Join(dir, fileName)
	data, err := os.ReadFile(path)
	check(t, err)
	later := finish(append(begin(nil), 200, 1, 2, 3), 0)
	longer := finish(append(appendStream(begin(nil), stream(2)), "new field"...), 0)
	check(t, os.WriteFile(path, slices.Concat(data, later, longer), 0o640))
	l, c := reopen(t, dir)
	if d := cmp.Diff([]*Stream{stream(1), stream(2)}, c.Streams); d != "" || c.Torn != 0 {
		t.Errorf("torn %d (-want +got):\n%s", c.Torn, d)
	}
	check(t, l.Close())
}
