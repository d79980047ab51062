package ray

import "time"

// Context is what is known of a file's surroundings before its first line.
type Context struct {
	Session  string         // session_… directory name
	Location *time.Location // the node's zone; nil means UTC
}

// Line is what one line tells. Strings that are empty are not known. Byte slices
// and strings stay valid after the next call.
type Line struct {
	Time         int64  // Unix nanoseconds of the line's own time stamp; 0 where it has none
	Level        string // trace debug info warn error critical fatal; "" where it has none
	Continuation bool   // belongs to the record begun by an earlier line (traceback, stack trace)
	Magic        bool   // one of Ray's own marks (:job_id:…), not user text
	Copy         bool   // a copy of a line whose original is in another file

	PID                                       int
	WorkerID, NodeID, JobID                   string
	ActorID, ActorName                        string
	TaskID, TaskName, Attempt                 string
	SubmissionID                              string
	Component                                 Component // where a line of a container's output tells it; else ""
	Application, Deployment, Replica, Request string
}
