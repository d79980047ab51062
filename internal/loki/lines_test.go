package loki

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-ray/remora/internal/logs"
)

func linesAnswer() ([]byte, []string) {
	one := &Push{Streams: []Stream{{Labels: logs.LabelsOf("a", "b"), Entries: []logs.Entry{{Time: 1, Line: "x\xff\x00"}, {Time: 2, Metadata: logs.LabelsOf("m", "1")}}}}}
	two := &Push{Streams: []Stream{{Labels: logs.LabelsOf("c", "d"), Entries: []logs.Entry{{Time: 3, Line: "y"}}}}}
	return AppendEndFrame(AppendLinesFrame(AppendLinesFrame(nil, one), two)), []string{"x\xff\x00", "", "y"}
}

func readAll(data []byte) (lines []string, err error) {
	err = ReadLines(bytes.NewReader(data), func(p *Push) error {
		for _, s := range p.Streams {
			for _, e := range s.Entries {
				lines = append(lines, e.Line)
			}
		}
		return nil
	})
	return lines, err
}

func TestReadLines(t *testing.T) {
	data, want := linesAnswer()
	if got, err := readAll(data); err != nil || !cmp.Equal(want, got) {
		t.Errorf("lines %q, error %v, want %q", got, err, want)
	}
	for n := range len(data) {
		if _, err := readAll(data[:n]); err == nil || !strings.Contains(err.Error(), "cut short") {
			t.Errorf("an answer of which %d of %d bytes came: %v", n, len(data), err)
		}
	}
	if _, err := readAll(AppendErrorFrame(nil, "the disk is on fire")); err == nil || err.Error() != "the disk is on fire" {
		t.Errorf("an answer that failed: %v", err)
	}
	later := appendFrame(nil, 'n', []byte("of a later version"))
	if got, err := readAll(append(later, data...)); err != nil || !cmp.Equal(want, got) {
		t.Errorf("with a frame of a later version: lines %q, error %v", got, err)
	}
}

// FuzzReadLines: any answer is read or refused.
func FuzzReadLines(f *testing.F) {
	data, _ := linesAnswer()
	f.Add(data)
	f.Add(AppendErrorFrame(nil, "x"))
	f.Add([]byte("l\xff\xff\xff\xff"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = readAll(data)
	})
}
