package ray

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	testWorker = "2c3c0297ec8821ebd51aade06c34d4a865fab46ce461983ac936228f"
	testDriver = "01000000ffffffffffffffffffffffffffffffffffffffffffffffff"
	testNode   = "fa54367a3916f370768f0af36394d0f345a27028ea71a94a534a30e1"
	testActor  = "9a07697ae92abdd49e52b6d801000000"
	testTask   = "16310a0f0a45af5cffffffffffffffffffffffff01000000"
	testCall   = "028103e7e38c170d9a07697ae92abdd49e52b6d801000000"
)

func TestParsePath(t *testing.T) {
	w, d := testWorker, testDriver
	for _, want := range []File{
		{Path: "gcs_server.out", Stream: "gcs_server.out", Component: ComponentGCS, Output: "out", Format: FormatCPP},
		{Path: "gcs_server.1.err", Stream: "gcs_server.1.err", Incarnation: 1, Component: ComponentGCS, Output: "err", Format: FormatCPP},
		{Path: "raylet.out.2", Stream: "raylet.out", Rotation: 2, Component: ComponentRaylet, Output: "out", Format: FormatCPP},
		{Path: "raylet.1.out.3", Stream: "raylet.1.out", Rotation: 3, Incarnation: 1, Component: ComponentRaylet, Output: "out", Format: FormatCPP},
		{Path: "dashboard.log.1", Stream: "dashboard.log", Rotation: 1, Component: ComponentDashboard, Output: "log", Format: FormatPython},
		{Path: "dashboard_JobHead.err", Stream: "dashboard_JobHead.err", Component: ComponentDashboard, Output: "err", Format: FormatPython},
		{Path: "dashboard_agent.1.log", Stream: "dashboard_agent.1.log", Incarnation: 1, Component: ComponentDashboardAgent, Output: "log", Format: FormatPython},
		{Path: "agent-424238335.out", Stream: "agent-424238335.out", Component: ComponentDashboardAgent, Output: "out", Format: FormatPython},
		{Path: "monitor.log", Stream: "monitor.log", Component: ComponentAutoscaler, Output: "log", Format: FormatPython},
		{Path: "log_monitor.err", Stream: "log_monitor.err", Component: ComponentLogMonitor, Output: "err", Format: FormatPython},
		{Path: "runtime_env_agent.out", Stream: "runtime_env_agent.out", Component: ComponentRuntimeEnv, Output: "out", Format: FormatPython},
		{Path: "runtime_env_setup-01000000.log", Stream: "runtime_env_setup-01000000.log", Component: ComponentRuntimeEnv, Output: "log", Format: FormatPython, JobID: "01000000"},
		{Path: "runtime_env_setup-ray_client_server_23000.log", Stream: "runtime_env_setup-ray_client_server_23000.log", Component: ComponentRuntimeEnv, Output: "log", Format: FormatPython},
		{Path: "ray_client_server_23000.err", Stream: "ray_client_server_23000.err", Component: ComponentClient, Output: "err", Format: FormatPython},
		{Path: "ray_process_exit.log", Stream: "ray_process_exit.log", Component: ComponentExit, Output: "log", Format: FormatPython},
		{Path: "worker-" + w + "-01000000-793.out", Stream: "worker-" + w + "-01000000-793.out", Component: ComponentWorker, Output: "out", Format: FormatWorker, WorkerID: w, JobID: "01000000", PID: 793},
		{Path: "worker-" + w + "-ffffffff-793.err.1", Stream: "worker-" + w + "-ffffffff-793.err", Rotation: 1, Component: ComponentWorker, Output: "err", Format: FormatWorker, WorkerID: w, PID: 793},
		{Path: "worker-" + w + "-793.out", Stream: "worker-" + w + "-793.out", Component: ComponentWorker, Output: "out", Format: FormatWorker, WorkerID: w, PID: 793},
		{Path: "old/worker-" + w + "-01000000-793.out", Stream: "worker-" + w + "-01000000-793.out", Component: ComponentWorker, Output: "out", Format: FormatWorker, WorkerID: w, JobID: "01000000", PID: 793},
		{Path: "io_worker-" + w + "-55.out", Stream: "io_worker-" + w + "-55.out", Component: ComponentWorker, Output: "out", Format: FormatWorker, WorkerID: w, PID: 55},
		{Path: "java-worker-01000000-55.log", Stream: "java-worker-01000000-55.log", Component: ComponentWorker, Output: "log", Format: FormatWorker, JobID: "01000000", PID: 55},
		{Path: "python-core-worker-" + w + "_793.log", Stream: "python-core-worker-" + w + "_793.log", Component: ComponentCoreWorker, Output: "log", Format: FormatCPP, WorkerID: w, PID: 793},
		{Path: "python-core-worker-" + w + "_793.log.2", Stream: "python-core-worker-" + w + "_793.log", Rotation: 2, Component: ComponentCoreWorker, Output: "log", Format: FormatCPP, WorkerID: w, PID: 793},
		// Ray 2.9: the number before the extension is a rotation here.
		{Path: "python-core-worker-" + w + "_793.1.log", Stream: "python-core-worker-" + w + "_793.log", Rotation: 1, Component: ComponentCoreWorker, Output: "log", Format: FormatCPP, WorkerID: w, PID: 793},
		{Path: "python-core-driver-" + d + "_368.log", Stream: "python-core-driver-" + d + "_368.log", Component: ComponentCoreDriver, Output: "log", Format: FormatCPP, WorkerID: d, JobID: "01000000", PID: 368},
		{Path: "python-core-spill_worker-" + w + "_9.log", Stream: "python-core-spill_worker-" + w + "_9.log", Component: ComponentCoreWorker, Output: "log", Format: FormatCPP, WorkerID: w, PID: 9},
		{Path: "job-driver-raysubmit_R4SK.log", Stream: "job-driver-raysubmit_R4SK.log", Component: ComponentJob, Output: "log", Format: FormatDriver, SubmissionID: "raysubmit_R4SK"},
		// A submission id may end in what looks like a rotation.
		{Path: "job-driver-nightly-etl-2026.11.log", Stream: "job-driver-nightly-etl-2026.11.log", Component: ComponentJob, Output: "log", Format: FormatDriver, SubmissionID: "nightly-etl-2026.11"},
		{Path: "jobs/supervisor-nightly-etl-2026.11.log", Stream: "jobs/supervisor-nightly-etl-2026.11.log", Component: ComponentJobSupervisor, Output: "log", Format: FormatPython, SubmissionID: "nightly-etl-2026.11"},
		{Path: "events/event_CORE_WORKER_471.log", Stream: "events/event_CORE_WORKER_471.log", Component: ComponentEvent, Output: "log", Format: FormatEvent, PID: 471},
		{Path: "events/event_GCS.log", Stream: "events/event_GCS.log", Component: ComponentEvent, Output: "log", Format: FormatEvent},
		{Path: "events/event_GCS.1.log", Stream: "events/event_GCS.log", Rotation: 1, Component: ComponentEvent, Output: "log", Format: FormatEvent},
		{Path: "export_events/event_EXPORT_TASK_471.log.20", Stream: "export_events/event_EXPORT_TASK_471.log", Rotation: 20, Component: ComponentExportEvent, Output: "log", Format: FormatExport, PID: 471},
		{Path: "serve/controller_448.log", Stream: "serve/controller_448.log", Component: ComponentServe, Output: "log", Format: FormatServe, PID: 448},
		{Path: "serve/proxy_10.0.0.11.log", Stream: "serve/proxy_10.0.0.11.log", Component: ComponentServe, Output: "log", Format: FormatServe, NodeIP: "10.0.0.11"},
		{Path: "serve/http_proxy_10.0.0.11.log", Stream: "serve/http_proxy_10.0.0.11.log", Component: ComponentServe, Output: "log", Format: FormatServe, NodeIP: "10.0.0.11"},
		{Path: "serve/replica_shop_Price_4oos3ic5.log", Stream: "serve/replica_shop_Price_4oos3ic5.log", Component: ComponentServe, Output: "log", Format: FormatServe, Application: "shop", Deployment: "Price", Replica: "4oos3ic5"},
		// my_shop and Price, or my and shop_Price? The name does not tell.
		{Path: "serve/replica_my_shop_Price_4oos3ic5.log", Stream: "serve/replica_my_shop_Price_4oos3ic5.log", Component: ComponentServe, Output: "log", Format: FormatServe, Replica: "4oos3ic5"},
		{Path: "serve/replica_my_app_Model_my_app#Model#ajGxkK.log", Stream: "serve/replica_my_app_Model_my_app#Model#ajGxkK.log", Component: ComponentServe, Output: "log", Format: FormatServe, Application: "my_app", Deployment: "Model", Replica: "ajGxkK"},
		{Path: "serve/deployment_SayHello_SayHello#kKGBoa.log", Stream: "serve/deployment_SayHello_SayHello#kKGBoa.log", Component: ComponentServe, Output: "log", Format: FormatServe, Deployment: "SayHello", Replica: "kKGBoa"},
		{Path: "ray-data/ray-data-dataset_x_0.log", Stream: "ray-data/ray-data-dataset_x_0.log", Component: ComponentData, Output: "log", Format: FormatPython},
		{Path: "train/ray-train-app-controller.log", Stream: "train/ray-train-app-controller.log", Component: ComponentTrain, Output: "log", Format: FormatPython},
		{Path: "debug_state.txt", Stream: "debug_state.txt", Component: ComponentRaylet, Output: "log", Skip: "snapshot"},
		{Path: "debug_state_gcs.txt", Stream: "debug_state_gcs.txt", Component: ComponentGCS, Output: "log", Skip: "snapshot"},
		{Path: "nsight/worker_process_7.nsys-rep", Stream: "nsight/worker_process_7.nsys-rep", Component: ComponentOther, Output: "log", Skip: "binary"},
		{Path: "serve/controller_memray_1.bin", Stream: "serve/controller_memray_1.bin", Component: ComponentServe, Output: "log", Format: FormatServe, Skip: "binary"},
		{Path: "my-own.log", Stream: "my-own.log", Component: ComponentOther, Output: "log"},
		{Path: "worker-short-1.out", Stream: "worker-short-1.out", Component: ComponentOther, Output: "out"},
		{Path: "tpu_logs/tpu_driver.log", Stream: "tpu_logs/tpu_driver.log", Component: ComponentOther, Output: "log", Known: true},
		{Path: "redis-shard_0.out", Stream: "redis-shard_0.out", Component: ComponentOther, Output: "out", Known: true},
	} {
		want.Known = want.Known || want.Component != ComponentOther || want.Skip != ""
		if diff := cmp.Diff(want, ParsePath(want.Path)); diff != "" {
			t.Errorf("ParsePath(%q) (-want +got):\n%s", want.Path, diff)
		}
	}
}

