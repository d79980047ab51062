package ray

import (
	"strings"
	"testing"
)

// file is one of a test's session: its path below logs/ and its text.
type file struct{ path, text string }

// feed reads files as a session's.
func feed(files []file, each func(f File, p *Parser, line []byte, l *Line)) {
	for _, f := range files {
		p := NewParser(ParsePath(f.path), Context{Session: testSession})
		for s := range strings.Lines(f.text) {
			var l Line
			line := []byte(strings.TrimSuffix(s, "\n"))
			p.Line(line, &l)
			each(ParsePath(f.path), p, line, &l)
		}
	}
}

func cpp(component, text string) string {
	return "[2026-11-21 05:07:19,612 I 793 793] (" + component + ") x.cc:1: " + text + "\n"
}

func TestIndexJoinsFiles(t *testing.T) {
	out := "worker-" + testWorker + "-ffffffff-793.out"
	serve := "serve/replica_shop_Price_4oos3ic5.log"
	files := []file{
		{"python-core-worker-" + testWorker + "_793.log", cpp("w", "Initializing worker at address: 10.0.0.11:1 worker_id="+testWorker+" node_id="+testNode) + cpp("w", "Creating actor actor_id="+testActor)},
		{"worker-" + testWorker + "-ffffffff-793.err", ":job_id:01000000\n:actor_name:ServeReplica:shop:Price\nINFO 2026-11-21 05:15:41,938 shop_Price 4oos3ic5 -- m\n"},
	}
	x := NewIndex()
	for _, f := range files {
		x.File(ParsePath(f.path))
	}
	feed(files, func(f File, _ *Parser, line []byte, l *Line) { x.Line(f, line, l) })

	l := Line{WorkerID: testWorker, PID: 793, ActorName: "ServeReplica:shop:Price"}
	x.Fill(ParsePath(out), true, &l)
	if l.JobID != "01000000" || l.ActorID != testActor || l.NodeID != testNode {
		t.Errorf("an actor's output: %+v", l)
	}
	if id, ok := x.Node(); !ok || id != testNode {
		t.Errorf("node %q, %v", id, ok)
	}
	l = Line{WorkerID: testWorker, PID: 793}
	x.Fill(ParsePath(out), true, &l)
	if l.ActorID != "" {
		t.Errorf("output from before it was an actor: %+v", l)
	}
	l = Line{WorkerID: testWorker, PID: 793}
	x.Fill(ParsePath(out+".3"), false, &l)
	if l.ActorID != testActor {
		t.Errorf("output whose beginning is gone: %+v", l)
	}
	l = Line{}
	x.Fill(ParsePath(serve), true, &l)
	if l.WorkerID != testWorker || l.PID != 793 || l.ActorID != testActor || l.JobID != "01000000" {
		t.Errorf("a replica's file: %+v", l)
	}
}

func TestIndexSaysNothingOfAReplicaInTwoWorkers(t *testing.T) {
	other := strings.Replace(testWorker, "2c", "ff", 1)
	text := ":job_id:01000000\n:actor_name:ServeReplica:shop:Price\nINFO 2026-11-21 05:15:41,938 shop_Price 4oos3ic5 -- m\n"
	x := NewIndex()
	feed([]file{{"worker-" + testWorker + "-01000000-1.err", text}, {"worker-" + other + "-01000000-2.err", text}},
		func(f File, _ *Parser, line []byte, l *Line) { x.Line(f, line, l) })
	var l Line
	x.Fill(ParsePath("serve/replica_shop_Price_4oos3ic5.log"), true, &l)
	if l != (Line{}) {
		t.Errorf("got %+v", l)
	}
}

const (
	task1 = "16310a0f0a45af5cffffffffffffffffffffffff01000000"
	task2 = "c2668a65bda616c1ffffffffffffffffffffffff01000000"
)

func debug(task, name string) string {
	return "[2026-11-21 05:07:19,612 D 793 793] core_worker.cc:1: Executing task, task info = Type=NORMAL_TASK, Language=PYTHON, Resources: {CPU: 1.0, }, function_descriptor={type=PythonFunctionDescriptor, module_name=m}, task_id=" +
		task + ", task_name=" + name + ", job_id=01000000, num_args=2\n"
}

