package ray

import (
	"encoding/base64"
	"encoding/hex"
	"iter"
)

// members are the keys and values of a JSON object, up to where it ends or is broken.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, v []byte) bool) {
		obj, ok := openObject(object)
		for ok {
			var key, v []byte
			if key, v, ok = obj.next(); ok {
				ok = yield(key, v)
			}
		}
	}
}

// eventLine reads one event. Its ids are those of what it is about.
func (p *Parser) eventLine(line []byte, dst *Line) {
	for key, v := range members(line) {
		switch string(key) {
		case "timestamp":
			p.eventTime(v, dst)
		case "severity":
			dst.Level = wordLevel(v)
		case "custom_fields":
			for key, v := range members(v) {
				p.eventSubject(key, v, dst)
			}
		}
	}
}

func (p *Parser) eventTime(v []byte, dst *Line) {
	if t := unixNano(v); p.clock.plausible(t) {
		dst.Time = t
	}
}

func (p *Parser) eventSubject(key, v []byte, dst *Line) {
	switch key := string(key); {
	case key == "job_id" && fits(v, jobIDLen):
		dst.JobID = job(p.intern.str(v))
	case key == "worker_id" && fits(v, workerIDLen):
		dst.WorkerID = p.intern.str(v)
	case key == "actor_id" && fits(v, actorIDLen):
		dst.ActorID = p.intern.str(v)
	case key == "task_id" && fits(v, taskIDLen):
		dst.TaskID = p.intern.str(v)
	case key == "submission_id" && len(v) <= maxName:
		dst.SubmissionID = p.intern.str(v)
	}
}

// exportLine reads one export event; its ids are in base64.
func (p *Parser) exportLine(line []byte, dst *Line) {
	for key, v := range members(line) {
		switch string(key) {
		case "timestamp":
			p.eventTime(v, dst)
		case "event_data":
			for key, v := range members(v) {
				p.exportSubject(key, v, dst)
			}
		}
	}
}

func (p *Parser) exportSubject(key, v []byte, dst *Line) {
	switch key := string(key); {
	case key == "job_id":
		dst.JobID = job(p.intern.base64ID(v, jobIDLen))
	case key == "task_id":
		dst.TaskID = p.intern.base64ID(v, taskIDLen)
	case key == "actor_id":
		dst.ActorID = p.intern.base64ID(v, actorIDLen)
	case key == "attempt_number" && isDigits(v) && len(v) < 10:
		dst.Attempt = p.intern.str(v)
	case key == "submission_job_id" && len(v) <= maxName:
		dst.SubmissionID = p.intern.str(v)
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
