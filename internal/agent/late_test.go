package agent

import (
	"testing"
)

// A process may go on writing by a descriptor of its own to a file that was rotated.
func TestARotatedFileGrowsAfterTheNextOneWasBegun(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w := newWorld(t)
		w.mkdir()
		w.start()
		text, want := numbered("first", 0, 20)
		w.write("raylet.out", text)
		w.arrived(20)
		w.rotate("raylet.out", 3)
		text, lines := numbered("second", 0, 20)
		w.write("raylet.out", text)
		want = append(want, lines...)
		w.arrived(40)
		for i := range 3 {
			text, lines := numbered("late", 10*i, 10*i+10)
			w.write("raylet.out.1", text)
			want = append(want, lines...)
			w.arrived(len(want))
			if restart {
				w.crash()
				w.start()
			}
		}
		text, lines = numbered("second", 20, 30)
		w.write("raylet.out", text)
		want = append(want, lines...)
		w.arrived(len(want))
		w.drain()
		w.wantOnce("raylet.out", want)
		if told := w.srv.gaps(); len(told) != 1 {
			t.Errorf("gaps told: %q, want one that says why these lines have a stream of their own", told)
		}
		w.start() // nothing is read again
		w.drain()
		w.wantOnce("raylet.out", want)
	}
}
