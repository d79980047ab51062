// Package inspect summarises recorded Ray sessions offline: what ran, where, how
// much it logged and what it complained about.
//
// Its invariant: memory grows with the number of files, processes and different
// errors, never with that of lines.
package inspect

import "time"

// Summary is what the given paths hold.
type Summary struct {
	Paths    []string  `json:"paths"`
	Sessions []Session `json:"sessions"`
	Outside  *Session  `json:"outside,omitempty"` // output of containers that have no session
}

// Session is one session of a cluster, over all its nodes.
type Session struct {
	Name       string      `json:"session"`
	RayVersion string      `json:"ray_version,omitempty"`
	Start      *time.Time  `json:"start,omitempty"` // first and last time stamp in any line
	End        *time.Time  `json:"end,omitempty"`
	Files      int         `json:"files"`
	Lines      int64       `json:"lines"`
	Bytes      int64       `json:"bytes"`
	Nodes      []Node      `json:"nodes"`
	Components []Component `json:"components"`
	Skipped    []Skipped   `json:"skipped,omitempty"`
	Jobs       []Job       `json:"jobs"`
	Submitted  []Submitted `json:"submissions"`
	Actors     []Actor     `json:"actors"`
	Workers    []Worker    `json:"workers"`
	Exits      []Exit      `json:"worker_exits,omitempty"`
	Errors     []Error     `json:"errors"`
	MoreErrors int         `json:"more_errors,omitempty"` // different errors beyond those listed
}

// Node is one machine or pod.
type Node struct {
	Name    string     `json:"name,omitempty"`
	IDs     []string   `json:"node_ids,omitempty"` // the newest first; several after a restart in place
	Head    bool       `json:"head"`
	Files   int        `json:"files"`
	Empty   int        `json:"empty_files"`
	Lines   int64      `json:"lines"`
	Bytes   int64      `json:"bytes"`
	Workers int        `json:"workers"`
	Start   *time.Time `json:"start,omitempty"`
	End     *time.Time `json:"end,omitempty"`
}

// Component sums the files of one component.
type Component struct {
	Name     string `json:"component"`
	Files    int    `json:"files"`
	Empty    int    `json:"empty_files"`
	Rotated  int    `json:"rotated_files,omitempty"`
	Lines    int64  `json:"lines"`
	Bytes    int64  `json:"bytes"`
	Warnings int64  `json:"warnings"`
	Errors   int64  `json:"errors"`
}

// Skipped is a file that holds no lines.
type Skipped struct {
	Filename string `json:"filename"`
	Why      string `json:"why"`
	Bytes    int64  `json:"bytes"`
}

// Job is a driver that has connected.
type Job struct {
	ID           string     `json:"job_id"`
	SubmissionID string     `json:"submission_id,omitempty"`
	DriverPID    int        `json:"driver_pid,omitempty"`
	Start        *time.Time `json:"start,omitempty"`
	End          *time.Time `json:"end,omitempty"`
	Workers      int        `json:"workers"`
	Actors       int        `json:"actors"`
	Of           string     `json:"of,omitempty"` // the part of Ray that runs it, if no user does
}

// Submitted is a job handed to Ray's job server, which may start any number of drivers.
type Submitted struct {
	ID     string     `json:"submission_id"`
	Status string     `json:"status,omitempty"`
	Start  *time.Time `json:"start,omitempty"`
	End    *time.Time `json:"end,omitempty"`
	Lines  int64      `json:"lines"`
}

// Actor is an actor, with each process it has run in.
type Actor struct {
	ID      string   `json:"actor_id"`
	Name    string   `json:"name,omitempty"` // its class
	JobID   string   `json:"job_id"`
	Workers []string `json:"worker_ids"`
}

// Worker is a worker process.
type Worker struct {
	ID      string `json:"worker_id"`
	JobID   string `json:"job_id,omitempty"`
	ActorID string `json:"actor_id,omitempty"`
	NodeID  string `json:"node_id,omitempty"`
	Node    string `json:"node,omitempty"`
	PID     int    `json:"pid"`
	Lines   int64  `json:"lines"` // of its output
	Exit    string `json:"exit_type,omitempty"`
}

// Exit counts the workers that did not end as they should.
type Exit struct {
	Type    string `json:"exit_type"`
	Workers int    `json:"workers"`
}

// Error is a complaint, with all that differ from it in numbers and ids only.
type Error struct {
	Text      string     `json:"text"` // of the first one
	Cause     string     `json:"cause,omitempty"`
	Level     string     `json:"level"`
	Component string     `json:"component"`
	Count     int64      `json:"count"`
	First     *time.Time `json:"first,omitempty"`
	Last      *time.Time `json:"last,omitempty"`
	Node      string     `json:"node,omitempty"`
	Filename  string     `json:"filename"`
	Files     int        `json:"files"`
}
