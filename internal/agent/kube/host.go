package kube

import (
	"os"
	"path"
	"path/filepath"
	"time"
)

// skew is how much later than a directory its pod may seem to have been created, by
// another machine's clock.
const skew = time.Minute

// OfDir tells whose a directory of the node is, which was made at that time: the pod
// that alone mounts it, or what is the same of all pods that share it, without their
// names. shared says that more than one may write there.
func (p *Pods) OfDir(dir string, made time.Time) (x Pod, shared bool) {
	p.mu.Lock()
	own, others := p.mounting(dir, made)
	// By when it was made: it may be asked about again when another is there.
	known := len(own)+len(others) > 0 || p.unknown(dir+" "+made.String())
	p.mu.Unlock()
	switch {
	case len(own) > 0 && len(others) == 0 && sameName(own):
		return latest(own), false
	case len(own)+len(others) > 0:
		x = common(append(own, others...))
		return x, true
	}
	x = p.byName(dir)
	x.Known = known
	return x, x.Name == ""
}

// mounting are the pods that may have written to a directory since it was made: those
// whose own it is, and those that share it.
func (p *Pods) mounting(dir string, made time.Time) (own, others []Pod) {
	for _, x := range p.pods {
		gone := x.Seen.Before(p.listed) && x.Seen.Add(atLeast+skew).Before(made)
		if gone || x.Created.After(made.Add(skew)) {
			continue
		}
		for _, m := range x.Mounts {
			if ok, err := path.Match(m.Dir, dir); err != nil || !ok {
				continue
			}
			if m.Own {
				own = append(own, x)
			} else {
				others = append(others, x)
			}
			break
		}
	}
	return own, others
}

func sameName(pods []Pod) bool {
	for _, x := range pods {
		if x.Name != pods[0].Name || x.Namespace != pods[0].Namespace {
			return false
		}
	}
	return true
}

// latest is the pod created last: a pod of the same name takes the place of one that
// has ended.
func latest(pods []Pod) Pod {
	last := pods[0]
	for _, x := range pods[1:] {
		if x.Created.After(last.Created) {
			last = x
		}
	}
	return last
}

// common is what all of the pods have: namespace, cluster, owner and tenant.
func common(pods []Pod) Pod {
	x := Pod{Namespace: pods[0].Namespace, Cluster: pods[0].Cluster, Owner: pods[0].Owner, Tenant: pods[0].Tenant, Known: true}
	for _, o := range pods[1:] {
		for _, v := range []struct {
			to   *string
			text string
		}{{&x.Namespace, o.Namespace}, {&x.Cluster, o.Cluster}, {&x.Owner, o.Owner}, {&x.Tenant, o.Tenant}} {
			if *v.to != v.text {
				*v.to = ""
			}
		}
	}
	return x
}

// byName takes the directory's name for that of the pod, where there are logs of
// exactly one such: NAME, NAMESPACE_NAME, NAMESPACE-NAME, NAMESPACE/NAME, UID or
// NAMESPACE_NAME_UID.
func (p *Pods) byName(dir string) (found Pod) {
	if p.logs == "" {
		return Pod{}
	}
	entries, err := os.ReadDir(p.logs)
	if err != nil {
		return Pod{}
	}
	base := filepath.Base(dir)
	two := filepath.Base(filepath.Dir(dir)) + "/" + base
	for _, e := range entries {
		x := ParseLogDir(e.Name())
		switch {
		case x.Name == "":
			continue
		case two == x.Namespace+"/"+x.Name:
			return x
		case base == x.UID || base == e.Name() || base == x.Name || base == x.Namespace+"_"+x.Name || base == x.Namespace+"-"+x.Name:
		default:
			continue
		}
		switch {
		case found.Name == "":
			found = x
		case found.Name == x.Name && found.Namespace == x.Namespace:
			found.UID = "" // one after the other
		default:
			return Pod{}
		}
	}
	return found
}
