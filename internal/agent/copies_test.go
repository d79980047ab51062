package agent

import (
	"slices"
	"testing"
)

// The state is lost, the file is empty, and the server has what it held: copies of that
// are not sent again.
func TestCopiesOfWhatAnEmptyFileHeld(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	oldest, first := numbered("oldest", 0, 10)
	w.write("job-driver-x.log", oldest)
	w.shift("job-driver-x.log", 2)
	w.start()
	w.arrived(len(first))
	newer, second := numbered("newer", 0, 20)
	w.write("job-driver-x.log", newer)
	w.arrived(len(first) + len(second))
	w.shift("job-driver-x.log", 2)
	w.crash()
	w.remove("job-driver-x.log.2") // by whose name the server knows the stream
	w.loseState()
	w.start()
	w.write("worker-a.out", "asked about with it\n")
	w.arrived(len(first) + len(second) + 1)
	last, third := numbered("last", 0, 5)
	w.write("job-driver-x.log", last)
	w.arrived(len(first) + len(second) + 1 + len(third))
	w.drain()
	w.want("job-driver-x.log", slices.Concat(first, second, third))
}
