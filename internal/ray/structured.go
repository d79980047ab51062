package ray

import "bytes"

// fields are what Ray's loggers attach to a line.
type fields struct {
	asctime, level                 []byte
	userLevel                      []byte // of some other logger
	job, worker, node, actor, task []byte
	actorName, taskName            []byte
	deployment, application        []byte
	replica, request               []byte
	component                      []byte
	pid                            int
	nano                           int64
}

// set takes one member of a JSON line.
func (f *fields) set(key, v []byte) {
	switch string(key) {
	case "asctime":
		f.asctime = v
	case "levelname":
		f.level = v
	case "level", "severity":
		f.userLevel = v
	case "timestamp_ns":
		f.nano = unixNano(v)
	case "process":
		f.pid, _ = leadingNumber(v)
	case "job_id":
		f.job = v
	case "worker_id":
		f.worker = v
	case "node_id":
		f.node = v
	case "actor_id":
		f.actor = v
	case "task_id":
		f.task = v
	case "actor_name":
		f.actorName = v
	case "task_name":
		f.taskName = v
	case "deployment":
		f.deployment = v
	case "application":
		f.application = v
	case "replica":
		f.replica = v
	case "request_id":
		f.request = v
	case "component":
		f.component = v
	}
}

// jsonHead reads a line that is one JSON object: Ray's structured logging, Serve's
// JSON form, the C++ side's with RAY_BACKEND_LOG_JSON=1, or a user's.
func (p *Parser) jsonHead(line []byte, dst *Line) head {
	obj, ok := openObject(line)
	if !ok {
		return headNone
	}
	var f fields
	for {
		key, v, ok := obj.next()
		if !ok {
			break
		}
		f.set(key, v)
	}
	switch {
	case !obj.closed():
		return headNone
	case f.level == nil:
		if dst.Level = spelledLevel(f.userLevel); dst.Level == "" {
			return headNone
		}
		return headLevel
	}
	stamp, n := p.clock.stamp(f.asctime)
	if n == 0 || !p.clock.plausible(stamp) {
		return headNone
	}
	dst.Time, dst.Level = stamp, anyLevel(f.level)
	if p.file.Format == FormatContainer {
		dst.Component = componentNamed(f.component)
	}
	if f.nano == 0 && len(f.level) == 1 {
		return headCPP // it has neither timestamp_ns nor whole words
	}
	if sameDay(f.nano, stamp) {
		dst.Time = f.nano
	}
	p.s.unmarked = p.s.unmarked || p.file.Format == FormatDriver
	p.take(&f, dst)
	return headJSON
}

// sameDay tells whether an absolute time and a naive one can be the same moment.
func sameDay(absolute, naive int64) bool {
	d := absolute - naive
	return absolute > 0 && -int64(clockSlack) < d && d < int64(clockSlack)
}

// Keys of the text form.
var (
	keyJobID     = []byte("job_id=")
	keyTaskName  = []byte("task_name=")
	keyTaskFunc  = []byte("task_func_name=")
	keyActorName = []byte("actor_name=")
	keyStamp     = []byte("timestamp_ns=")
)

// structuredText reads the ids at the end of a structured text line:
//
//	… job_id=J worker_id=W node_id=N [actor_id=A] [task_id=T] [task_name=…] [task_func_name=…] [actor_name=…] [timestamp_ns=…]
//
// The message before them may hold the same words, so it is the last that count.
// Most lines hold none and are done at once.
func (p *Parser) structuredText(line []byte, dst *Line) {
	_, b := cutField(line, keyJobID)
	if b == nil || !endsInID(b) {
		return
	}
	var f fields
	last := &p.last
	if f.job, b = textID(b, " job_id=", jobIDLen, last.JobID); f.job == nil {
		return
	}
	if f.worker, b = textID(b, " worker_id=", workerIDLen, last.WorkerID); f.worker == nil {
		return
	}
	f.node, b = textID(b, " node_id=", nodeIDLen, last.NodeID)
	f.actor, b = textID(b, " actor_id=", actorIDLen, last.ActorID)
	f.task, b = textID(b, " task_id=", taskIDLen, last.TaskID)
	stamp, b := textTail(b, keyStamp)
	if nano := unixNano(stamp); sameDay(nano, dst.Time) {
		dst.Time = nano
	}
	f.actorName, b = textTail(b, keyActorName)
	_, b = textTail(b, keyTaskFunc)
	f.taskName, _ = textTail(b, keyTaskName)
	p.take(&f, dst)
}

// cutField cuts b in front of its last " key=…"; field is nil if it has none. It
// searches forwards and for the key without its blank, which is many times as fast.
func cutField(b, key []byte) (before, field []byte) {
	cut := -1
	for at := 0; ; at += len(key) {
		i := bytes.Index(b[at:], key)
		if i < 0 {
			break
		}
		at += i
		if at > 0 && b[at-1] == ' ' {
			cut = at - 1
		}
	}
	if cut < 0 {
		return b, nil
	}
	return b[:cut], b[cut:]
}

