package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// However many lines there are, and however many share a time, --limit 0 prints
// each once and in order; a limit cuts exactly.
func TestQueryPages(t *testing.T) {
	srv := newFakeServer(t)
	a, _, _ := testApp(nil)
	now := a.now().UnixNano()
	var want []string
	for i := range 12_003 {
		at := now - int64(100*24*time.Hour) + int64(i/7)*int64(time.Hour) + 5
		srv.lines = append(srv.lines, fakeLine{at, fmt.Sprintf("line %d", i)})
		want = append(want, fmt.Sprintf("line %d", i))
	}
	for _, tc := range []struct {
		flags []string
		want  []string
		count int
	}{
		{[]string{"--forward", "--limit", "0"}, want, 0},
		{[]string{"--forward", "--limit", "5003"}, want[:5003], 0},
		{[]string{"--forward", "--limit", "1"}, want[:1], 0},
		{[]string{"--limit", "0"}, nil, 12_003},
		{[]string{"--limit", "7005"}, nil, 7005},
	} {
		a, stdout, stderr := testApp(map[string]string{"REMORA_ADDR": srv.URL})
		status := a.run(t.Context(), append([]string{"query", `{job="x"}`, "--since", "101d", "--output", "raw"}, tc.flags...))
		got := strings.Split(strings.TrimSpace(stdout.String()), "\n")
		if status != 0 {
			t.Fatalf("%v: status %d, %s", tc.flags, status, stderr)
		}
		if tc.want == nil { // backwards, in any order where times are equal
			tc.want = slices.Clone(want[len(want)-tc.count:])
			slices.Sort(tc.want)
			slices.Sort(got)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%v: %.2000s", tc.flags, diff)
		}
	}
}

// Lines too long for a whole page in one answer come in smaller pages.
func TestQueryShrinksPages(t *testing.T) {
	srv := newFakeServer(t)
	srv.most = 1000
	a, stdout, stderr := testApp(map[string]string{"REMORA_ADDR": srv.URL})
	for i := range 3000 {
		srv.lines = append(srv.lines, fakeLine{a.now().UnixNano() - int64(i), "x"})
	}
	status := a.run(t.Context(), []string{"query", `{job="x"}`, "--limit", "0", "--output", "raw"})
	if n := strings.Count(stdout.String(), "\n"); status != 0 || n != 3000 {
		t.Errorf("status %d, %d lines: %s", status, n, stderr)
	}
}

func TestQueryTellsOfMore(t *testing.T) {
	srv := newFakeServer(t)
	a, _, stderr := testApp(map[string]string{"REMORA_ADDR": srv.URL})
	for i := range 3 {
		srv.lines = append(srv.lines, fakeLine{a.now().UnixNano() - int64(i), "x"})
	}
	a.run(t.Context(), []string{"query", `{job="x"}`, "--limit", "2"})
	if !strings.Contains(stderr.String(), "that is 2 lines, there may be more: --limit 0 prints all") {
		t.Errorf("stderr: %s", stderr)
	}
}

// A tail whose connections break prints every line once, also those that were
// logged while it was away.
func TestTailReconnects(t *testing.T) {
	srv := newFakeServer(t)
	a, stdout, stderr := testApp(map[string]string{"REMORA_ADDR": srv.URL})
	base := a.now().UnixNano()
	var want []string
	add := func() {
		n := len(want)
		want = append(want, fmt.Sprintf("line %d", n))
		// Two lines share each time.
		srv.add(fakeLine{base + int64(n/2), want[n]})
	}
	printed := func() bool { return strings.Count(stdout.String(), "\n") >= min(len(want), 10)+max(0, len(want)-16) }
	for range 16 {
		add()
	}
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int)
	go func() { status <- a.run(ctx, []string{"tail", `{job="x"}`, "--output", "raw"}) }()
	for range 3 {
		eventually(t, "a connection", func() bool { return srv.tailing() == 1 })
		add()
		eventually(t, "the line", printed)
		srv.cut()
		add()
		add()
	}
	eventually(t, "the lines between", printed)
	cancel()
	if got := <-status; got != 0 {
		t.Errorf("status %d, %s", got, stderr)
	}
	got := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	slices.Sort(got)
	want = want[6:]
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(stderr.String(), "trying again in") {
		t.Errorf("stderr: %s", stderr)
	}
}
