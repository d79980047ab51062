package pipe

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// terminal is what Ray writes to its terminal with RAY_LOG_TO_STDERR=1, and what
// stands there beside it.
const terminal = `[2022-01-24 19:42:02,978 I 1829336 1829336] (gcs_server) grpc_server.cc:103: GcsServer server started, listening on port 50009.
[2022-01-24 19:42:06,696 I 1829415 1829415] (raylet) grpc_server.cc:103: ObjectManager server started, listening on port 40545.
  goes on without a head
2022-01-24 19:42:05,087 INFO (dashboard) dashboard.py:95 -- Setup static dir for dashboard: /mnt/data/workspace/ray/python/ray/dashboard/client/build
2022-01-24 19:42:07,500 INFO (dashboard_agent) agent.py:105 -- Dashboard agent grpc address: 0.0.0.0:49228
2026-11-21 05:11:09,202	WARNING (monitor) monitor.py:319 -- text
[2026-11-21 05:11:10,001 E 498 498] (python-core-worker-0123456789abcdef0123456789abcdef0123456789abcdef01234567) core_worker.cc:1: text
:job_id:01000000
a print of a worker
`

func TestLinesOfATerminalGetTheirComponent(t *testing.T) {
	r := newReceiver(t)
	p := newPipe(t, r, strings.NewReader("before all\n"+terminal))
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, l := range r.lines {
		got[l.line] = l.labels.Get("component") + " " + l.meta.Get("detected_level")
		if l.line[0] == '[' && !strings.HasPrefix(l.line[1:], time.Unix(0, l.at).UTC().Format(time.DateTime)) {
			t.Errorf("%q is at %s", l.line, time.Unix(0, l.at).UTC())
		}
	}
	want := map[string]string{"before all": "container "}
	of := []string{
		"gcs info", "raylet info", "raylet info", "dashboard info", "dashboard-agent info", "autoscaler warn",
		"core-worker error", "worker ", "worker ",
	}
	for i, line := range strings.Split(strings.TrimSuffix(terminal, "\n"), "\n") {
		want[line] = of[i]
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("component and level of lines (-want +got):\n%s", d)
	}
}