// endsInID tells whether the last k=v of a line is one of those that Ray ends a
// structured line with.
func endsInID(line []byte) bool {
	i := bytes.LastIndexByte(line, '=')
	if i < 0 {
		return false
	}
	key := line[:i]
	return bytes.HasSuffix(key, []byte("timestamp_ns")) || bytes.HasSuffix(key, []byte("_id")) || bytes.HasSuffix(key, []byte("_name"))
}

// textID reads key and an id of n digits, mostly that of an earlier line, at the
// start of b.
func textID(b []byte, key string, n int, last string) (id, rest []byte) {
	if len(b) < len(key)+n || string(b[:len(key)]) != key {
		return nil, b
	}
	id, rest = b[len(key):len(key)+n], b[len(key)+n:]
	if !fitsOr(id, n, last) || (len(rest) > 0 && isHex(rest[:1])) {
		return nil, b
	}
	return id, rest
}

// textTail takes key and its value off the end of b; the value may hold blanks.
func textTail(b, key []byte) (value, rest []byte) {
	rest, field := cutField(b, key)
	if field == nil {
		return nil, rest
	}
	return field[1+len(key):], rest
}

// take believes a structured line's ids if they fit each other and the file they
// are in; else the line is a copy from another process, or a user's own text.
func (p *Parser) take(f *fields, dst *Line) {
	last := &p.last
	if !f.consistent(last) {
		return
	}
	known := dst.JobID
	if known == "" {
		known = p.s.job
	}
	if known != "" && f.job != nil && string(f.job) != known {
		return
	}
	switch p.file.Format {
	case FormatWorker:
		if p.file.WorkerID == "" || string(f.worker) != p.file.WorkerID {
			return
		}
	case FormatDriver:
		dst.Copy = f.job == nil || !isDriverID(f.worker, f.job)
	case FormatContainer, FormatRaw:
		return
	}
	p.set(&dst.JobID, &last.JobID, f.job)
	p.set(&dst.WorkerID, &last.WorkerID, f.worker)
	p.set(&dst.NodeID, &last.NodeID, f.node)
	p.set(&dst.ActorID, &last.ActorID, f.actor)
	p.set(&dst.TaskID, &last.TaskID, f.task)
	p.set(&dst.ActorName, &last.ActorName, f.actorName)
	p.set(&dst.TaskName, &last.TaskName, f.taskName)
	if dst.JobID == "" && dst.ActorID != "" {
		dst.JobID = JobOfActor(dst.ActorID)
	}
	if dst.PID == 0 && f.pid > 0 {
		dst.PID = f.pid
	}
	p.takeServe(f, dst)
}

// set takes a value if there is one; last is that of an earlier line.
func (p *Parser) set(dst, last *string, b []byte) {
	if len(b) > 0 && len(b) <= maxName {
		*dst = p.intern.latest(last, b)
	}
}

// consistent tells whether the ids have their lengths and contain each other as
// Ray's do. A worker id must be there: it ties the line to a process. last has the
// ids of earlier lines.
func (f *fields) consistent(last *Line) bool {
	ok := f.worker != nil && fitsOr(f.worker, workerIDLen, last.WorkerID) &&
		fitsOr(f.job, jobIDLen, last.JobID) && fitsOr(f.node, nodeIDLen, last.NodeID) &&
		fitsOr(f.actor, actorIDLen, last.ActorID) && fitsOr(f.task, taskIDLen, last.TaskID)
	if !ok {
		return false
	}
	if f.job != nil {
		if f.actor != nil && !bytes.HasSuffix(f.actor, f.job) {
			return false
		}
		if f.task != nil && !bytes.HasSuffix(f.task, f.job) {
			return false
		}
	}
	return f.actor == nil || f.task == nil || bytes.HasSuffix(f.task, f.actor)
}

// fits tells whether id is absent or n hex digits.
func fits(id []byte, n int) bool { return id == nil || (len(id) == n && isHex(id)) }

// fitsOr is fits, quick for an id that was found to fit before.
func fitsOr(id []byte, n int, last string) bool {
	return (len(id) == n && string(id) == last) || fits(id, n)
}

func isDriverID(worker, job []byte) bool {
	if len(worker) != workerIDLen || !bytes.HasPrefix(worker, job) {
		return false
	}
	for _, c := range worker[jobIDLen:] {
		if c != 'f' {
			return false
		}
	}
	return true
}

// unixNano reads Unix time in seconds, milliseconds, microseconds or nanoseconds,
// told apart by its size.
func unixNano(b []byte) int64 {
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<60/10*9 {
			break
		}
		n = n*10 + int64(c-'0')
	}
	switch {
	case n < 1e8:
		return 0
	case n < 1e11:
		return n * 1e9
	case n < 1e14:
		return n * 1e6
	case n < 1e17:
		return n * 1e3
	}
	return n
}
