package ray

// Ids as Ray prints them, in hex digits. A task id is 8 bytes of its own and an
// actor id; an actor id is 12 bytes of its own and a job id; a driver's worker id
// is its job id and 24 bytes of ff.
const (
	jobIDLen    = 8
	actorIDLen  = 32
	taskIDLen   = 48
	workerIDLen = 56
	nodeIDLen   = 56
)

// nilJob stands in the name of a worker that was started before any job asked for it.
const nilJob = "ffffffff"

// JobOfTask is the job id inside a task id (its last 4 bytes); "" where there is none.
func JobOfTask(taskID string) string {
	if len(taskID) != taskIDLen {
		return ""
	}
	return job(taskID[taskIDLen-jobIDLen:])
}

// ActorOfTask is the actor id inside a task id; "" for a task of no actor.
func ActorOfTask(taskID string) string {
	if len(taskID) != taskIDLen || !isHex(taskID) || allF(taskID[16:taskIDLen-jobIDLen]) {
		return ""
	}
	return taskID[16:]
}

// JobOfActor is the job id inside an actor id; "" where there is none.
func JobOfActor(actorID string) string {
	if len(actorID) != actorIDLen {
		return ""
	}
	return job(actorID[actorIDLen-jobIDLen:])
}

// JobOfDriver is the job id inside the worker id of a driver; "" for a worker.
func JobOfDriver(workerID string) string {
	if len(workerID) != workerIDLen || !allF(workerID[jobIDLen:]) {
		return ""
	}
	return job(workerID[:jobIDLen])
}

// IsNormalTask tells whether taskID is that of a task of no actor.
func IsNormalTask(taskID string) bool {
	return len(taskID) == taskIDLen && isHex(taskID) && allF(taskID[16:taskIDLen-jobIDLen])
}

// job is s if it is the id of a job, else "".
func job(s string) string {
	if len(s) != jobIDLen || s == nilJob || !isHex(s) {
		return ""
	}
	return s
}

func allF(s string) bool {
	for i := range len(s) {
		if s[i] != 'f' {
			return false
		}
	}
	return s != ""
}

// isHex accepts lower case only, as Ray prints ids.
func isHex[T string | []byte](s T) bool {
	for i := range len(s) {
		if !hexDigits[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

var hexDigits = func() (is [256]bool) {
	for _, c := range "0123456789abcdef" {
		is[c] = true
	}
	return is
}()

func isDigits[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}
