package gen

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// world is what the files of a session agree on.
type world struct {
	seed    uint64
	begin   time.Time
	node    string
	workers []worker
	actors  []string
	tasks   []string // ids
	objects []string
}

// worker is one worker process.
type worker struct {
	id, job string
	pid     int
	named   string // job id in its files' names: ffffffff where it was started ahead of its job
	actor   string // class, "" for a worker of tasks
	actorID string
}

const (
	workers    = 16
	rareWorker = 11
	rareBytes  = 6 << 10
)

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &world{seed: seed, begin: Begin, node: hex(r, 56)}
	for i := range workers {
		k := worker{id: hex(r, 56), job: fmt.Sprintf("%02x000000", 2+i%3), pid: 400 + 37*i}
		k.named = k.job
		if i < 10 {
			k.named = "ffffffff"
		}
		if i%4 == 3 {
			k.actor, k.actorID = classes[i/4%len(classes)], hex(r, 24)+k.job
		}
		w.workers = append(w.workers, k)
	}
	for range 200 {
		w.actors = append(w.actors, hex(r, 24)+"02000000")
		w.tasks = append(w.tasks, hex(r, 16)+"ffffffffffffffffffffffff02000000")
		w.objects = append(w.objects, hex(r, 16)+"ffffffffffffffffffffffff0200000001000000")
	}
	return w
}

func hex(r *rand.Rand, digits int) string {
	b := make([]byte, digits)
	for i := range b {
		b[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return string(b)
}

// spec is one file.
type spec struct {
	path      string
	component string
	weight    float64 // share of the bytes
	record    func(l *Writer, dst []byte) []byte
	rare      bool // a fixed, small size
	needles   bool
	worker    int // index + 1, 0 for none
}

// files is the session's inventory: 81 files.
func (w *world) files() []spec {
	specs := []spec{
		{path: "raylet.out", component: "raylet", weight: 8, record: cppRecord("raylet", rayletSays)},
		{path: "raylet.err", component: "raylet", weight: 0.2, record: cppRecord("raylet", rayletSays)},
		{path: "gcs_server.out", component: "gcs", weight: 7, record: cppRecord("gcs_server", gcsSays)},
		{path: "gcs_server.err", component: "gcs", weight: 0.2, record: cppRecord("gcs_server", gcsSays)},
		{path: "monitor.log", component: "autoscaler", weight: 1, record: monitorRecord},
		{path: "log_monitor.log", component: "log-monitor", weight: 0.5, record: pythonRecord(logMonitorSays)},
		{path: "dashboard.log", component: "dashboard", weight: 0.5, record: pythonRecord(dashboardSays)},
		{path: "dashboard_agent.log", component: "dashboard-agent", weight: 1.5, record: pythonRecord(dashboardSays)},
		{path: "runtime_env_agent.log", component: "runtime-env", weight: 1, record: pythonRecord(runtimeEnvSays)},
		{path: "ray_client_server.err", component: "client", weight: 0.2, record: pythonRecord(dashboardSays)},
		{path: "ray_process_exit.log", component: "exit", weight: 0.01, record: pythonRecord(dashboardSays)},
		{path: "ray-data/ray-data.log", component: "data", weight: 1, record: pythonRecord(dataSays)},
	}
	for _, head := range []string{"JobHead", "StateHead", "ServeHead", "NodeHead"} {
		specs = append(specs, spec{path: "dashboard_" + head + ".log", component: "dashboard", weight: 0.4, record: pythonRecord(dashboardSays)})
	}
	for i, k := range w.workers {
		out := spec{path: fmt.Sprintf("worker-%s-%s-%d.out", k.id, k.named, k.pid), component: "worker", weight: 2.6 + float64(i%3), record: userRecord, needles: i%5 == 2, worker: i + 1}
		err := spec{path: fmt.Sprintf("worker-%s-%s-%d.err", k.id, k.named, k.pid), component: "worker", weight: 0.7, record: userErrRecord, worker: i + 1}
		core := spec{path: fmt.Sprintf("python-core-worker-%s_%d.log", k.id, k.pid), component: "core-worker", weight: 1.1, record: cppRecord("", coreSays), worker: i + 1}
		if i == rareWorker {
			out.rare, err.rare, out.weight, err.weight, out.needles = true, true, 0, 0, false
		}
		specs = append(specs, out, err, core)
	}
	for i := range 2 {
		specs = append(specs, spec{path: fmt.Sprintf("python-core-driver-%02x000000ffffffffffffffffffffffffffffffffffffffffffffffff_%d.log", 2+i, 300+i), component: "core-driver", weight: 1.2, record: cppRecord("", coreSays)})
	}
	for i := range 3 {
		id := fmt.Sprintf("raysubmit_%016dAb", 7919*(i+1))
		specs = append(
			specs,
			spec{path: "job-driver-" + id + ".log", component: "job", weight: 2, record: driverRecord},
			spec{path: "jobs/supervisor-" + id + ".log", component: "job-supervisor", weight: 0.02, record: supervisorRecord(id)},
		)
	}
	specs = append(
		specs,
		spec{path: "serve/controller_448.log", component: "serve", weight: 0.7, record: serveRecord("controller 448", false)},
		spec{path: "serve/proxy_10.0.0.11.log", component: "serve", weight: 2.5, record: serveRecord("proxy 10.0.0.11", true)},
	)
	for i, replica := range []string{"shop_Price_4oos3ic5", "shop_Price_cnsiggka", "shop_Front_5o0j2lzq", "shop_Front_l1nvrgmj"} {
		who := replica[:len(replica)-9] + " " + replica[len(replica)-8:]
		specs = append(specs, spec{path: "serve/replica_" + replica + ".log", component: "serve", weight: 1 + 0.3*float64(i), record: serveRecord(who, true)})
	}
	for _, source := range []string{"RAYLET", "GCS", "JOBS"} {
		specs = append(specs, spec{path: "events/event_" + source + ".log", component: "event", weight: 0.15, record: eventRecord(source)})
	}
	return specs
}

// head is what stands at the beginning of a file before any record.
func (l *Writer) head(dst []byte, s spec) []byte {
	l.pid = 21
	if s.worker > 0 {
		l.work = l.workers[s.worker-1]
		l.pid = l.work.pid
	}
	if s.component == "worker" {
		dst = append(append(append(dst, ":job_id:"...), l.work.job...), '\n')
		if l.work.actor != "" {
			dst = append(append(append(dst, ":actor_name:"...), l.work.actor...), '\n')
		}
	}
	return dst
}
