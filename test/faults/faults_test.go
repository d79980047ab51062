package main

import (
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/client"
	"github.com/remora-ray/remora/internal/logs"
)

// The proof is worth what it notices.
func TestJudgeNotices(t *testing.T) {
	for _, test := range []struct {
		name                  string
		stored                func(s *stream) []string
		lost, twice, disorder int
	}{
		{"all well", func(s *stream) []string { return []string{s.text(0), s.text(1), s.text(2)} }, 0, 0, 0},
		{"one lost", func(s *stream) []string { return []string{s.text(0), s.text(2)} }, 1, 0, 0},
		{"one twice", func(s *stream) []string { return []string{s.text(0), s.text(1), s.text(1), s.text(2)} }, 0, 1, 0},
		{"out of order", func(s *stream) []string { return []string{s.text(0), s.text(2), s.text(1)} }, 0, 0, 1},
		{"cut short", func(s *stream) []string { return []string{s.text(0), s.text(1)[:15], s.text(2)} }, 2, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{writers: &writers{}, table: newTable()}
			s := w.writers.stream("session_1", "worker.out", plain)
			s.next().born = time.Now()
			s.lines = 3
			r := &row{}
			j := &judge{world: w, row: r, streams: w.writers.all(), times: [][]int{make([]int, 3)}, last: []int{-1}, latest: []int64{0}, behind: map[int]int{}, split: map[string]*piece{}, gap: map[string]bool{}}
			for i, text := range test.stored(s) {
				j.take(&client.Line{Time: int64(i), Line: text, Stream: logs.LabelsOf("session", "session_1", "filename", "worker.out")})
			}
			w.account(s, j.times[0], nil, r)
			if r.lost != test.lost || r.twice != test.twice || r.disorder != test.disorder {
				t.Errorf("lost %d, twice %d, out of order %d; want %d, %d, %d", r.lost, r.twice, r.disorder, test.lost, test.twice, test.disorder)
			}
			if w.table.failed() != (test.name != "all well") {
				t.Errorf("failed is %v", w.table.failed())
			}
		})
	}
}

func TestWhatTheAgentCouldSee(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	w := &watch{
		spans:  []span{{from: at(0), to: at(1000)}, {from: at(2000), to: at(3000), slow: true}},
		stalls: []stall{{at(500), at(520), 100 * time.Millisecond}},
	}
	for _, test := range []struct {
		name          string
		born, removed int
		want          sight
	}{
		{"while it ran", 100, 300, plainly},
		{"hardly there", 100, 120, blind},
		{"while it was busy", 450, 600, rushed},
		{"after it was killed", 1100, 1900, blind},
		{"known before it was killed", 800, 1500, plainly},
		{"while it scanned only", 2100, 2900, blind},
	} {
		if got := w.of(&generation{born: at(test.born), removed: at(test.removed)}); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	if got := w.of(&generation{born: at(1100)}); got != plainly {
		t.Errorf("still there: %d", got)
	}
}