func TestParseSession(t *testing.T) {
	s, ok := ParseSession("session_2026-11-21_05-06-01_604983_1")
	if !ok || s.PID != 1 || s.Started.Format("2006-01-02T15:04:05.000000") != "2026-11-21T05:06:01.604983" {
		t.Errorf("got %+v, %v", s, ok)
	}
	for _, name := range []string{"session_latest", "session_", "session_2026-11-21_05-06-01_604983", "session_2026-13-21_05-06-01_604983_1", "sessions", ""} {
		if s, ok := ParseSession(name); ok {
			t.Errorf("ParseSession(%q) = %+v, want none", name, s)
		}
	}
}

func TestNodeIDFromEntry(t *testing.T) {
	if id, ok := NodeIDFromEntry("metrics_agent_port_" + testNode); !ok || id != testNode {
		t.Errorf("got %q, %v", id, ok)
	}
	for _, name := range []string{"logs", "metrics_agent_port_", "metrics_agent_port_" + testNode[1:], "_port_" + testNode, "tmp_port_" + strings.ToUpper(testNode)} {
		if id, ok := NodeIDFromEntry(name); ok {
			t.Errorf("NodeIDFromEntry(%q) = %q, want none", name, id)
		}
	}
}

func TestIDsContainEachOther(t *testing.T) {
	for _, c := range []struct{ what, got, want string }{
		{"job of a task", JobOfTask(testTask), "01000000"},
		{"job of an actor's task", JobOfTask(testCall), "01000000"},
		{"actor of a task", ActorOfTask(testTask), ""},
		{"actor of an actor's task", ActorOfTask(testCall), testActor},
		{"job of an actor", JobOfActor(testActor), "01000000"},
		{"job of a driver", JobOfDriver(testDriver), "01000000"},
		{"job of a worker", JobOfDriver(testWorker), ""},
		{"job of nothing", JobOfTask(""), ""},
		{"job of the nil task", JobOfTask(strings.Repeat("f", 48)), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{
		"raylet.1.out.2", "old/worker-" + testWorker + "-01000000-1.out", "serve/replica_a_b_c.log", "events/event_GCS.1.log",
		"../../etc/passwd", "//", ".", "python-core-worker-" + testWorker + "_1.1.log", "a.out.99999999999999999999",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rel string) {
		file := ParsePath(rel)
		if file.Path != rel {
			t.Fatalf("path is %q, given %q", file.Path, rel)
		}
		if file.Component == "" || file.Output == "" || file.Rotation < 0 || file.PID < 0 {
			t.Fatalf("ParsePath(%q) = %+v", rel, file)
		}
		// The stream's own name names the same stream.
		if again := ParsePath(file.Stream); again.Stream != file.Stream && !strings.HasPrefix(file.Stream, "old/") && again.Rotation == 0 {
			t.Fatalf("stream of %q is %q, of that %q", rel, file.Stream, again.Stream)
		}
	})
}
