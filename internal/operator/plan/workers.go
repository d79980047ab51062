package plan

import (
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

// Wanted is how many replicas a group should have: replicas, within its bounds.
func Wanted(g *rayv1.WorkerGroupSpec) int {
	if g.Suspend != nil && *g.Suspend {
		return 0
	}
	n, least, most := int32(0), int32(0), int32(0)
	if g.MinReplicas != nil {
		least = *g.MinReplicas
	}
	if n = least; g.Replicas != nil {
		n = *g.Replicas
	}
	if most = n; g.MaxReplicas != nil {
		most = *g.MaxReplicas
	}
	return int(min(max(n, least), most))
}

// Hosts is of how many pods a replica consists.
func Hosts(g *rayv1.WorkerGroupSpec) int { return max(1, int(g.NumOfHosts)) }

// groups decides for each group of workers by itself.
func (p *plan) groups(own []*corev1.Pod) {
	of := map[string][]*corev1.Pod{}
	for _, pod := range own {
		if isWorker(pod) && pod.DeletionTimestamp == nil {
			name := pod.Labels[desired.LabelGroup]
			of[name] = append(of[name], pod)
		}
	}
	for i := range p.c.Spec.WorkerGroupSpecs {
		g := &p.c.Spec.WorkerGroupSpecs[i]
		p.group(g, of[g.GroupName])
		delete(of, g.GroupName)
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		for _, pod := range of[name] {
			p.Delete = append(p.Delete, Deletion{Pod: pod, Reason: GroupRemoved})
		}
	}
}

// replica is the pods that make one replica of a group.
type replica struct {
	pods []*corev1.Pod
	gone string // why it goes; empty: it stays
}

// group brings a group to the number of replicas it should have. A replica lives and
// goes as a whole: its hosts are of no use without each other.
func (p *plan) group(g *rayv1.WorkerGroupSpec, pods []*corev1.Pod) {
	replicas := p.replicas(g, pods)
	var live []*replica
	for _, r := range replicas {
		if r.gone == "" {
			live = append(live, r)
		}
	}
	slices.SortStableFunc(live, func(a, b *replica) int { return worthKeeping(weakest(a), weakest(b)) })
	wanted := Wanted(g)
	suspended := g.Suspend != nil && *g.Suspend
	if !p.c.Spec.Autoscaling() || suspended { // else only Ray knows which workers are idle
		for _, r := range live[min(wanted, len(live)):] {
			r.gone = Superfluous
		}
	}
	used := map[int]bool{}
	for _, r := range replicas {
		if r.gone == "" {
			index, err := strconv.Atoi(r.pods[0].Labels[desired.LabelReplicaIndex])
			if err == nil {
				used[index] = true
			}
			continue
		}
		for _, pod := range r.pods {
			p.Delete = append(p.Delete, Deletion{Pod: pod, Reason: r.gone})
		}
	}
	for n := len(live); n < wanted; n++ {
		index := 0
		for used[index] {
			index++
		}
		used[index] = true
		p.add(g, index)
	}
}

func (p *plan) add(g *rayv1.WorkerGroupSpec, index int) {
	name := ""
	if Hosts(g) > 1 {
		name = p.rules.NewName(g.GroupName)
	}
	for host := range Hosts(g) {
		p.Workers = append(p.Workers, Creation{Group: g, Replica: desired.Replica{Index: index, Name: name, Host: host}})
	}
}

// replicas puts a group's pods together and says which replicas cannot stay.
func (p *plan) replicas(g *rayv1.WorkerGroupSpec, pods []*corev1.Pod) []*replica {
	var all []*replica
	named := map[string]*replica{}
	for _, pod := range pods {
		name := pod.Labels[desired.LabelReplicaName]
		if Hosts(g) == 1 || name == "" {
			name = "pod/" + pod.Name
		}
		if named[name] == nil {
			named[name] = &replica{}
			all = append(all, named[name])
		}
		named[name].pods = append(named[name].pods, pod)
	}
	for _, r := range all {
		if len(r.pods) != Hosts(g) {
			r.gone = Incomplete
		}
		for _, pod := range r.pods {
			switch {
			case ended(pod):
				r.gone = Ended
			case slices.Contains(g.ScaleStrategy.WorkersToDelete, pod.Name):
				r.gone = Chosen
			case p.lost(pod):
				r.gone = NodeLost
			}
		}
	}
	return all
}

// weakest is the pod by which a replica is judged.
func weakest(r *replica) *corev1.Pod {
	return slices.MaxFunc(r.pods, worthKeeping)
}
