package ray

import (
	"strings"
	"testing"
)

func BenchmarkLine(b *testing.B) {
	worker := "worker-" + testWorker + "-01000000-793.out"
	for _, c := range []struct{ name, path, line string }{
		{"print", worker, "@@ n=0 some text that a user printed, of the usual length for a line of this kind, 17 of 20"},
		{"cpp", "raylet.out", "[2026-11-21 05:06:02,123 I 22 31] (raylet) node_manager.cc:1477: Disconnecting worker, graceful=true, disconnect_type=1, has_creation_task_exception=false"},
		{"core-worker", "python-core-worker-" + testWorker + "_793.log", "[2026-11-21 05:07:19,611 I 793 793] event.cc:499: Ray Event initialized for CORE_WORKER and some more text of it"},
		{"python", "dashboard.log", "2026-11-21 05:46:31,910\tINFO web_log.py:229 -- 127.0.0.1 [21/Nov/2026:05:46:31 +0000] 'GET /api/jobs/ HTTP/1.1' 200 693 bytes 16738 us '-' 'python-requests/2.34.2'"},
		{"logging", worker, "2026-11-21 05:46:31,910\tINFO train.py:229 -- epoch 17 step 4711 loss 0.123 lr 0.0001 tokens/s 12345.6"},
		{"copy", "job-driver-s.log", "\x1b[36m(train pid=417)\x1b[0m epoch 17 step 4711 loss 0.123 lr 0.0001 tokens/s 12345.6"},
		{"serve", "serve/replica_shop_Price_4oos3ic5.log", "INFO 2026-11-21 05:15:41,938 shop_Price 4oos3ic5 f5228911-39b1-492a-af76-d275adb4caba -- CALL get OK 3.5ms"},
		{"traceback", "worker-" + testWorker + "-01000000-793.err", "  File \"/opt/ray/lib/python3.11/site-packages/ray/_private/worker.py\", line 22, in auto_init_wrapper"},
		{"json", "worker-" + testWorker + "-01000000-793.err", structured("01000000", testWorker, testActor, testCall)},
		{"text", worker, structuredText()},
		{"event", "events/event_RAYLET.log", `{"custom_fields":{"job_id":"01000000","node_id":"` + testNode + `","worker_id":"` + testWorker + `"},"event_id":"e4","label":"RAY_WORKER_FAILURE","message":"` + strings.Repeat("text ", 80) + `","severity":"ERROR","timestamp":1795237955}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := NewParser(ParsePath(c.path), Context{Session: testSession})
			line := []byte(c.line)
			var l Line
			p.Line(line, &l)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				p.Line(line, &l)
			}
		})
	}
}

// structuredText is a structured line of a task in the text form.
func structuredText() string {
	return "2026-11-21 05:12:59,061\tINFO train.py:88 -- epoch 17 step 4711 loss 0.123 lr 0.0001 tokens/s 12345.6 job_id=01000000 worker_id=" + testWorker +
		" node_id=" + testNode + " task_id=" + testCall + " task_name=train task_func_name=train.train timestamp_ns=1795237979061123456"
}

func TestNoAllocationInSteadyState(t *testing.T) {
	for _, c := range []struct{ path, line string }{
		{"worker-" + testWorker + "-01000000-793.out", "text"},
		{"raylet.out", "[2026-11-21 05:06:02,123 I 22 31] (raylet) x.cc:1: text"},
		{"worker-" + testWorker + "-01000000-793.err", structured("01000000", testWorker, testActor, testCall)},
		{"worker-" + testWorker + "-01000000-793.err", structuredText()},
		{"export_events/event_EXPORT_TASK_459.log", `{"event_data":{"attempt_number":1,"job_id":"AgAAAA==","task_id":"4ILJCrhCKwD///////////////8CAAAA"},"timestamp":1795238691}`},
		{"serve/replica_shop_Price_4oos3ic5.log", "INFO 2026-11-21 05:15:41,938 shop_Price 4oos3ic5 f5228911 -- CALL get OK 3.5ms"},
	} {
		p := NewParser(ParsePath(c.path), Context{Session: testSession})
		line := []byte(c.line)
		var l Line
		if n := testing.AllocsPerRun(100, func() { p.Line(line, &l) }); n != 0 {
			t.Errorf("%s: %v allocations for %q", c.path, n, c.line)
		}
	}
}
