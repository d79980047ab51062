package ray

import "bytes"

// What single lines of the head's files say about the cluster. Each returns
// false, or "", for every other line.

var (
	saysVersion     = []byte("ray_version=") // gcs_server.out
	saysVersionJSON = []byte(`"ray_version":"`)
	saysMonitor     = []byte("Ray version: ") // monitor.log
	saysRegistering = []byte("Registering job.")
	saysAdding      = []byte("Adding job, job id = ")
	saysExit        = []byte("Reporting worker exit, worker id = ")
	saysCompleted   = []byte("Completed a ray job ")
	saysStarted     = []byte("Started a ray job ")
	saysFinished    = []byte("Marking job as finished.")
)

// Version is the version of Ray that the GCS or the autoscaler names at its start.
func Version(line []byte) string {
	for _, key := range [][]byte{saysVersion, saysVersionJSON, saysMonitor} {
		i := bytes.Index(line, key)
		if i < 0 {
			continue
		}
		b := line[i+len(key):]
		n := 0
		for n < len(b) && n < 32 && b[n] != ' ' && b[n] != '"' && b[n] != ',' {
			n++
		}
		if n > 0 && b[0] >= '0' && b[0] <= '9' {
			return string(b[:n])
		}
	}
	return ""
}

// RegisteredJob reads the GCS's line about a driver that has connected.
func RegisteredJob(line []byte) (jobID string, driverPID int, ok bool) {
	if i := bytes.Index(line, saysRegistering); i >= 0 {
		jobID = job(string(idOf(line[i:], keyJobID[1:], keyJobIDJSON, jobIDLen)))
		driverPID = numberAfter(line[i:], "driver_pid=", `"driver_pid":"`)
		return jobID, driverPID, jobID != ""
	}
	if i := bytes.Index(line, saysAdding); i >= 0 { // 2.9
		jobID = job(string(leadingID(line[i+len(saysAdding):], jobIDLen)))
		return jobID, numberAfter(line[i:], "driver pid = ", ""), jobID != ""
	}
	return "", 0, false
}

// FinishedJob reads the GCS's line about a driver that has gone.
func FinishedJob(line []byte) (jobID string, ok bool) {
	i := bytes.Index(line, saysFinished)
	if i < 0 {
		return "", false
	}
	jobID = job(string(idOf(line[i:], keyJobID[1:], keyJobIDJSON, jobIDLen)))
	return jobID, jobID != ""
}

// WorkerExit reads the GCS's line about a worker that did not end as it should.
func WorkerExit(line []byte) (workerID, exitType string, ok bool) {
	i := bytes.Index(line, saysExit)
	if i < 0 {
		return "", "", false
	}
	b := line[i+len(saysExit):]
	workerID = string(leadingID(b, workerIDLen))
	_, b, ok = bytes.Cut(b, []byte("exit_type = "))
	if !ok || workerID == "" {
		return "", "", false
	}
	word, _, _ := bytes.Cut(b, []byte(","))
	if len(word) > 64 {
		return "", "", false
	}
	return workerID, string(word), true
}

// JobEvent reads an event about a submitted job: its status is "" when it starts.
func JobEvent(line []byte) (submissionID, status string, ok bool) {
	var message, sid []byte
	if !eachField(line, func(key string, v []byte) {
		switch key {
		case "message":
			message = v
		case "custom_fields":
			eachField(v, func(key string, v []byte) {
				if key == "submission_id" {
					sid = v
				}
			})
		}
	}) || len(sid) == 0 {
		return "", "", false
	}
	switch {
	case bytes.HasPrefix(message, saysStarted):
		return string(sid), "", true
	case bytes.HasPrefix(message, saysCompleted):
		_, rest, ok := bytes.Cut(message, []byte(" with a status "))
		word := leadingWord(rest)
		return string(sid), string(word), ok && len(word) > 0
	}
	return "", "", false
}

func numberAfter(b []byte, text, json string) int {
	for _, key := range []string{text, json} {
		if key == "" {
			continue
		}
		if i := bytes.Index(b, []byte(key)); i >= 0 {
			if n, _ := leadingNumber(b[i+len(key):]); n > 0 {
				return n
			}
		}
	}
	return 0
}
