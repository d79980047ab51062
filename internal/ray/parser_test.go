package ray

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testSession = "session_2026-11-21_05-06-01_604983_1"

func at(s string) int64 {
	t, err := time.Parse("2006-01-02 15:04:05.999999999", s)
	if err != nil {
		panic(err)
	}
	return t.UnixNano()
}

// parse reads text as the lines of the file at path.
func parse(path, text string) []Line {
	p := NewParser(ParsePath(path), Context{Session: testSession})
	var lines []Line
	for s := range strings.Lines(text) {
		var l Line
		p.Line([]byte(strings.TrimSuffix(s, "\n")), &l)
		lines = append(lines, l)
	}
	return lines
}

func TestLineHeads(t *testing.T) {
	out := "worker-" + testWorker + "-01000000-793.out"
	errFile := "worker-" + testWorker + "-01000000-793.err"
	worker := Line{PID: 793, WorkerID: testWorker, JobID: "01000000"}
	with := func(l Line, change func(*Line)) Line { change(&l); return l }
	for _, c := range []struct {
		name, path, line string
		want             Line
	}{
		{
			"the C++ side", "raylet.out", "[2026-11-21 05:06:02,123 W 22 31] (raylet) node_manager.cc:1: text",
			Line{Time: at("2026-11-21 05:06:02.123"), Level: "warn", PID: 22},
		},
		{
			"fatal on the C++ side", "gcs_server.out", "[2026-11-21 05:06:02,123 C 13 13] (gcs_server) grpc_server.cc:134: Check failed: x",
			Line{Time: at("2026-11-21 05:06:02.123"), Level: "critical", PID: 13},
		},
		{
			"a second sink copies errors", "gcs_server.err", "[2026-11-21 05:06:02,123 E 13 13] (gcs_server) x.cc:1: text",
			Line{Time: at("2026-11-21 05:06:02.123"), Level: "error", PID: 13, Copy: true},
		},
		{
			"the C++ side as JSON", "raylet.out", `{"asctime":"2026-11-21 05:06:02,123","levelname":"I","message":"a \"b\\","component":"raylet","filename":"main.cc","lineno":283}`,
			Line{Time: at("2026-11-21 05:06:02.123"), Level: "info"},
		},
		{
			"a Python component", "dashboard.log", "2026-11-21 05:06:02,123\tERROR utils.py:319 -- text",
			Line{Time: at("2026-11-21 05:06:02.123"), Level: "error"},
		},
		{
			"gRPC's own form", "raylet.err", "E1121 05:43:37.742374091      11 chttp2_server.cc:1059] UNKNOWN",
			Line{Time: at("2026-11-21 05:43:37.742374091"), Level: "error"},
		},
		{
			"Serve", "serve/replica_shop_Price_4oos3ic5.log", "WARNING 2026-11-21 05:15:41,938 shop_Price 4oos3ic5 f5228911-39b1 -- CALL get OK 3.5ms",
			Line{Time: at("2026-11-21 05:15:41.938"), Level: "warn", Application: "shop", Deployment: "Price", Replica: "4oos3ic5", Request: "f5228911-39b1"},
		},
		{
			"Serve without a request", "serve/replica_shop_Price_4oos3ic5.log", "INFO 2026-11-21 05:15:41,938 shop_Price 4oos3ic5 -- Started -- it",
			Line{Time: at("2026-11-21 05:15:41.938"), Level: "info", Application: "shop", Deployment: "Price", Replica: "4oos3ic5"},
		},
		{
			"an old Serve", "serve/deployment_SayHello_SayHello#kKGBoa.log", "INFO 2026-11-21 05:15:41,938 SayHello SayHello#kKGBoa monitoring.py:13 - Hello",
			Line{Time: at("2026-11-21 05:15:41.938"), Level: "info", Deployment: "SayHello", Replica: "kKGBoa"},
		},
		{
			"an event", "events/event_RAYLET.log", `{"custom_fields":{"job_id":"01000000","node_id":"` + testNode + `","worker_id":"` + testWorker + `"},"event_id":"e4","label":"RAY_WORKER_FAILURE","message":"a {b","severity":"ERROR","timestamp":1795237955}`,
			Line{Time: 1795237955e9, Level: "error", JobID: "01000000", WorkerID: testWorker},
		},
		{
			"an event of Python's", "events/event_JOBS.log", `{"event_id": "aF", "source_type": "JOBS", "message": "Started", "timestamp": "1795237955", "custom_fields": {"submission_id": "job-ok"}, "severity": "INFO"}`,
			Line{Time: 1795237955e9, Level: "info", SubmissionID: "job-ok"},
		},
		{
			"an export event", "export_events/event_EXPORT_TASK_459.log", `{"event_data":{"attempt_number":1,"job_id":"AgAAAA==","task_id":"4ILJCrhCKwD///////////////8CAAAA"},"event_id":"a6","source_type":"EXPORT_TASK","timestamp":1795238691}`,
			Line{Time: 1795238691e9, JobID: "02000000", TaskID: "e082c90ab8422b00ffffffffffffffffffffffff02000000", Attempt: "1", PID: 459},
		},
		{"plain output", out, "hello", worker},
		{"a user's logging", out, "2026-11-21 05:06:02,123 - app - WARNING - text", with(worker, func(l *Line) { l.Time, l.Level = at("2026-11-21 05:06:02.123"), "warn" })},
		{"a user's logging without time", out, "ERROR:root:text", with(worker, func(l *Line) { l.Level = "error" })},
		{"RFC 3339", out, "2026-11-21T05:06:02.5+01:00 text", with(worker, func(l *Line) { l.Time = at("2026-11-21 04:06:02.5") })},
		{"a time before the session is text", out, "2020-01-01 00:00:00,000 ERROR text", worker},
		{"another process's C++ line is text", out, "[2026-11-21 05:06:02,123 E 1 1] (raylet) fake.cc:1: text", worker},
		{"its own C++ line", errFile, "[2026-11-21 05:06:02,123 E 793 1] logging.cc:474: *** SIGSEGV", with(worker, func(l *Line) { l.Time, l.Level, l.Copy = at("2026-11-21 05:06:02.123"), "error", true })},
		{"a progress bar", out, `{"__magic_token__": "__ray_tqdm_magic_token__", "x": 1}`, with(worker, func(l *Line) { l.Magic = true })},
		{"user JSON", out, `{"level": "error", "worker_id": "x"}`, with(worker, func(l *Line) { l.Level = "error" })},
		{"user JSON without level", out, `{"loss": 1, "worker_id": "x"}`, worker},
		{"a user's logging with its name first", out, "2026-11-21 05:06:02,123 app.x ERROR text", with(worker, func(l *Line) { l.Time, l.Level = at("2026-11-21 05:06:02.123"), "error" })},
		{"cut JSON", out, `{"asctime": "2026-11-21 05:06:02,123", "levelname": "INFO", "message": "`, worker},
		{"nothing", out, "\n", worker},
		{
			"a copy in a driver's output", "job-driver-s1.log", "\x1b[36m(part pid=417)\x1b[0m text",
			Line{SubmissionID: "s1", Copy: true},
		},
		{
			"a copy of the raylet's words", "job-driver-s1.log", "(raylet, ip=10.0.0.4) text",
			Line{SubmissionID: "s1", Copy: true},
		},
		{
			"another node's raylet in a driver's output", "job-driver-s1.log", "    [2026-11-21 05:06:02,123 I 22 31] (raylet) x.cc:1: text",
			Line{SubmissionID: "s1", Copy: true},
		},
		{
			"a driver's own parenthesis", "job-driver-s1.log", "(done) text",
			Line{SubmissionID: "s1"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, parse(c.path, c.line)[0]); diff != "" {
				t.Errorf("%s: %q (-want +got):\n%s", c.path, c.line, diff)
			}
		})
	}
}

