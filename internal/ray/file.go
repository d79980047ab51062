package ray

// Component is what kind of process wrote a file; the stream label of that name.
type Component string

// The components of a Ray node.
const (
	ComponentWorker         Component = "worker" // output of worker processes
	ComponentJob            Component = "job"    // job-driver-*
	ComponentJobSupervisor  Component = "job-supervisor"
	ComponentGCS            Component = "gcs"
	ComponentRaylet         Component = "raylet"
	ComponentCoreWorker     Component = "core-worker"
	ComponentCoreDriver     Component = "core-driver"
	ComponentDashboard      Component = "dashboard"
	ComponentDashboardAgent Component = "dashboard-agent"
	ComponentAutoscaler     Component = "autoscaler"
	ComponentLogMonitor     Component = "log-monitor"
	ComponentRuntimeEnv     Component = "runtime-env"
	ComponentServe          Component = "serve"
	ComponentEvent          Component = "event"
	ComponentExportEvent    Component = "export-event"
	ComponentData           Component = "data"
	ComponentTrain          Component = "train"
	ComponentClient         Component = "client"
	ComponentExit           Component = "exit" // ray_process_exit.log
	ComponentContainer      Component = "container"
	ComponentOther          Component = "other"
)

// File is what the path of a file below a session's logs/ tells. An id that the
// name does not hold is "".
type File struct {
	Path        string // as given, slashes, relative to logs/
	Stream      string // path of the stream's first generation: no rotation number, never an old/ prefix
	Rotation    int    // 0 for the file being written, 1 for the generation before it, …
	Incarnation int    // 1 for raylet.1.out, 0 for raylet.out
	Component   Component
	Output      string // "out", "err" or "log"
	Format      Format // family of line formats to expect
	Known       bool   // Ray is known to write such files; else a user, or a newer Ray, did
	Skip        string // why the file holds no lines to follow ("binary", "snapshot"); "" for a log

	WorkerID, JobID, SubmissionID    string // hex as Ray prints it
	PID                              int
	NodeIP                           string
	Application, Deployment, Replica string // Serve
}
