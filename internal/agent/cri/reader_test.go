package cri

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const stamp = "2026-11-21T05:06:01.123456789Z "

// read gives each record of text as "output text", cut into chunks of size bytes,
// with the state saved and restored at each end of a chunk.
func read(t testing.TB, text string, size int) []string {
	t.Helper()
	var out []string
	r := &Reader{}
	for at, end := 0, min(size, len(text)); at < len(text); {
		rec, n := r.Next([]byte(text[at:end]), uint64(at), end == len(text))
		if n == 0 {
			if end == len(text) {
				t.Fatalf("nothing is read at byte %d of %d", at, len(text))
			}
			end = min(end+size, len(text))
			again := &Reader{}
			if err := again.Restore(r.AppendState(nil)); err != nil {
				t.Fatal(err)
			}
			r = again
			continue
		}
		if !rec.Nothing {
			s := fmt.Sprintf("%s %s", rec.Output, rec.Text)
			if rec.Piece > 0 {
				s += fmt.Sprintf(" [%d %v]", rec.Piece, rec.Last)
			}
			out = append(out, s)
		}
		at += n
	}
	return out
}

func TestRecords(t *testing.T) {
	long := strings.Repeat("x", 16<<10)
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"whole lines":         {stamp + "stdout F one\n" + stamp + "stderr F two\n", []string{"out one", "err two"}},
		"a zone, no decimals": {"2026-11-21T05:06:01+01:00 stdout F one\n", []string{"out one"}},
		"more tags":           {stamp + "stdout F:x one\n", []string{"out one"}},
		"an empty line":       {stamp + "stdout F \n" + stamp + "stdout F\n", []string{"out ", "out "}},
		"parts":               {stamp + "stdout P one \n" + stamp + "stdout P two \n" + stamp + "stdout F three\n", []string{"out one two three"}},
		"parts of both outputs": {
			stamp + "stdout P a\n" + stamp + "stderr P c\n" + stamp + "stderr F d\n" + stamp + "stdout F b\n" + stamp + "stdout F e\n",
			[]string{"out ab", "err cd", "out e"},
		},
		"parts that cross": {
			stamp + "stdout P a\n" + stamp + "stderr P c\n" + stamp + "stdout F b\n" + stamp + "stderr F d\n",
			[]string{"out ab", "err cd"},
		},
		"not in the form":         {"plain\n" + stamp + "stdin F x\n2026 stdout F x\n", []string{" plain", " " + stamp + "stdin F x", " 2026 stdout F x"}},
		"the end of a file":       {stamp + "stdout P a", []string{"out a [1 false]"}},
		"the end behind a part":   {stamp + "stdout P a\n" + stamp + "stderr F b\n", []string{"out a [1 false]", "err b"}},
		"a half line at the end":  {stamp + "stdout P a\n" + stamp + "stdout F b", []string{"out ab"}},
		"as long as can be":       {strings.Repeat(stamp+"stdout P "+long+"\n", 15) + stamp + "stdout F " + long + "\n", []string{"out " + strings.Repeat(long, 16)}},
		"longer than can be":      {strings.Repeat(stamp+"stdout P "+long+"\n", 16) + stamp + "stdout F end\n", []string{"out " + strings.Repeat(long, 16) + " [1 false]", "out end [2 true]"}},
		"too many others between": {stamp + "stdout P a\n" + strings.Repeat(stamp+"stderr F o\n", 65) + stamp + "stdout F b\n", append(append([]string{"out a [1 false]"}, strings.Split(strings.Repeat("err o,", 64)+"err o", ",")...), "out b [2 true]")},
	} {
		if d := cmp.Diff(c.want, read(t, c.in, len(c.in))); d != "" {
			t.Errorf("%s (-want +got):\n%.2000s", name, d)
		}
	}
}

func TestALineOfTheFileThatIsTooLongComesInPieces(t *testing.T) {
	text := strings.Repeat("é", MaxLine)
	got := read(t, stamp+"stderr F "+text+"\n"+stamp+"stderr F next\n", 4*MaxLine)
	var joined strings.Builder
	for _, s := range got[:len(got)-1] {
		_, s, _ = strings.Cut(s, " ")
		joined.WriteString(s[:strings.LastIndex(s, " [")])
	}
	if joined.String() != text || got[len(got)-1] != "err next" || len(got) < 3 {
		t.Errorf("%d records, %d bytes of %d, then %.80q", len(got), joined.Len(), len(text), got[len(got)-1])
	}
}

// However the bytes are cut into chunks, the records are the same.
func TestChunksDoNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	for range 400 {
		text := strings.Repeat("y", r.IntN(3)*r.IntN(16<<10))
		b.WriteString(stamp + []string{"stdout ", "stderr "}[r.IntN(2)] + []string{"P ", "F ", "P "}[r.IntN(3)] + text + "\n")
		if r.IntN(40) == 0 {
			b.WriteString("plain\n")
		}
	}
	want := read(t, b.String(), b.Len())
	for range 20 {
		size := 1000 + r.IntN(Window)
		if d := cmp.Diff(want, read(t, b.String(), size)); d != "" {
			t.Fatalf("chunks of %d bytes (-whole +chunks):\n%.2000s", size, d)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(stamp+"stdout P a\n"+stamp+"stderr F b\n"+stamp+"stdout F c\n", uint16(7))
	f.Add("2026-11-21T05:06:01Z stdout P\n\n", uint16(1))
	f.Fuzz(func(t *testing.T, text string, size uint16) {
		want := read(t, text, len(text)+1)
		if d := cmp.Diff(want, read(t, text, int(size)+1)); d != "" {
			t.Errorf("chunks of %d bytes (-whole +chunks):\n%s", size, d)
		}
		r := &Reader{}
		_ = r.Restore([]byte(text))
	})
}

func TestNoAllocationInSteadyState(t *testing.T) {
	text := []byte(stamp + "stdout F some text that a user printed\n")
	r := &Reader{}
	if n := testing.AllocsPerRun(100, func() { r.Next(text, 0, false) }); n != 0 {
		t.Errorf("%v allocations for a line", n)
	}
}
