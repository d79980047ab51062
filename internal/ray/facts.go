package ray

import "bytes"

// coreLine takes what a worker's C++ log says of its process.
func (x *Index) coreLine(f File, l *Line) {
	if l.ActorID == "" && l.NodeID == "" {
		return
	}
	w := x.worker(f.WorkerID)
	if l.NodeID != "" {
		w.node = l.NodeID
		x.nodes[l.NodeID] = true
	}
	if l.ActorID != "" {
		w.actor = l.ActorID
		if w.job == "" {
			w.job = JobOfActor(l.ActorID)
		}
	}
}

// workerLine takes the job from a worker's marks, and the replica from Serve's
// lines in its output.
func (x *Index) workerLine(f File, l *Line) {
	if f.WorkerID == "" || (l.JobID == "" && l.Replica == "") {
		return
	}
	w := x.worker(f.WorkerID)
	if w.job == "" {
		w.job = l.JobID
	}
	if key := replicaKey(l.Application, l.Deployment, l.Replica); key != "" {
		x.serves(w, key)
	}
}

// serves notes the replica that a worker runs: one worker runs one for life.
func (x *Index) serves(w *workerFacts, key string) {
	if w.replica == "" {
		w.replica = key
	}
	w.several = w.several || w.replica != key
	if other := x.replicas[key]; other != nil && other != w {
		other.several, w.several = true, true
		return
	}
	x.replicas[key] = w
}

var (
	rayletDisconnects = []byte("Disconnecting worker")
	rayletKills       = []byte("Killing leased worker because its job finished.")
	keyWorkerID       = []byte("worker_id=")
	keyWorkerIDJSON   = []byte(`"worker_id":"`)
	keyJobIDJSON      = []byte(`"job_id":"`)
)

// rayletLine takes the job of a worker that its raylet lets go.
func (x *Index) rayletLine(line []byte, l *Line) {
	if l.NodeID != "" {
		x.nodes[l.NodeID] = true
	}
	if l.Continuation || (!bytes.Contains(line, rayletDisconnects) && !bytes.Contains(line, rayletKills)) {
		return
	}
	worker := idOf(line, keyWorkerID, keyWorkerIDJSON, workerIDLen)
	jobID := idOf(line, keyJobID[1:], keyJobIDJSON, jobIDLen)
	if worker == nil || jobID == nil {
		return
	}
	w := x.worker(x.intern.str(worker))
	if j := job(x.intern.str(jobID)); j != "" && w.job == "" {
		w.job = j
	}
}

// exportLine takes which job a submission started.
func (x *Index) exportLine(line []byte) {
	var e exportEvent
	if !e.read(line) {
		return
	}
	if string(e.source) == "EXPORT_DRIVER_JOB" {
		x.driverJob(&e)
	}
}

func (x *Index) driverJob(e *exportEvent) {
	jobID := job(x.intern.base64ID(e.job, jobIDLen))
	if jobID == "" || len(e.submission) == 0 || len(e.submission) > maxName {
		return
	}
	sid := x.intern.str(e.submission)
	s := x.submissions[sid]
	if s == nil {
		x.submissions[sid] = &submissionFacts{job: jobID}
		return
	}
	s.several = s.several || s.job != jobID
}
