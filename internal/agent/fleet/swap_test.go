package fleet

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// patient makes engines drain for longer than any test waits.
func (w *world) patient() {
	w.t.Helper()
	text, err := os.ReadFile(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(strings.Replace(string(text), "drain_timeout: 10s", "drain_timeout: 10m", 1))
}

func TestAChangeDoesNotWaitForFilesToBeQuiet(t *testing.T) {
	w := newWorld(t)
	a := newReceiver(t)
	w.configure("labels: {v: one}", "a", a.URL)
	w.patient()
	stop, stopped := make(chan struct{}), make(chan struct{})
	var want []string
	go func() {
		defer close(stopped)
		for {
			line := fmt.Sprintf("line %d", len(want))
			w.append("raylet.out", line+"\n")
			want = append(want, line)
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	w.start()
	w.until("some arrived", func() bool { return len(a.lines()) > 10 })
	w.configure("labels: {v: two}", "a", a.URL)
	w.patient()
	w.until("lines carry the new label", func() bool {
		rows := a.stored()
		return rows[len(rows)-1].labels.Get("v") == "two"
	})
	close(stop)
	<-stopped
	w.until("all arrived", func() bool { return len(a.lines()) >= len(want) })
	if diff := cmp.Diff(want, a.lines()); diff != "" {
		t.Errorf("each line once, in order (-want +got):\n%s", diff)
	}
}

func TestAWrongAddressIsMendedAtOnce(t *testing.T) {
	w := newWorld(t)
	a, wrong := newReceiver(t), newReceiver(t)
	wrong.setAway(true)
	w.configure("", "a", wrong.URL)
	w.patient()
	w.append("raylet.out", "one\ntwo\n")
	w.start()
	w.until("it is not ready", func() bool { _, text := w.get("/readyz"); return strings.Contains(text, "has not taken lines") })
	w.configure("", "a", a.URL)
	w.patient()
	w.arrived(a, "one", "two")
}
