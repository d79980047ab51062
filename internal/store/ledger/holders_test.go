package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/loki"
)

// printOf is the fingerprint of the file of an inode, of which so many bytes were hashed.
func printOf(inode uint64, hashed uint16) []byte {
	return loki.GenerationKey{Birth: 1e18, Inode: inode}.Fingerprint(hashed, 5)
}

func generation(file byte, from, to uint64, print []byte) Part {
	return Part{Range: &loki.FileRange{File: loki.FileID{file}, From: from, To: to, Generation: print}}
}

func TestAFileIsFoundByItsGenerations(t *testing.T) {
	rotated := []Part{
		generation(1, 0, 10, printOf(11, 9)), generation(1, 10, 30, printOf(12, 9)),
		generation(2, 0, 5, printOf(21, 9)), generation(2, 5, 6, []byte("of another version")),
	}
	one := func(g ...loki.Generation) []loki.FileOffsets {
		return []loki.FileOffsets{{File: loki.FileID{1}, Committed: 30, Generations: g}}
	}
	first, second := loki.Generation{Fingerprint: printOf(11, 9)}, loki.Generation{Fingerprint: printOf(12, 9), Base: 10}
	for _, tc := range []struct {
		name  string
		parts []Part
		ask   [][]byte
		want  []loki.FileOffsets
	}{
		{"nothing is there", nil, [][]byte{printOf(11, 9)}, nil},
		{"nothing is asked", rotated, nil, nil},
		{"the first", rotated, [][]byte{printOf(11, 9)}, one(first)},
		{"a later one, and the first with it", rotated, [][]byte{printOf(12, 9)}, one(first, second)},
		{"one that was shorter when it was sent", rotated, [][]byte{printOf(12, 1024)}, one(first, second)},
		{"all of a file, each file once", rotated, [][]byte{printOf(12, 9), printOf(11, 9), printOf(12, 9)}, one(first, second)},
		{"another inode", rotated, [][]byte{printOf(13, 9)}, nil},
		{"another time of birth", rotated, [][]byte{loki.GenerationKey{Birth: 2, Inode: 11}.Fingerprint(9, 5)}, nil},
		{"no fingerprint", rotated, [][]byte{nil, []byte("x"), []byte("of another version")}, nil},
		{"refused", []Part{generation(1, 5, 10, printOf(11, 9))}, [][]byte{printOf(11, 9)}, nil},
		{
			"one generation in two files", append(rotated, generation(3, 0, 3, printOf(12, 9))),
			[][]byte{printOf(12, 9)},
			append(one(first, second), loki.FileOffsets{File: loki.FileID{3}, Committed: 3, Generations: []loki.Generation{{Fingerprint: printOf(12, 9)}}}),
		},
		{
			"cut and begun anew", append(rotated, generation(1, 30, 30, printOf(12, 3)), generation(1, 30, 40, printOf(12, 3))),
			[][]byte{printOf(12, 3)},
			[]loki.FileOffsets{{File: loki.FileID{1}, Committed: 40, Generations: []loki.Generation{first, second, {Fingerprint: printOf(12, 3), Base: 30}}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := New()
			d := l.Judge("a", noon, tc.parts)
			if diff := cmp.Diff(tc.want, orNil(l.Holding("a", tc.ask))); diff != "" {
				t.Error(diff)
			}
			again, err := ReadTable(l.AppendTable(nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, orNil(again.Holding("a", tc.ask))); diff != "" {
				t.Errorf("after a restart: %s", diff)
			}
			if got := l.Holding("b", tc.ask); len(got) > 0 {
				t.Errorf("another tenant learns of %v", got)
			}
			l.Undo(d)
			if got := l.Holding("a", tc.ask); len(got) > 0 || len(l.tenants["a"].holders) > 0 {
				t.Errorf("undo left %v behind", got)
			}
		})
	}
}

func orNil(o []loki.FileOffsets) []loki.FileOffsets {
	if len(o) == 0 {
		return nil
	}
	return o
}

// Of a file that turns over all the time the first generation and the newest are
// kept; what is let go of is not found any more, and undoing brings it back.
func TestGenerationsAndWhoHasThemAreBounded(t *testing.T) {
	l := New()
	const n = 3 * maxGenerations
	for i := range uint64(n - 1) {
		l.Judge("a", noon, []Part{generation(1, i, i+1, printOf(i, 9))})
	}
	const oldest = n - maxGenerations // that is left beside the first
	last := l.Judge("a", noon, []Part{generation(1, n-1, n, printOf(n-1, 9))})
	found := func() (inodes []int) {
		for i := range n {
			if len(l.Holding("a", [][]byte{printOf(uint64(i), 1)})) > 0 {
				inodes = append(inodes, i)
			}
		}
		return inodes
	}
	got := found()
	if len(got) != maxGenerations || got[0] != 0 || got[1] != oldest+1 || len(l.tenants["a"].holders) != maxGenerations {
		t.Errorf("%d are found: %v", len(got), got)
	}
	l.Undo(last)
	if got := found(); len(got) != maxGenerations || got[1] != oldest || got[len(got)-1] != n-2 {
		t.Errorf("after undo %d are found: %v", len(got), got)
	}

	// Without birth times an inode number comes back in file after file.
	for f := range byte(3 * maxHolders) {
		l.Judge("a", noon.Add(time.Minute), []Part{generation(100+f, 0, 1, printOf(1<<40, 9))})
	}
	if got := l.Holding("a", [][]byte{printOf(1<<40, 9)}); len(got) != maxHolders || got[0].File[0] != 100+2*maxHolders {
		t.Errorf("%d files are found for one inode", len(got))
	}
}
