package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestRequestsAreReadUpToAHalfLine(t *testing.T) {
	const log = `{"verb":"create","objectRef":{"resource":"pods"}}
{"verb":"patch","objectRef":{"resource":"rayclusters","subresource":"status"}}
{"verb":"create","objectRef":{"resource":"selfsubjectaccessreviews"}}
{"verb":"wat`
	all, to, err := readRequests(strings.NewReader(log), 100)
	if err != nil || len(all) != 3 || to != 100+int64(strings.LastIndex(log, "\n"))+1 {
		t.Fatalf("%d requests up to %d: %v", len(all), to, err)
	}
	if !all[0].writing() || !all[1].writing() || all[2].writing() {
		t.Errorf("pods and a status are written, a question about rights is none: %+v", all)
	}
}

func TestWhatTheKernelTellsOfAProcess(t *testing.T) {
	took, err := cpuOf([]byte("7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1 1 1"))
	if err != nil || took != 3*time.Second {
		t.Errorf("%s of processors, want 3s: %v", took, err)
	}
	most, err := peakOf("Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t  128 kB\n")
	if err != nil || most != 128<<10 {
		t.Errorf("%d bytes, want 128 KiB: %v", most, err)
	}
	if _, err := cpuOf([]byte("7 (a")); err == nil {
		t.Error("half a line is taken for a whole one")
	}
}

func TestTheReportSaysWhatIsMissed(t *testing.T) {
	var out bytes.Buffer
	report(&out, []result{
		{name: "kuberay", clusters: 2, all: 4, pods: 9 * time.Second, ready: 9 * time.Second, cpu: 2 * time.Second, peak: 90},
		{name: ours, clusters: 2, all: 4, pods: 3 * time.Second, ready: 6 * time.Second, cpu: time.Second, peak: 30, writes: []request{{Verb: "patch"}}},
	}, time.Minute)
	for _, line := range []string{
		"time to all pods   0.33  (at most 0.33: met)",
		"time to all ready  0.67  (at most 0.33: MISSED)",
		"CPU                0.50  (at most 0.50: met)",
		"writes when quiet  1     (at most 0.00: MISSED)",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in\n%s", line, out.String())
		}
	}
}

func TestManifestsAreRead(t *testing.T) {
	c, err := cluster("c-1", 4, 0)
	if err != nil || c.GetName() != "c-1" || c.GetKind() != "RayCluster" {
		t.Errorf("%v: %v", c, err)
	}
	if got := quantile([]time.Duration{3, 1, 2}, 0.99); got != 3 {
		t.Errorf("the slowest is %d", got)
	}
}
