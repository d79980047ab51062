package ray

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
)

// Tasks tells which normal task wrote a line of a worker's output, where any file
// of the session does: structured lines in the same task's output, export events,
// or the worker's C++ log at debug level. It needs the whole session before it
// answers, and grows with the number of tasks. It is not safe for concurrent use.
type Tasks struct {
	workers map[string]*workerTasks
	byPID   map[int]string // "" where two workers had one pid
	intern  interner
}

// workerTasks is what the files tell about one worker's tasks.
type workerTasks struct {
	started  []startedTask
	outputs  map[string]*markedOutput // "out" and "err"
	written  []writtenRange
	loggedBy File // whose lines gave started
}

type startedTask struct {
	id, name string
	at       int64
}

// markedOutput is one of a worker's two streams, cut at the marks of its tasks.
type markedOutput struct {
	whole bool
	names []string       // of the marks, in order
	tasks map[int]string // known from structured lines, by the number of the mark
	torn  map[int]bool   // two tasks where one should be
}

// writtenRange is the part of a worker's files that one attempt of a task wrote.
type writtenRange struct {
	id               string
	outStart, outEnd int64
	errStart, errEnd int64
}

// NewTasks returns an empty one.
func NewTasks() *Tasks {
	return &Tasks{workers: make(map[string]*workerTasks), byPID: make(map[int]string)}
}

// File notes what the name of a file tells. Call it for all files before any line.
func (x *Tasks) File(f File) {
	if f.WorkerID == "" || f.PID == 0 {
		return
	}
	if other, taken := x.byPID[f.PID]; taken && other != f.WorkerID {
		x.byPID[f.PID] = ""
		return
	}
	x.byPID[f.PID] = f.WorkerID
}

// Line notes what a line tells. l is what the file's Parser said of it, and whole
// its Whole.
func (x *Tasks) Line(f File, whole bool, line []byte, l *Line) {
	switch f.Component {
	case ComponentWorker:
		x.outputLine(f, whole, l)
	case ComponentCoreWorker:
		if whole && l.Level == levelDebug {
			x.debugLine(f, line, l)
		}
	case ComponentExportEvent:
		x.exportLine(f, line)
	}
}

// Place is where a line stands in a worker's output.
type Place struct {
	Offset  int64 // of its first byte
	Mark    int   // how many :task_name: marks stand before it
	Rotated bool  // the stream has several generations
}

// Of is the id of the normal task that wrote the line of f at the place, "" where
// no file tells.
func (x *Tasks) Of(f File, at Place) string {
	w := x.workers[f.WorkerID]
	if w == nil || f.Component != ComponentWorker {
		return ""
	}
	if id := w.marked(f.Output, at.Mark); id != "" {
		return id
	}
	if at.Rotated {
		return "" // Ray counts its ranges from the present generation
	}
	for _, r := range w.written {
		start, end := r.outStart, r.outEnd
		if f.Output == "err" {
			start, end = r.errStart, r.errEnd
		}
		if start <= at.Offset && at.Offset < end {
			return r.id
		}
	}
	return ""
}

// marked is the task behind the nth mark of an output.
func (w *workerTasks) marked(output string, n int) string {
	o := w.outputs[output]
	if o == nil || n < 1 || !o.whole {
		return ""
	}
	if id := o.tasks[n]; id != "" && !o.torn[n] {
		return id
	}
	if w.inStep(o) {
		return w.started[n-1].id
	}
	other := w.outputs[map[string]string{"out": "err", "err": "out"}[output]]
	if other != nil && other.whole && slices.Equal(o.names, other.names) && !other.torn[n] {
		return other.tasks[n]
	}
	return ""
}

// inStep tells whether each mark belongs to one of the tasks that are known to
// have started: a user's forged mark, or one that was lost, breaks step.
func (w *workerTasks) inStep(o *markedOutput) bool {
	if len(w.started) != len(o.names) {
		return false
	}
	for i, t := range w.started {
		if t.name != "" && t.name != o.names[i] {
			return false
		}
	}
	return true
}

func (x *Tasks) outputLine(f File, whole bool, l *Line) {
	if f.WorkerID == "" || l.TaskName == "" {
		return
	}
	o := x.worker(f.WorkerID).output(f.Output)
	o.whole = whole
	switch {
	case l.Magic:
		o.names = append(o.names, l.TaskName)
	case IsNormalTask(l.TaskID):
		n := len(o.names)
		if o.tasks[n] == "" {
			o.tasks[n] = l.TaskID
		}
		o.torn[n] = o.torn[n] || o.tasks[n] != l.TaskID
	}
}

var (
	saysExecuting = []byte("Executing task, task info = Type=NORMAL_TASK")
	saysTaskID    = []byte("}, task_id=")
	saysTaskName  = []byte(", task_name=")
	saysJobID     = []byte(", job_id=")
)

// debugLine reads the C++ log's line about a task that begins.
func (x *Tasks) debugLine(f File, line []byte, l *Line) {
	i := bytes.Index(line, saysExecuting)
	if i < 0 {
		return
	}
	id := idAfter(line[i:], saysTaskID, taskIDLen)
	_, name, ok := bytes.Cut(line[i:], saysTaskName)
	if id == nil || !ok {
		return
	}
	name, _, _ = bytes.Cut(name, saysJobID)
	x.worker(f.WorkerID).start(f, startedTask{string(id), x.intern.str(name), l.Time})
}

func (x *Tasks) exportLine(f File, line []byte) {
	var e exportEvent
	if !e.read(line) || string(e.source) != "EXPORT_TASK" {
		return
	}
	id := x.intern.base64ID(e.task, taskIDLen)
	worker := x.intern.base64ID(e.component, workerIDLen)
	if worker == "" {
		worker = x.byPID[f.PID]
	}
	if worker == "" || !IsNormalTask(id) || JobOfDriver(worker) != "" {
		return
	}
	w := x.worker(worker)
	if at, err := strconv.ParseInt(string(e.running), 10, 64); err == nil && at > 0 {
		w.start(f, startedTask{id: id, at: at})
	}
	r := writtenRange{id: id}
	if e.logInfo != nil && r.read(e.logInfo) {
		w.written = append(w.written, r)
	}
}

// read takes a task_log_info; an end of 0 means that the task is not over.
func (r *writtenRange) read(info []byte) bool {
	ok := eachField(info, func(key string, v []byte) {
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			return
		}
		switch key {
		case "stdout_start":
			r.outStart = n
		case "stdout_end":
			r.outEnd = n
		case "stderr_start":
			r.errStart = n
		case "stderr_end":
			r.errEnd = n
		}
	})
	return ok && (r.outEnd > r.outStart || r.errEnd > r.errStart)
}

func (x *Tasks) worker(id string) *workerTasks {
	w := x.workers[id]
	if w == nil {
		w = &workerTasks{outputs: make(map[string]*markedOutput)}
		x.workers[id] = w
	}
	return w
}

func (w *workerTasks) output(name string) *markedOutput {
	o := w.outputs[name]
	if o == nil {
		o = &markedOutput{tasks: make(map[int]string), torn: make(map[int]bool)}
		w.outputs[name] = o
	}
	return o
}

// start notes a task that has begun, once for each attempt; of two files that
// tell, the first one's word is taken.
func (w *workerTasks) start(f File, t startedTask) {
	if w.loggedBy.Stream == "" {
		w.loggedBy = f
	}
	if w.loggedBy.Stream != f.Stream || slices.Contains(w.started, t) {
		return
	}
	w.started = append(w.started, t)
	slices.SortStableFunc(w.started, func(a, b startedTask) int { return cmp.Compare(a.at, b.at) })
}