func TestContainerOutput(t *testing.T) {
	p := NewParser(File{Path: "container.log", Component: ComponentContainer, Format: FormatContainer, Output: "log"}, Context{Session: testSession})
	var got []Line
	for _, s := range []string{
		"[2026-11-21 05:06:02,123 I 498 498] (python-core-worker-" + testWorker + ") x.cc:1: text",
		"[2026-11-21 05:06:02,123 I 498 498] (raylet) x.cc:1: text",
		"----- BEGIN raylet.out tail (exit code(s)=-9 (signal 9)) -----",
		"[2026-11-21 05:06:01,123 I 12 12] (raylet) x.cc:1: text",
		"----- END raylet.out tail -----",
		"Remaining processes will be killed.",
		"2026-11-21 05:11:09,087 INFO (dashboard) dashboard.py:95 -- text",
		"2026-11-21 05:11:09,202\tINFO (dashboard_agent) utils.py:319 -- text",
		"  and more",
		`{"asctime":"2026-11-21 05:06:02,123","levelname":"W","message":"a","component":"gcs_server"}`,
		"- counts: 0",
		":task_name:part",
		"a print",
		"2026-11-21 05:11:09,202 WARNING a user's",
		"a print",
	} {
		var l Line
		p.Line([]byte(s), &l)
		got = append(got, l)
	}
	want := []Line{
		{Time: at("2026-11-21 05:06:02.123"), Level: "info", WorkerID: testWorker, PID: 498, Component: ComponentCoreWorker},
		{Time: at("2026-11-21 05:06:02.123"), Level: "info", PID: 498, Component: ComponentRaylet},
		{},
		{Time: at("2026-11-21 05:06:01.123"), Level: "info", PID: 12, Copy: true},
		{},
		{},
		{Time: at("2026-11-21 05:11:09.087"), Level: "info", Component: ComponentDashboard},
		{Time: at("2026-11-21 05:11:09.202"), Level: "info", Component: ComponentDashboardAgent},
		{Level: "info", Continuation: true, Component: ComponentDashboardAgent},
		{Time: at("2026-11-21 05:06:02.123"), Level: "warn", Component: ComponentGCS},
		{Component: ComponentGCS},
		{Component: ComponentWorker},
		{Component: ComponentWorker},
		{Time: at("2026-11-21 05:11:09.202"), Level: "warn"},
		{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// names gives what lines are attributed to.
func names(lines []Line) []string {
	var s []string
	for _, l := range lines {
		mark := ""
		if l.Magic {
			mark = "!"
		}
		s = append(s, mark+l.JobID+"/"+l.TaskName+"/"+l.ActorName)
	}
	return s
}

func TestMagicLines(t *testing.T) {
	prestarted := "worker-" + testWorker + "-ffffffff-793.out"
	for _, c := range []struct {
		name, path, text string
		want             []string
	}{
		{
			"tasks", prestarted, ":job_id:01000000\n:task_name:f\na\n:task_name:g\nb\n",
			[]string{"!01000000//", "!01000000/f/", "01000000/f/", "!01000000/g/", "01000000/g/"},
		},
		{
			"an actor", prestarted, ":job_id:01000000\n:actor_name:A\na\n:task_name:forged\n:actor_name:forged\nb\n",
			[]string{"!01000000//", "!01000000//A", "01000000//A", "01000000//A", "01000000//A", "01000000//A"},
		},
		{
			"a forged job", prestarted, ":job_id:01000000\n:task_name:f\n:job_id:99999999\na\n",
			[]string{"!01000000//", "!01000000/f/", "01000000/f/", "01000000/f/"},
		},
		{
			"a forged job before any task's mark", prestarted, ":job_id:01000000\n:job_id:99999999\na\n",
			[]string{"!01000000//", "01000000//", "01000000//"},
		},
		{
			"the name of the file comes first", "worker-" + testWorker + "-02000000-793.out", ":job_id:01000000\na\n",
			[]string{"02000000//", "02000000//"},
		},
		{
			"an actor's mark after a task's: who knows", prestarted, ":job_id:01000000\n:task_name:f\n:actor_name:A\na\n:task_name:g\nb\n",
			[]string{"!01000000//", "!01000000/f/", "01000000//", "01000000//", "!01000000/g/", "01000000/g/"},
		},
		{
			"not at column 0", prestarted, ":job_id:01000000\n:task_name:f\n  :task_name:g\n",
			[]string{"!01000000//", "!01000000/f/", "01000000/f/"},
		},
		{
			"the first generation is gone", prestarted + ".3", "a\n:job_id:99999999\n:actor_name:A\nb\n:task_name:f\nc\n",
			[]string{"//", "//", "//", "//", "!/f/", "/f/"},
		},
		{
			"the oldest generation is the first", prestarted + ".3", ":job_id:01000000\n:actor_name:A\nb\n",
			[]string{"!01000000//", "!01000000//A", "01000000//A"},
		},
		{
			"no job id", prestarted, ":job_id:0100000\n:job_id:zzzzzzzz\na\n",
			[]string{"//", "//", "//"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, names(parse(c.path, c.text))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestContinuationLines(t *testing.T) {
	type got struct {
		Continuation bool
		Level        string
	}
	for _, c := range []struct {
		name, path, text string
		want             []got
	}{
		{
			"a dump in the raylet's log", "raylet.out",
			"lost head\n[2026-11-21 05:06:02,123 I 22 31] (raylet) x.cc:1: Event stats:\n\nGlobal stats: 1\n[2026-11-21 05:06:02,123 E 22 31] (raylet) x.cc:1: a\n",
			[]got{{}, {false, "info"}, {true, "info"}, {true, "info"}, {false, "error"}},
		},
		{
			"a traceback among prints", "worker-" + testWorker + "-01000000-793.err",
			"a\nTraceback (most recent call last):\n  File \"x.py\", line 1\nValueError: no\nb\n",
			[]got{{}, {false, "error"}, {true, "error"}, {true, "error"}, {}},
		},
		{
			"chained exceptions", "worker-" + testWorker + "-01000000-793.err",
			"Traceback (most recent call last):\n  File \"x.py\", line 1\nKeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"x.py\", line 2\nValueError: no\nb\n",
			[]got{{false, "error"}, {true, "error"}, {true, "error"}, {true, "error"}, {true, "error"}, {true, "error"}, {true, "error"}, {true, "error"}, {true, "error"}, {}},
		},
		{
			"a logged traceback", "worker-" + testWorker + "-01000000-793.err",
			"2026-11-21 05:06:02,123\tERROR app.py:1 -- broke\nTraceback (most recent call last):\n  File \"x.py\", line 1\nValueError: no\nb\n",
			[]got{{false, "error"}, {true, "error"}, {true, "error"}, {true, "error"}, {}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var have []got
			for _, l := range parse(c.path, c.text) {
				have = append(have, got{l.Continuation, l.Level})
			}
			if diff := cmp.Diff(c.want, have); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// structured is a line of Ray's structured logging.
func structured(job, worker, actor, task string) string {
	return `{"asctime": "2026-11-21 05:12:59,061", "levelname": "INFO", "message": "m", "filename": "a.py", "lineno": 18, "process": 573, "tags": ["a", {"b": "]"}], "job_id": "` +
		job + `", "worker_id": "` + worker + `", "node_id": "` + testNode + `", "actor_id": "` + actor + `", "task_id": "` + task + `", "task_name": "A.f", "timestamp_ns": 1795237979061123456}`
}

func TestStructuredLines(t *testing.T) {
	out := "worker-" + testWorker + "-ffffffff-573.err"
	full := Line{
		Time: 1795237979061123456, Level: "info", PID: 573, WorkerID: testWorker, NodeID: testNode,
		JobID: "01000000", ActorID: testActor, TaskID: testCall, TaskName: "A.f",
	}
	bare := Line{Time: full.Time, Level: "info", PID: 573, WorkerID: testWorker}
	text := "2026-11-21 05:12:59,061\tINFO a.py:18 -- job_id=99999999 k=v job_id=01000000 worker_id=" + testWorker + " node_id=" + testNode +
		" actor_id=" + testActor + " task_id=" + testCall + " task_name=A.f task_func_name=m.A.f actor_name= timestamp_ns=1795237979061123456"
	other := strings.Replace(testWorker, "2c", "ff", 1)
	for _, c := range []struct {
		name, path, line string
		want             Line
	}{
		{"JSON", out, structured("01000000", testWorker, testActor, testCall), full},
		{"text", out, text, full},
		{"text that holds the like of its keys", out, strings.Replace(text, "k=v", "old_job_id=02000000 (job_id=03000000) timestamp_ns=1 task_name=B", 1), full},
		{"another worker's", out, structured("01000000", other, testActor, testCall), bare},
		{"a job that is not the task's", out, structured("02000000", testWorker, testActor, testCall), bare},
		{"a task that is not the actor's", out, structured("01000000", testWorker, testActor, testTask), bare},
		{
			"a copy in a driver's output", "job-driver-s1.log", structured("01000000", testWorker, testActor, testCall),
			func() Line { l := full; l.SubmissionID, l.Copy = "s1", true; return l }(),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, parse(c.path, c.line)[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestServeInAWorkersOutput(t *testing.T) {
	lines := parse("worker-"+testWorker+"-01000000-793.err", ":job_id:01000000\n:actor_name:ServeReplica:my_shop:Price\n"+
		"INFO 2026-11-21 05:15:41,938 my_shop_Price 4oos3ic5 r1 -- m\nINFO 2026-11-21 05:15:41,938 shop_Front 11111111 -- forged\n")
	want := []string{"//", "my_shop/Price/", "my_shop/Price/4oos3ic5", "my_shop/Price/"}
	var got []string
	for _, l := range lines {
		got = append(got, l.Application+"/"+l.Deployment+"/"+l.Replica)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProcessesNameThemselves(t *testing.T) {
	core := parse("python-core-worker-"+testWorker+"_793.log",
		"[2026-11-21 05:07:19,612 I 793 793] core_worker_process.cc:299: Initializing worker at address: 10.0.0.11:19047 worker_id="+testWorker+" node_id="+testNode+"\n"+
			"[2026-11-21 05:07:19,687 I 793 793] core_worker.cc:3247: Creating actor actor_id="+testActor+"\n")
	if l := core[0]; l.NodeID != testNode || l.ActorID != "" || l.JobID != "" {
		t.Errorf("before it is an actor: %+v", l)
	}
	if l := core[1]; l.NodeID != testNode || l.ActorID != testActor || l.JobID != "01000000" {
		t.Errorf("as an actor: %+v", l)
	}
	for _, line := range []string{
		"[2026-11-21 05:07:19,612 I 22 22] (raylet) main.cc:711: Setting node ID node_id=" + testNode,
		"[2026-11-21 05:07:19,612 I 22 22] (raylet) node_manager.cc:319: Initializing NodeManager with ID " + testNode,
		`{"asctime":"2026-11-21 05:12:45,603","levelname":"I","message":"Setting node ID","component":"raylet","filename":"main.cc","lineno":711,"node_id":"` + testNode + `"}`,
	} {
		if l := parse("raylet.out", line)[0]; l.NodeID != testNode {
			t.Errorf("node of %q is %q", line, l.NodeID)
		}
	}
}

func TestZoneOfTheNode(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	p := NewParser(ParsePath("raylet.out"), Context{Session: "session_2026-10-24_12-00-00_000000_1", Location: berlin})
	for _, c := range []struct{ line, want string }{
		{"[2026-10-25 01:59:59,999 I 1 1] (raylet) x", "2026-10-24 23:59:59.999"},
		{"[2026-10-25 03:00:00,000 I 1 1] (raylet) x", "2026-10-25 02:00:00"},
	} {
		var l Line
		p.Line([]byte(c.line), &l)
		if l.Time != at(c.want) {
			t.Errorf("%s is %v, want %s UTC", c.line, time.Unix(0, l.Time).UTC(), c.want)
		}
	}
}

func TestStateGoesOnAfterRotationAndRestart(t *testing.T) {
	f := ParsePath("worker-" + testWorker + "-ffffffff-793.out")
	p := NewParser(f, Context{Session: testSession})
	var l Line
	for _, s := range []string{":job_id:01000000", ":actor_name:ServeReplica:shop:Price", "Traceback (most recent call last):"} {
		p.Line([]byte(s), &l)
	}
	state := p.AppendState(nil)
	if len(state) > 100 {
		t.Errorf("a state of %d bytes", len(state))
	}
	q := NewParser(f, Context{Session: testSession})
	if err := q.Restore(state); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`  File "x.py", line 1`, ":job_id:99999999", "text"} {
		var want, got Line
		p.Line([]byte(s), &want)
		q.Line([]byte(s), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", s, diff)
		}
		if got.JobID != "01000000" || got.ActorName != "ServeReplica:shop:Price" || got.Deployment != "Price" {
			t.Errorf("%q is of %+v", s, got)
		}
	}
}

func TestDamagedState(t *testing.T) {
	whole := NewParser(ParsePath("raylet.out"), Context{}).AppendState(nil)
	for _, state := range [][]byte{nil, {}, {99, 0, 0, 0, 0}, whole[:len(whole)-1], append(bytes.Clone(whole), 0), {1, 0, 9, 0, 0, 0, 0, 0, 0, 0}} {
		p := NewParser(ParsePath("worker-"+testWorker+"-ffffffff-793.out"), Context{})
		if err := p.Restore(state); err == nil {
			t.Errorf("Restore(%x) took a damaged state", state)
		}
		var l Line
		p.Line([]byte(":job_id:99999999"), &l)
		if l.JobID != "" {
			t.Errorf("after a damaged state, the middle of a stream names job %s", l.JobID)
		}
	}
}
