package main

import "bytes"

// tag is what a line of a recording says about itself:
//
//	@@ n=0 job=01000000 task=… actor=- worker=… node=… pid=472 | text
//
// "-" stands where Ray's own runtime context knows nothing.
type tag struct {
	job, task, actor, worker, node, pid string
}

var tagHead = []byte("@@ n=")

// parseTag finds the first whole tag in line.
func parseTag(line []byte) (tag, bool) {
	i := bytes.Index(line, tagHead)
	if i < 0 {
		return tag{}, false
	}
	rest := line[i+len("@@ "):]
	end := bytes.Index(rest, []byte(" |"))
	if end < 0 || end > 512 {
		return tag{}, false
	}
	var t tag
	n := 0
	for _, word := range bytes.Fields(rest[:end]) {
		key, value, ok := bytes.Cut(word, []byte("="))
		if !ok {
			return tag{}, false
		}
		dst := t.field(string(key))
		if dst == nil {
			continue
		}
		*dst = string(value)
		n++
	}
	return t, n == len(fieldNames)
}

// fieldNames are the columns of the table.
var fieldNames = []string{"job", "worker", "pid", "node", "actor", "task"}

func (t *tag) field(name string) *string {
	switch name {
	case "job":
		return &t.job
	case "worker":
		return &t.worker
	case "pid":
		return &t.pid
	case "node":
		return &t.node
	case "actor":
		return &t.actor
	case "task":
		return &t.task
	}
	return nil
}

// fromThread tells that a user's own thread wrote the line: the runtime context
// knows the process but neither actor nor task.
func (t *tag) fromThread() bool { return t.task == "-" }
