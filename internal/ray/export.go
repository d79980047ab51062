package ray

// exportEvent is what the indexes need of an export event.
type exportEvent struct {
	source, task, attempt, job, submission []byte
	component                              []byte // the worker's id
	logInfo                                []byte
	running                                []byte // when it began to run, in ns
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
				switch key {
				case "task_log_info":
					e.logInfo = v
				case "state_ts_ns":
					e.running = stateTime(v, "8")
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

// stateTime is the time of one state in a task event's map.
func stateTime(states []byte, state string) (at []byte) {
	eachField(states, func(key string, v []byte) {
		if key == state {
			at = v
		}
	})
	return at
}
