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
	seen     map[startedTask]bool
	loggedBy string // the file whose lines gave started
	sorted   bool
}

type startedTask struct {
	id, name string
	at       int64
}

// markedOutput is one of a worker's two streams, cut at the marks of its tasks.
type markedOutput struct {
	whole   bool
	names   []string       // of the marks, in order
	tasks   map[int]string // known from structured lines, by the number of the mark
	torn    map[int]bool   // two tasks where one should be
	written []writtenRange

	inStep bool          // each mark is one of the tasks that are known to have started
	twin   *markedOutput // the other stream, if it has the same marks
}

// writtenRange is what one attempt of a task wrote.
type writtenRange struct {
	start, end int64
	id         string
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
	w.sort()
	if id := w.marked(f.Output, at.Mark); id != "" {
		return id
	}
	if at.Rotated {
		return "" // Ray counts its ranges from the present generation
	}
	if o := w.outputs[f.Output]; o != nil {
		return o.writer(at.Offset)
	}
	return ""
}

// writer is the task whose range holds the offset.
func (o *markedOutput) writer(offset int64) string {
	i, _ := slices.BinarySearchFunc(o.written, offset+1, func(r writtenRange, at int64) int { return cmp.Compare(r.start, at) })
	if i == 0 || offset >= o.written[i-1].end {
		return ""
	}
	return o.written[i-1].id
}

// marked is the task behind the nth mark of an output.
func (w *workerTasks) marked(output string, n int) string {
	o := w.outputs[output]
	if o == nil || n < 1 || n > len(o.names) || !o.whole {
		return ""
	}
	if id := o.tasks[n]; id != "" && !o.torn[n] {
		return id
	}
	if o.inStep {
		return w.started[n-1].id
	}
	if o.twin != nil && !o.twin.torn[n] {
		return o.twin.tasks[n]
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
	w := x.worker(f.WorkerID)
	w.sorted = false
	o := w.output(f.Output)
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
	if e.logInfo != nil {
		w.wrote(id, e.logInfo)
	}
}

// wrote takes a task_log_info; an end of 0 means that the task is not over.
func (w *workerTasks) wrote(id string, info []byte) {
	out, err := writtenRange{id: id}, writtenRange{id: id}
	eachField(info, func(key string, v []byte) {
		n, e := strconv.ParseInt(string(v), 10, 64)
		if e != nil {
			return
		}
		switch key {
		case "stdout_start":
			out.start = n
		case "stdout_end":
			out.end = n
		case "stderr_start":
			err.start = n
		case "stderr_end":
			err.end = n
		}
	})
	for name, r := range map[string]writtenRange{"out": out, "err": err} {
		if r.end > r.start {
			o := w.output(name)
			o.written = append(o.written, r)
		}
	}
	w.sorted = false
}

func (x *Tasks) worker(id string) *workerTasks {
	w := x.workers[id]
	if w == nil {
		w = &workerTasks{outputs: make(map[string]*markedOutput), seen: make(map[startedTask]bool)}
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
	if w.loggedBy == "" {
		w.loggedBy = f.Stream
	}
	if w.loggedBy != f.Stream || w.seen[t] {
		return
	}
	w.seen[t] = true
	w.started = append(w.started, t)
	w.sorted = false
}

// sort puts tasks into the order in which they began, ranges into that of their
// offsets, and compares both streams' marks with them and each other.
func (w *workerTasks) sort() {
	if w.sorted {
		return
	}
	w.sorted = true
	slices.SortStableFunc(w.started, func(a, b startedTask) int { return cmp.Compare(a.at, b.at) })
	for _, o := range w.outputs {
		slices.SortStableFunc(o.written, func(a, b writtenRange) int { return cmp.Compare(a.start, b.start) })
		o.inStep = w.inStep(o)
	}
	out, err := w.outputs["out"], w.outputs["err"]
	if out != nil && err != nil && out.whole && err.whole && slices.Equal(out.names, err.names) {
		out.twin, err.twin = err, out
	}
}
