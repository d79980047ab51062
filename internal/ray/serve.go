package ray

import (
	"bytes"
	"strings"
)

// serveName is a replica's application and deployment.
type serveName struct {
	application, deployment string
}

func (n serveName) fill(dst *Line) {
	if n.deployment == "" {
		return
	}
	dst.Application, dst.Deployment = n.application, n.deployment
}

// replicaName reads "ServeReplica:<app>:<deployment>", the class name of a
// replica's actor.
func replicaName(actorName string) serveName {
	rest, ok := strings.CutPrefix(actorName, "ServeReplica:")
	if !ok {
		return serveName{}
	}
	app, deployment, ok := strings.Cut(rest, ":")
	if !ok || strings.Contains(deployment, ":") {
		return serveName{}
	}
	return serveName{app, deployment}
}

// serveText reads what follows the time in Serve's text form:
//
//	" shop_Price 4oos3ic5 f5228911-… -- message", " controller 448 -- …", " proxy 10.0.0.11 … -- …"
//
// In a worker's output it is believed if it is the deployment that the process
// serves.
func (p *Parser) serveText(b []byte, dst *Line) {
	end := bytes.Index(b, []byte(" -- "))
	if end < 1 || end > 1024 || b[0] != ' ' {
		return
	}
	component, rest := cutWord(b[1:end])
	replica, request := cutWord(rest)
	request, _ = cutWord(request)
	if p.file.Format == FormatServe {
		if string(component) == "proxy" || string(replica) == p.file.Replica {
			dst.Request = p.request(request)
		}
		return
	}
	if p.file.Format != FormatWorker || p.s.role != roleActor {
		return
	}
	if serveActors[p.s.actorName] == string(component) && len(component) > 0 {
		dst.Copy = true
		return
	}
	if !p.replica.named(component) {
		return
	}
	dst.Copy = true // the original is below serve/
	if len(replica) > 0 && len(replica) <= 64 {
		dst.Replica = p.intern.str(replica)
		dst.Request = p.request(request)
	}
}

// serveActors are the classes of Serve's own actors, and what their lines begin with.
var serveActors = map[string]string{"ServeController": "controller", "ProxyActor": "proxy", "HTTPProxyActor": "http_proxy"}

// named tells whether s is <app>_<deployment>, or the deployment where there is no app.
func (n serveName) named(s []byte) bool {
	if n.deployment == "" || !bytes.HasSuffix(s, []byte(n.deployment)) {
		return false
	}
	app := s[:len(s)-len(n.deployment)]
	if n.application == "" {
		return len(app) == 0
	}
	return len(app) == len(n.application)+1 && app[len(app)-1] == '_' && string(app[:len(app)-1]) == n.application
}

// request keeps a request's id. Text before "--" that holds a file name
// (until 2.9: "name.py:13 - ") is none. An id that differs from the line before is
// mostly a new one, so that it is not looked up among those seen.
func (p *Parser) request(b []byte) string {
	if len(b) == 0 || len(b) > 128 || bytes.IndexByte(b, ':') >= 0 {
		return ""
	}
	if string(b) != p.last.Request {
		p.last.Request = string(b)
	}
	return p.last.Request
}

// takeServe takes a JSON line's Serve members. "deployment" is
// <app>_<deployment>; the actor's name, SERVE_REPLICA::app#deployment#replica,
// has them apart.
func (p *Parser) takeServe(f *fields, dst *Line) {
	if f.request != nil {
		dst.Request = p.request(f.request)
	}
	if f.replica == nil || len(f.replica) > 64 {
		return
	}
	dst.Replica = p.intern.str(f.replica)
	if rest, ok := bytes.CutPrefix(f.actorName, []byte("SERVE_REPLICA::")); ok {
		app, rest, ok1 := bytes.Cut(rest, []byte("#"))
		deployment, replica, ok2 := bytes.Cut(rest, []byte("#"))
		if ok1 && ok2 && bytes.Equal(replica, f.replica) {
			dst.Application, dst.Deployment = p.intern.str(app), p.intern.str(deployment)
			return
		}
	}
	if f.application != nil && len(f.application) < maxName && len(f.deployment) < maxName {
		dst.Application = p.intern.str(f.application)
		if d, ok := bytes.CutPrefix(f.deployment, append(append([]byte(nil), f.application...), '_')); ok {
			dst.Deployment = p.intern.str(d)
		}
	}
}

// cutWord splits at the first blank.
func cutWord(b []byte) (word, rest []byte) {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return b, nil
	}
	return b[:i], b[i+1:]
}
