package agent

import (
	"fmt"
	"os"
	"testing"
)

// An older state is put back after the file was copied and cut: what .1 holds was
// sent, but of that the state knows nothing.
func TestOlderStateAndCopiesSince(t *testing.T) {
	for cuts := 1; cuts <= 6; cuts++ {
		shifted := cuts > 3 // by as many copies as are kept, or one over the other
		t.Run(fmt.Sprint(cuts), func(t *testing.T) {
			w, want := copiesSince(t, cuts, shifted, false)
			w.want("job-driver-x.log", want)
			w.contiguous("job-driver-x.log")
			w.noGaps()
		})
	}
}

// The older state knows a copy over which others were made since.
func TestOlderStateAndCopiesOverOneThatItKnows(t *testing.T) {
	for cuts := 1; cuts <= 3; cuts++ {
		t.Run(fmt.Sprint(cuts), func(t *testing.T) {
			w, want := copiesSince(t, cuts, false, true)
			w.wantOnce("job-driver-x.log", want)
		})
	}
}

// copiesSince makes so many copies after the state, which knows one where known is
// set, and puts it back.
func copiesSince(t *testing.T, cuts int, shifted, known bool) (w *world, want []string) {
	t.Helper()
	w = newWorld(t)
	w.mkdir()
	w.start()
	add := func(tag string) {
		text, lines := numbered(tag, 0, 20)
		w.write("job-driver-x.log", text)
		want = append(want, lines...)
		w.arrived(len(want))
	}
	add("first")
	if known {
		w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
		add("second")
	}
	w.drain()
	restore := w.copyState()
	w.start()
	for n := range cuts {
		if shifted {
			w.shift("job-driver-x.log", 2)
		} else {
			w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
		}
		add(fmt.Sprint("cut", n))
	}
	w.crash()
	restore()
	w.start()
	add("last")
	w.drain()
	return w, want
}

// Files that an older state does not know came, were sent and went.
func TestOlderStateAndFilesThatAreGone(t *testing.T) {
	for _, backups := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(backups), func(t *testing.T) {
			w := newWorld(t)
			w.mkdir()
			w.start()
			want := w.generations("worker-a.out", 0, 1, backups)
			w.drain()
			restore := w.copyState()
			w.start()
			want = append(want, w.generations("worker-a.out", 1, 5, backups)...)
			w.crash()
			restore()
			w.write("worker-a.out", "last\n")
			w.start()
			w.arrived(len(want) + 1)
			w.drain()
			w.want("worker-a.out", append(want, "last"))
			w.contiguous("worker-a.out")
			w.noGaps()
		})
	}
}

// The file has just been cut, and is empty, when an agent starts whose state knows it.
func TestCopiedAndCutAndEmptyAtTheStart(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.start()
	text, want := numbered("first", 0, 20)
	w.write("job-driver-x.log", text)
	w.arrived(len(want))
	w.crash()
	text, lines := numbered("unread", 0, 20)
	w.write("job-driver-x.log", text)
	want = append(want, lines...)
	w.copyTruncate("job-driver-x.log", "job-driver-x.log.1")
	w.start()
	w.arrived(len(want))
	text, lines = numbered("new", 0, 20)
	w.write("job-driver-x.log", text)
	want = append(want, lines...)
	w.arrived(len(want))
	w.write("job-driver-x.log", "last\n")
	w.arrived(len(want) + 1)
	w.drain()
	w.want("job-driver-x.log", append(want, "last"))
	w.contiguous("job-driver-x.log")
	w.noGaps()
}

// What was sent before a kill and is not acknowledged keeps its time, also where it is
// the first of its file and the clock goes back.
func TestFirstLinesKeepTheirTimeAcrossAKill(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.srv.on(func(_ int, stored bool) int {
		if stored {
			return -1
		}
		return 0
	})
	text, want := numbered("first", 0, 20)
	w.write("worker-a.out", text)
	w.start()
	w.arrived(len(want))
	w.crash()
	w.srv.on(nil)
	text, lines := numbered("second", 0, 20)
	w.write("worker-a.out", text)
	want = append(want, lines...)
	w.ages() // an anchor made now would be a minute back
	w.start()
	w.arrived(len(want))
	w.drain()
	w.want("worker-a.out", want)
	w.contiguous("worker-a.out")
}

// logrotate shifts the copies it made: .1 becomes .2, and a new .1 is made.
func TestStateLostAndShiftedCopies(t *testing.T) {
	for _, unsent := range []bool{false, true} {
		for cuts := 1; cuts <= 3; cuts++ {
			t.Run(fmt.Sprint(cuts, " not all sent: ", unsent), func(t *testing.T) {
				w := newWorld(t)
				w.mkdir()
				w.start()
				var want []string
				add := func(tag string) {
					text, lines := numbered(tag, 0, 20)
					w.write("job-driver-x.log", text)
					want = append(want, lines...)
				}
				add("first")
				w.arrived(len(want))
				for n := range cuts {
					if unsent && n == cuts-1 {
						w.crash()
						add("unsent")
					}
					w.shift("job-driver-x.log", 3)
					add(fmt.Sprint("cut", n))
					if w.done != nil {
						w.arrived(len(want))
					}
				}
				if w.done != nil {
					w.crash()
				}
				w.loseState()
				w.start()
				w.arrived(len(want))
				add("last")
				w.arrived(len(want))
				w.drain()
				w.want("job-driver-x.log", want)
				w.contiguous("job-driver-x.log")
				w.noGaps()
			})
		}
	}
}

// shift does what logrotate's copytruncate does with copies that it keeps.
func (w *world) shift(name string, keep int) {
	w.t.Helper()
	for n := keep - 1; n >= 1; n-- {
		if err := os.Rename(w.path(fmt.Sprint(name, ".", n)), w.path(fmt.Sprint(name, ".", n+1))); err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
	}
	w.copyTruncate(name, name+".1")
}
