package ray

import "bytes"

var (
	factNodeID       = []byte("Setting node ID")                   // raylet, 2.46 and later
	factNodeManager  = []byte("Initializing NodeManager with ID ") // raylet, 2.9
	factWorkerStart  = []byte("Initializing worker at address: ")
	factCreateActor  = []byte("Creating actor")
	keyNodeID        = []byte("node_id=")
	keyActorID       = []byte("actor_id=")
	keyNodeIDJSON    = []byte(`"node_id":"`)
	keyActorIDJSON   = []byte(`"actor_id":"`)
	keyRaylet        = []byte(", raylet ")
	keyCreateActor29 = []byte("Creating actor: ")
)

// cppFacts learns what a process of the C++ side says about itself in its own log.
func (p *Parser) cppFacts(line []byte, dst *Line) {
	switch p.file.Component {
	case ComponentRaylet:
		if p.s.nodeID == "" && p.file.Output == "out" {
			p.s.nodeID = p.intern.str(rayletNode(line))
		}
	case ComponentCoreWorker:
		if p.s.nodeID == "" {
			p.s.nodeID = p.intern.str(workerNode(line))
		}
		if p.s.actorID == "" {
			p.becomes(p.intern.str(createdActor(line)))
		}
	case ComponentCoreDriver:
		if p.s.nodeID == "" {
			p.s.nodeID = p.intern.str(workerNode(line))
		}
	}
}

// becomes notes that the process is the actor from here on.
func (p *Parser) becomes(actorID string) {
	if actorID == "" {
		return
	}
	p.s.actorID = actorID
	if p.s.job == "" {
		p.s.job = JobOfActor(actorID)
	}
}

// rayletNode is the node id in the line in which a raylet names itself.
func rayletNode(line []byte) []byte {
	if i := bytes.Index(line, factNodeManager); i >= 0 {
		return leadingID(line[i+len(factNodeManager):], nodeIDLen)
	}
	if i := bytes.Index(line, factNodeID); i >= 0 {
		return idOf(line[i:], keyNodeID, keyNodeIDJSON, nodeIDLen)
	}
	return nil
}

// workerNode is the node id in the line in which a worker or driver names itself.
func workerNode(line []byte) []byte {
	i := bytes.Index(line, factWorkerStart)
	if i < 0 {
		return nil
	}
	if id := idOf(line[i:], keyNodeID, keyNodeIDJSON, nodeIDLen); id != nil {
		return id
	}
	return idAfter(line[i:], keyRaylet, nodeIDLen)
}

// createdActor is the actor id in the line in which a worker becomes an actor.
func createdActor(line []byte) []byte {
	i := bytes.Index(line, factCreateActor)
	if i < 0 {
		return nil
	}
	b := line[i:]
	if bytes.HasPrefix(b, keyCreateActor29) {
		return leadingID(b[len(keyCreateActor29):], actorIDLen)
	}
	b = b[len(factCreateActor):]
	if len(b) == 0 || (b[0] != ' ' && b[0] != '"') { // text or JSON
		return nil
	}
	return idOf(b, keyActorID, keyActorIDJSON, actorIDLen)
}

// idOf is the id behind either form of its key.
func idOf(b, text, json []byte, n int) []byte {
	if id := idAfter(b, text, n); id != nil {
		return id
	}
	return idAfter(b, json, n)
}

func idAfter(b, key []byte, n int) []byte {
	i := bytes.Index(b, key)
	if i < 0 {
		return nil
	}
	return leadingID(b[i+len(key):], n)
}

// leadingID is the id of n hex digits that b begins with, nil if there is none.
func leadingID(b []byte, n int) []byte {
	if len(b) < n || !isHex(b[:n]) {
		return nil
	}
	if len(b) > n && isHex(b[n:n+1]) {
		return nil
	}
	return b[:n]
}
