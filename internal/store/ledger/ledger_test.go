package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func span(from, to uint64, gap string) Part {
	return Part{Range: &loki.FileRange{From: from, To: to, Gap: gap}, Lines: 1}
}

// The table of the wire contract, for a file of which 100 bytes are committed.
func TestJudgeAFile(t *testing.T) {
	for _, tc := range []struct {
		name      string
		part      Part
		want      Verdict
		committed uint64
	}{
		{"wholly before", span(0, 50, ""), Verdict{Action: Done}, 100},
		{"ends where it is committed", span(50, 100, ""), Verdict{Action: Done}, 100},
		{"wholly before, with a gap", span(50, 100, "x"), Verdict{Action: Done}, 100},
		{"empty", span(100, 100, ""), Verdict{Action: Done}, 100},
		{"goes on", span(100, 150, ""), Verdict{Action: Store, From: 100}, 150},
		{"overlaps", span(50, 150, ""), Verdict{Action: Cut, From: 100}, 150},
		{"overlaps, its gap told before", span(50, 150, "x"), Verdict{Action: Cut, From: 100}, 150},
		{"misses bytes", span(101, 150, ""), Verdict{Action: Refuse}, 100},
		{"misses bytes and says so", span(120, 150, "x"), Verdict{Action: Gap, From: 120, GapFrom: 100}, 150},
		{"a gap and nothing after it", span(120, 120, "x"), Verdict{Action: Gap, From: 120, GapFrom: 100}, 120},
		{"goes on after a gap of unknown size", span(100, 150, "x"), Verdict{Action: Gap, From: 100, GapFrom: 100}, 150},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := New()
			l.Judge("a", noon, []Part{span(0, 100, "")})
			before := l.AppendTable(nil)
			d := l.Judge("a", noon, []Part{tc.part})
			if diff := cmp.Diff(tc.want, d.Parts[0]); diff != "" {
				t.Error(diff)
			}
			if d.News() == (tc.want.Action == Done || tc.want.Action == Refuse) {
				t.Errorf("news is %v", d.News())
			}
			got := l.Offsets("a", []loki.FileID{{}})[0].Committed
			if got != tc.committed {
				t.Errorf("committed %d, want %d", got, tc.committed)
			}
			if refused := tc.want.Action == Refuse; refused && cmp.Diff([]loki.FileOffset{{Committed: 100}}, d.Refused) != "" || !refused && d.Refused != nil {
				t.Errorf("refused %v", d.Refused)
			}
			l.Undo(d)
			if string(l.AppendTable(nil)) != string(before) {
				t.Error("undo left something behind")
			}
		})
	}
}

func TestAFileSplitOverTwoStreamsIsJudgedOnce(t *testing.T) {
	l := New()
	l.Judge("a", noon, []Part{span(0, 100, "")})
	d := l.Judge("a", noon, []Part{span(50, 150, ""), span(50, 150, ""), span(150, 170, ""), span(200, 210, "")})
	want := []Verdict{{Action: Cut, From: 100}, {Action: Cut, From: 100}, {Action: Store, From: 150}, {Action: Refuse}}
	if diff := cmp.Diff(want, d.Parts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]loki.FileOffset{{Committed: 170}}, d.Refused); diff != "" {
		t.Error(diff)
	}
}

func TestTenantsAndFilesAreApart(t *testing.T) {
	l := New()
	l.Judge("a", noon, []Part{span(0, 100, "")})
	other := span(0, 30, "")
	other.Range.File = loki.FileID{1}
	l.Judge("a", noon, []Part{other})
	got := []uint64{}
	for _, tenant := range []string{"a", "b"} {
		for _, o := range l.Offsets(tenant, []loki.FileID{{}, {1}, {2}}) {
			got = append(got, o.Committed)
		}
	}
	if diff := cmp.Diff([]uint64{100, 30, 0, 0, 0, 0}, got); diff != "" {
		t.Error(diff)
	}
}

func TestGenerationsKeepTheirBases(t *testing.T) {
	l := New()
	for i, fp := range []string{"one", "one", "two", "", "two", "three"} {
		p := span(uint64(i)*10, uint64(i)*10+10, "")
		p.Range.Generation = []byte(fp)
		l.Judge("a", noon, []Part{p})
	}
	want := []loki.Generation{{Fingerprint: []byte("one"), Base: 0}, {Fingerprint: []byte("two"), Base: 20}, {Fingerprint: []byte("three"), Base: 50}}
	if diff := cmp.Diff(want, l.Offsets("a", []loki.FileID{{}})[0].Generations); diff != "" {
		t.Error(diff)
	}
}