func TestTasksInStepWithMarks(t *testing.T) {
	out, core := "worker-"+testWorker+"-01000000-793.out", "python-core-worker-"+testWorker+"_793.log"
	text := ":job_id:01000000\n:task_name:f\na\n:task_name:g\nb\n"
	for _, c := range []struct {
		name  string
		files []file
		want  [3]string // of the lines behind no, one and two marks
	}{
		{"a debug log", []file{{core, debug(task1, "f") + debug(task2, "g")}, {out, text}}, [3]string{"", task1, task2}},
		{"a forged mark", []file{{core, debug(task1, "f")}, {out, text}}, [3]string{}},
		{"other names", []file{{core, debug(task1, "f") + debug(task2, "h")}, {out, text}}, [3]string{}},
		{"the debug log's beginning is gone", []file{{core + ".1", debug(task1, "f") + debug(task2, "g")}, {out, text}}, [3]string{}},
		{"the output's beginning is gone", []file{{core, debug(task1, "f") + debug(task2, "g")}, {out + ".1", ":task_name:f\na\n:task_name:g\nb\n"}}, [3]string{}},
		{
			"structured lines in the other stream",
			[]file{
				{out, text},
				{"worker-" + testWorker + "-01000000-793.err", ":job_id:01000000\n:task_name:f\n:task_name:g\n" + strings.Replace(structured("01000000", testWorker, "", task2), `"actor_id": "", `, "", 1) + "\n"},
			},
			[3]string{"", "", task2},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := NewTasks()
			feed(c.files, func(f File, p *Parser, line []byte, l *Line) { x.Line(f, p.Whole(), line, l) })
			for n, want := range c.want {
				if got := x.Of(ParsePath(out), Place{Mark: n, Rotated: true}); got != want {
					t.Errorf("behind %d marks: %q, want %q", n, got, want)
				}
			}
		})
	}
}

func TestDrivers(t *testing.T) {
	registered := func(id, at string) string {
		return "[2026-11-21 05:" + at + ",000 I 13 13] (gcs_server) gcs_job_manager.cc:115: Registering job. job_id=" + id + " driver_pid=1\n"
	}
	event := func(sid, what string, at int64) string {
		return `{"event_id": "a", "source_type": "JOBS", "message": "` + what + `", "timestamp": "` + itoa(at/1e9) + `", "custom_fields": {"submission_id": "` + sid + `"}, "severity": "INFO"}` + "\n"
	}
	started, ended := at("2026-11-21 05:10:00"), at("2026-11-21 05:20:00")
	events := file{"events/event_JOBS.log", event("s1", "Started a ray job s1.", started) + event("s1", "Completed a ray job s1 with a status SUCCEEDED.", ended)}
	worker := file{"worker-" + testWorker + "-02000000-417.out", ":job_id:02000000\n"}
	output := file{"job-driver-s1.log", "shell: starts\n(part pid=417) text\n"}
	for _, c := range []struct {
		name  string
		files []file
		want  string
	}{
		{"one driver", []file{{"gcs_server.out", registered("02000000", "11:00")}, events, worker, output}, "02000000"},
		{"another job meanwhile", []file{{"gcs_server.out", registered("02000000", "11:00") + registered("03000000", "12:00")}, events, worker, output}, ""},
		{"another job before", []file{{"gcs_server.out", registered("01000000", "09:00") + registered("02000000", "11:00")}, events, worker, output}, "02000000"},
		{"registered before the submission", []file{{"gcs_server.out", registered("02000000", "09:00")}, events, worker, output}, ""},
		{"the GCS's beginning is gone", []file{{"gcs_server.out.1", registered("02000000", "11:00")}, events, worker, output}, ""},
		{"no copy", []file{{"gcs_server.out", registered("02000000", "11:00")}, events, worker, {"job-driver-s1.log", "text\n"}}, ""},
		{"a copy from another node", []file{{"gcs_server.out", registered("02000000", "11:00")}, events, worker, {"job-driver-s1.log", "(part pid=417, ip=10.0.0.2) text\n"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := NewDrivers()
			for _, f := range c.files {
				x.File("head", ParsePath(f.path))
			}
			feed(c.files, func(f File, p *Parser, line []byte, l *Line) { x.Line(f, p.Whole(), line, l) })
			if got := x.Job("s1"); got != c.want {
				t.Errorf("job %q, want %q", got, c.want)
			}
		})
	}
}

func itoa(n int64) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}
