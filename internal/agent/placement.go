package agent

import (
	"context"
	"time"

	"github.com/remora-ray/remora/internal/agent/discover"
	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/ray"
)

// Whose files are may become known late: the API server is asked, say. Until then
// nothing is read of them, for a while, or, where that decides who may see them, for
// as long as it takes.
const (
	placeWait  = 10 * time.Second
	placeEvery = 500 * time.Millisecond // between two questions
)

// settleDown asks whose a session's files are.
func (a *agent) settleDown(s *session, at string) {
	if a.conf.Place == nil {
		return
	}
	s.place = at
	p := a.conf.Place(at)
	s.node, s.placed, s.waits = p.Node, p.Known, p.Wait
	switch {
	case p.Machine != "":
		s.machine = p.Machine
	case p.Apart != "":
		s.machine = a.machine + ":" + p.Apart
	}
}

// sessionOf is the session that a file is of; where a layout says whose each file is,
// one for all that are of the same.
func (a *agent) sessionOf(key string, f ray.File) *session {
	layout, ok := a.conf.Source.(discover.Placed)
	if !ok || a.conf.Place == nil {
		return a.session(key)
	}
	at := layout.Place(f.Stream)
	s := a.sessions["\x00"+at]
	if s == nil {
		s = &session{since: time.Now(), known: true, node: a.conf.Node, machine: a.machine}
		a.settleDown(s, at)
		a.sessions["\x00"+at] = s
	}
	return s
}

// leaveSession notes that a stream is forgotten. With its last one so is a pod of which
// nothing else is kept.
func (a *agent) leaveSession(s *session) {
	if s.streams--; s.streams == 0 && s.key == "" && s.place != "" {
		delete(a.sessions, "\x00"+s.place)
	}
}

// placeSessions asks again whose files are, where that was not known.
func (a *agent) placeSessions(now time.Time) {
	if now.Sub(a.placed) < placeEvery || a.conf.Place == nil {
		return
	}
	a.placed = now
	for _, s := range a.sessions {
		if s.placed || s.place == "" {
			continue
		}
		p := a.conf.Place(s.place)
		p.Node.ID = s.node.ID
		if p.Node != s.node {
			s.node = p.Node
			s.facts++
		}
		s.placed, s.waits = p.Known, p.Wait
	}
}

// unplaced reports whether it is not known yet whose a session's files are.
func (a *agent) unplaced() bool {
	for _, s := range a.sessions {
		if a.conf.Place != nil && !s.placed && s.place != "" {
			return true
		}
	}
	return false
}

// held reports whether nothing may be sent of a session yet.
func (s *session) held() bool { return !s.placed && s.waits }

// sessionReady reports whether whose a session's files are and the kind of its node
// are known, or will not be.
func (a *agent) sessionReady(s *session, now time.Time) bool {
	if !s.placed && (s.waits || !a.draining && now.Sub(s.since) < placeWait) {
		return false
	}
	return s.known || s.node.Type != "" || s.node.Shared || a.scanned && a.draining || now.Sub(s.since) >= sessionWait
}

// nextToAsk are the streams to ask the target about at once, which are of one tenant.
func (a *agent) nextToAsk() (some []*follower, tenant string) {
	var rest []*follower
	for _, f := range a.toAsk {
		switch of := f.session.node.Tenant; {
		case f.session.held() || len(some) > 0 && of != tenant || time.Now().Before(a.shut[of].until):
			rest = append(rest, f)
		default:
			some, tenant = append(some, f), of
		}
	}
	a.toAsk = rest
	return some, tenant
}

// shut is a tenant that the target could not be asked as.
type shut struct {
	until time.Time
	wait  time.Duration
}

// shutOut has the streams of a tenant asked about again after a while, and longer each
// time: other tenants do not wait for it.
func (a *agent) shutOut(x answers) {
	a.toAsk = append(a.toAsk, x.asked...)
	s := a.shut[x.tenant]
	s.wait = min(max(2*s.wait, a.conf.MinWait), a.conf.MaxWait)
	s.until = time.Now().Add(s.wait)
	a.shut[x.tenant] = s
}

// offsets asks the target where files stand, as their tenant where they have one.
func (a *agent) offsets(ctx context.Context, x *answers) (loki.OffsetsResponse, parse.Wire, error) {
	if t, ok := a.target.(ship.Tenanted); ok && x.tenant != "" {
		return t.OffsetsAs(ctx, x.tenant, x.ask)
	}
	return a.target.Offsets(ctx, x.ask)
}