func TestARepeatedBatchIsDoneWithinTheHour(t *testing.T) {
	batch := func(h byte) Part { return Part{Hash: Hash{h}, Lines: 3} }
	l := New()
	steps := []struct {
		name   string
		tenant string
		after  time.Duration
		part   Part
		want   Verdict
	}{
		{"the first", "a", 0, batch(1), Verdict{Action: Store, Row: 1}},
		{"its repeat", "a", time.Minute, batch(1), Verdict{Action: Done}},
		{"another", "a", time.Minute, batch(2), Verdict{Action: Store, Row: 4}},
		{"the same of another tenant", "b", time.Minute, batch(1), Verdict{Action: Store, Row: 7}},
		{"the repeat at the end of the hour", "a", time.Hour, batch(1), Verdict{Action: Done}},
		{"after the hour", "a", time.Hour + 1, batch(1), Verdict{Action: Store, Row: 10}},
		{"a push that was long on its way", "a", 59 * time.Minute, batch(1), Verdict{Action: Done}},
		{"the repeat of the second time", "a", 2 * time.Hour, batch(1), Verdict{Action: Done}},
		{"an empty one", "a", 0, Part{Hash: Hash{9}}, Verdict{Action: Done}},
	}
	for _, s := range steps {
		d := l.Judge(s.tenant, noon.Add(s.after), []Part{s.part})
		if diff := cmp.Diff(s.want, d.Parts[0]); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
		// A restart changes nothing.
		var err error
		if l, err = ReadTable(l.AppendTable(nil)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABatchTwiceInOnePushIsTwo(t *testing.T) {
	l := New()
	d := l.Judge("a", noon, []Part{{Hash: Hash{1}, Lines: 1}, {Hash: Hash{1}, Lines: 1}})
	if d.Parts[0].Action != Store || d.Parts[1].Action != Store {
		t.Errorf("verdicts %v", d.Parts)
	}
	l.Undo(d)
	if d := l.Judge("a", noon, []Part{{Hash: Hash{1}, Lines: 1}}); d.Parts[0].Action != Store {
		t.Errorf("after undo the batch is %v", d.Parts[0].Action)
	}
}

func TestHashesDiffer(t *testing.T) {
	e := func(at int64, line string, meta ...string) logs.Entry {
		return logs.Entry{Time: at, Line: line, Metadata: logs.LabelsOf(meta...)}
	}
	ls := logs.LabelsOf("a", "b")
	seen := map[Hash]int{}
	for i, h := range []Hash{
		HashBatch(ls, nil),
		HashBatch(nil, nil),
		HashBatch(ls, []logs.Entry{e(1, "x")}),
		HashBatch(ls, []logs.Entry{e(2, "x")}),
		HashBatch(ls, []logs.Entry{e(1, "x", "k", "v")}),
		HashBatch(ls, []logs.Entry{e(1, "x"), e(1, "x")}),
		HashBatch(ls, []logs.Entry{e(1, "xy"), e(1, "")}),
		HashBatch(ls, []logs.Entry{e(1, "x"), e(1, "y")}),
		HashBatch(logs.LabelsOf("ab", ""), nil),
		HashBatch(logs.LabelsOf("ab", "c"), nil),
	} {
		if j, ok := seen[h]; ok && !(i == 8 && j == 1) { // an empty value is no label
			t.Errorf("batches %d and %d have one hash", i, j)
		}
		seen[h] = i
	}
}

// Whatever is judged and undone in whatever order, a written table read back is
// the same ledger, and no offset falls.
func TestRandomHistories(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		l := New()
		committed := map[string]uint64{}
		for i := range 60 {
			tenant := fmt.Sprint(random.IntN(2))
			var parts []Part
			for range 1 + random.IntN(3) {
				if random.IntN(3) == 0 {
					parts = append(parts, Part{Hash: Hash{byte(random.IntN(20))}, Lines: random.IntN(4)})
					continue
				}
				from := uint64(random.IntN(200))
				p := span(from, from+uint64(random.IntN(60)), []string{"", "", "gap"}[random.IntN(3)])
				p.Range.File = loki.FileID{byte(random.IntN(3))}
				p.Range.Generation = printOf(uint64(random.IntN(4)), uint16(random.IntN(3)))
				parts = append(parts, p)
			}
			before, _ := ReadTable(l.AppendTable(nil))
			d := l.Judge(tenant, noon.Add(time.Duration(i)*7*time.Minute), parts)
			if random.IntN(4) == 0 {
				l.Undo(d)
				files := []loki.FileID{{0}, {1}, {2}}
				if diff := cmp.Diff(before.Offsets(tenant, files), l.Offsets(tenant, files)); diff != "" || before.NextRow() != l.NextRow() {
					t.Fatalf("undo: %s", diff)
				}
			}
			again, err := ReadTable(l.AppendTable(nil))
			if err != nil {
				t.Fatal(err)
			}
			asked := [][]byte{printOf(0, 0), printOf(2, 0)}
			if diff := cmp.Diff(l.Holding(tenant, asked), again.Holding(tenant, asked)); diff != "" {
				t.Fatalf("generations found after a restart: %s", diff)
			}
			if i%3 > 0 {
				l = again
			}
			for f := range byte(3) {
				key := tenant + fmt.Sprint(f)
				got := l.Offsets(tenant, []loki.FileID{{f}})[0].Committed
				if got < committed[key] {
					t.Fatalf("committed fell from %d to %d", committed[key], got)
				}
				committed[key] = got
			}
		}
	}
}

func FuzzReadTable(f *testing.F) {
	l := New()
	p := span(0, 10, "")
	p.Range.Generation = []byte("x")
	l.Judge("tenant", noon, []Part{p, {Hash: Hash{1}, Lines: 2}})
	f.Add(l.AppendTable(nil))
	f.Add([]byte(tableMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ReadTable(data); err != nil && len(data) > 4 {
			// Let what follows the checksum be read too.
			body := data[:len(data)-4]
			data = binary.LittleEndian.AppendUint32(body[:len(body):len(body)], crc32.Checksum(body, castagnoli))
		}
		if l, err := ReadTable(data); err == nil {
			if _, err := ReadTable(l.AppendTable(nil)); err != nil {
				t.Fatalf("a table that was read cannot be read again: %v", err)
			}
		}
	})
}
