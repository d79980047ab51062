package agent

import (
	"strings"
	"testing"
)

// A server that was away when the agent began is there again, though there is nothing
// to send.
func TestReadyWithNothingToSend(t *testing.T) {
	w := newWorld(t)
	w.mkdir()
	w.srv.on(func(int, bool) int { return 503 })
	w.start()
	w.until("it is not ready", func() bool {
		err := w.a.health.Ready()
		return err != nil && strings.Contains(err.Error(), "the server has not taken lines")
	})
	w.srv.on(nil)
	w.until("it is ready", func() bool { return w.a.health.Ready() == nil })
	w.drain()
}
