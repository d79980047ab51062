package ray

import (
	"bytes"
	"strconv"
)

// coreLine takes what a worker's C++ log says of its process.
func (x *Index) coreLine(f File, l *Line) {
	if l.ActorID == "" && l.NodeID == "" {
		return
	}
	w := x.worker(f.WorkerID)
	if l.NodeID != "" {
		w.node = l.NodeID
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

// exportLine takes what a task wrote where, and which job a submission started.
func (x *Index) exportLine(f File, line []byte) {
	var e exportEvent
	if !e.read(line) {
		return
	}
	switch string(e.source) {
	case "EXPORT_TASK":
		x.taskOutput(f, &e)
	case "EXPORT_DRIVER_JOB":
		x.driverJob(&e)
	}
}

func (x *Index) taskOutput(f File, e *exportEvent) {
	if e.logInfo == nil || e.task == nil {
		return
	}
	var w *workerFacts
	if id := x.intern.base64ID(e.component, workerIDLen); id != "" {
		w = x.worker(id)
	} else if w = x.byPID[f.PID]; w == nil {
		return
	}
	t := TaskOutput{TaskID: x.intern.base64ID(e.task, taskIDLen), Attempt: x.intern.str(e.attempt)}
	if t.TaskID == "" || !t.read(e.logInfo) {
		return
	}
	w.addTask(t)
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

// exportEvent is what the index needs of an export event.
type exportEvent struct {
	source, task, attempt, job, submission []byte
	component                              []byte // the worker's id
	logInfo                                []byte
}

func (e *exportEvent) read(line []byte) bool {
	var data []byte
	if !eachField(line, func(key string, v []byte) {
		switch key {
		case "source_type":
			e.source = v
		case "event_data":
			data = v
		}
	}) {
		return false
	}
	return eachField(data, func(key string, v []byte) {
		switch key {
		case "task_id":
			e.task = v
		case "job_id":
			e.job = v
		case "attempt_number":
			e.attempt = v
		case "profile_events":
			eachField(v, func(key string, v []byte) {
				if key == "component_id" {
					e.component = v
				}
			})
		case "state_updates":
			eachField(v, func(key string, v []byte) {
				if key == "task_log_info" {
					e.logInfo = v
				}
			})
		case "config":
			eachField(v, func(key string, v []byte) {
				if key != "metadata" {
					return
				}
				eachField(v, func(key string, v []byte) {
					if key == "job_submission_id" {
						e.submission = v
					}
				})
			})
		}
	})
}

// read takes a task_log_info; an end of 0 means that the task is not over.
func (t *TaskOutput) read(info []byte) bool {
	ok := eachField(info, func(key string, v []byte) {
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			return
		}
		switch key {
		case "stdout_start":
			t.OutStart = n
		case "stdout_end":
			t.OutEnd = n
		case "stderr_start":
			t.ErrStart = n
		case "stderr_end":
			t.ErrEnd = n
		}
	})
	return ok && (t.OutEnd > t.OutStart || t.ErrEnd > t.ErrStart)
}

// eachField calls fn for the members of a JSON object.
func eachField(b []byte, fn func(key string, v []byte)) bool {
	obj, ok := openObject(b)
	if !ok {
		return false
	}
	for {
		key, v, ok := obj.next()
		if !ok {
			return obj.closed()
		}
		fn(string(key), v)
	}
}
