package ray

import (
	"strconv"
	"strings"
	"time"
)

// Session is what the name of a session directory tells.
type Session struct {
	Name    string
	Started time.Time // the head's wall clock when it minted the name, as if that were UTC
	PID     int       // of `ray start` on the head; 1 in a container
}

// ParseSession reads session_<date>_<pid>, the name of a session directory. All
// nodes of a cluster use the same name; session_latest is none.
func ParseSession(dirname string) (Session, bool) {
	rest, ok := strings.CutPrefix(dirname, "session_")
	if !ok {
		return Session{}, false
	}
	i := strings.LastIndexByte(rest, '_')
	if i < 0 || !isDigits(rest[i+1:]) {
		return Session{}, false
	}
	pid, err := strconv.Atoi(rest[i+1:])
	if err != nil {
		return Session{}, false
	}
	j := strings.LastIndexByte(rest[:i], '_')
	if j < 0 || !isDigits(rest[j+1:i]) {
		return Session{}, false
	}
	t, err := time.Parse("2006-01-02_15-04-05.000000", rest[:j]+"."+rest[j+1:i])
	if err != nil {
		return Session{}, false
	}
	return Session{Name: dirname, Started: t, PID: pid}, true
}

// NodeIDFromEntry reads the node id in the name of a port file in a session
// directory (metrics_agent_port_<node id>; Ray 2.57 and later). After a restart
// in the same directory the files of both incarnations stand there.
func NodeIDFromEntry(name string) (nodeID string, ok bool) {
	i := strings.LastIndex(name, "_port_")
	if i <= 0 {
		return "", false
	}
	id := name[i+len("_port_"):]
	if len(id) != nodeIDLen || !isHex(id) {
		return "", false
	}
	return id, true
}
