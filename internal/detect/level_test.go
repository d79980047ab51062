package detect

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/remora-ray/remora/internal/logs"
)

// Each line of the file is a line with the level that a Loki 3.7.8 gave it.
func TestLevelsAreThoseOfLoki(t *testing.T) {
	f, err := os.Open("testdata/levels.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	count := 0
	for lines := bufio.NewScanner(f); lines.Scan(); count++ {
		var c struct {
			Line, Level      string
			Labels, Metadata map[string]string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if got := Level(labels(c.Labels), labels(c.Metadata), c.Line); got != c.Level {
			t.Errorf("%s: %s", lines.Text(), got)
		}
	}
	if count < 300 {
		t.Fatalf("only %d lines were tried", count)
	}
}

func labels(m map[string]string) logs.Labels {
	var ls []logs.Label
	for k, v := range m {
		ls = append(ls, logs.Label{Name: k, Value: v})
	}
	return logs.Normalize(ls)
}

func TestServiceIsOfTheFirstLabelThatTells(t *testing.T) {
	for _, tt := range []struct {
		labels logs.Labels
		want   string
	}{
		{logs.LabelsOf("service", "a", "app", "b"), "a"},
		{logs.LabelsOf("container", "c", "pod", "p"), "c"},
		{logs.LabelsOf("job", "a/b"), "a/b"},
		{logs.LabelsOf("pod", "p"), "unknown_service"},
		{nil, "unknown_service"},
	} {
		if got := Service(tt.labels); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.labels, got, tt.want)
		}
	}
}

func FuzzLevel(f *testing.F) {
	f.Add(`{"level":"info","a":{"b":[1,"\u0041"]}}`)
	f.Add(`level="warn" x=1 msg="a b"`)
	f.Add("ERROR: it is")
	f.Fuzz(func(t *testing.T, line string) {
		if got := Level(nil, nil, line); got != Unknown && levels[got] != got {
			t.Errorf("%q is no level", got)
		}
	})
}

func BenchmarkLevel(b *testing.B) {
	const line = "2026-11-21 12:00:00,123\tINFO worker.py:1234 -- Calling ray.init() again after it has been called, on 10.0.0.1"
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		Level(nil, nil, line)
	}
}
