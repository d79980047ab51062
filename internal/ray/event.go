package ray

import (
	"encoding/base64"
	"encoding/hex"
)

// eventLine reads one event. Its ids are those of what it is about.
func (p *Parser) eventLine(line []byte, dst *Line) {
	obj, ok := openObject(line)
	if !ok {
		return
	}
	for {
		key, v, ok := obj.next()
		if !ok {
			return
		}
		switch string(key) {
		case "timestamp":
			if t := unixNano(v); p.clock.plausible(t) {
				dst.Time = t
			}
		case "severity":
			dst.Level = wordLevel(v)
		case "custom_fields":
			p.eventSubject(v, dst)
		}
	}
}

func (p *Parser) eventSubject(v []byte, dst *Line) {
	obj, ok := openObject(v)
	if !ok {
		return
	}
	for {
		key, v, ok := obj.next()
		if !ok {
			return
		}
		switch string(key) {
		case "job_id":
			if fits(v, jobIDLen) {
				dst.JobID = job(p.intern.str(v))
			}
		case "worker_id":
			if fits(v, workerIDLen) {
				dst.WorkerID = p.intern.str(v)
			}
		case "actor_id":
			if fits(v, actorIDLen) {
				dst.ActorID = p.intern.str(v)
			}
		case "task_id":
			if fits(v, taskIDLen) {
				dst.TaskID = p.intern.str(v)
			}
		case "submission_id":
			if len(v) <= maxName {
				dst.SubmissionID = p.intern.str(v)
			}
		}
	}
}

// exportLine reads one export event; its ids are in base64.
func (p *Parser) exportLine(line []byte, dst *Line) {
	obj, ok := openObject(line)
	if !ok {
		return
	}
	for {
		key, v, ok := obj.next()
		if !ok {
			return
		}
		switch string(key) {
		case "timestamp":
			if t := unixNano(v); p.clock.plausible(t) {
				dst.Time = t
			}
		case "event_data":
			p.exportSubject(v, dst)
		}
	}
}

func (p *Parser) exportSubject(v []byte, dst *Line) {
	obj, ok := openObject(v)
	if !ok {
		return
	}
	for {
		key, v, ok := obj.next()
		if !ok {
			return
		}
		switch string(key) {
		case "job_id":
			dst.JobID = job(p.intern.base64ID(v, jobIDLen))
		case "task_id":
			dst.TaskID = p.intern.base64ID(v, taskIDLen)
		case "actor_id":
			dst.ActorID = p.intern.base64ID(v, actorIDLen)
		case "attempt_number":
			if isDigits(v) && len(v) < 10 {
				dst.Attempt = p.intern.str(v)
			}
		case "submission_job_id":
			if len(v) <= maxName {
				dst.SubmissionID = p.intern.str(v)
			}
		}
	}
}

// base64ID gives an id of n hex digits from base64, "" if it is none.
func (in *interner) base64ID(v []byte, n int) string {
	var raw, digits [64]byte
	if len(v) > base64.StdEncoding.EncodedLen(len(raw)/2) {
		return ""
	}
	m, err := base64.StdEncoding.Decode(raw[:], v)
	if err != nil || m*2 != n {
		return ""
	}
	hex.Encode(digits[:], raw[:m])
	return in.str(digits[:n])
}
