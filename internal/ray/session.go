package ray

import "time"

// Session is what the name of a session directory tells.
type Session struct {
	Name    string
	Started time.Time // wall clock of the node that minted the name, as if it were UTC
	PID     int       // of `ray start` on that node; 1 in a container
}

// ParseSession reads session_<date>_<pid>, the name of a session directory.
func ParseSession(dirname string) (Session, bool) {
	return Session{Name: dirname}, false
}

// NodeIDFromEntry reads the node id in the name of a port file in a session
// directory (metrics_agent_port_<node id>; Ray 2.57 and later).
func NodeIDFromEntry(name string) (nodeID string, ok bool) {
	return "", false
}
