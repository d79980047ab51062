package raycluster

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// recent remembers pods that this process made or deleted until the cache shows it. A
// decision by an old cache would make them twice.
type recent struct {
	mu   sync.Mutex
	made map[types.NamespacedName]map[types.UID]memory
	gone map[types.NamespacedName]map[types.UID]time.Time
}

type memory struct {
	pod *corev1.Pod
	at  time.Time
}

// forgetAfter is how far behind a cache can be; then what it shows is what there is.
const forgetAfter = 30 * time.Second

func (r *recent) create(cluster types.NamespacedName, pod *corev1.Pod, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.made == nil {
		r.made = map[types.NamespacedName]map[types.UID]memory{}
	}
	if r.made[cluster] == nil {
		r.made[cluster] = map[types.UID]memory{}
	}
	r.made[cluster][pod.UID] = memory{pod, now}
}

func (r *recent) remove(cluster types.NamespacedName, pod *corev1.Pod, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone == nil {
		r.gone = map[types.NamespacedName]map[types.UID]time.Time{}
	}
	if r.gone[cluster] == nil {
		r.gone[cluster] = map[types.UID]time.Time{}
	}
	r.gone[cluster][pod.UID] = now
}

// with adds to the pods of the cache those made just now, and marks those deleted just
// now. It changes none of them.
func (r *recent) with(cluster types.NamespacedName, cached []*corev1.Pod, now time.Time) []*corev1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[types.UID]bool{}
	pods := make([]*corev1.Pod, 0, len(cached)+len(r.made[cluster]))
	for _, pod := range cached {
		seen[pod.UID] = true
		delete(r.made[cluster], pod.UID)
		at, gone := r.gone[cluster][pod.UID]
		switch {
		case gone && (pod.DeletionTimestamp != nil || now.Sub(at) > forgetAfter):
			delete(r.gone[cluster], pod.UID)
		case gone:
			pod = going(pod, at)
		}
		pods = append(pods, pod)
	}
	for uid, m := range r.made[cluster] {
		if now.Sub(m.at) > forgetAfter {
			delete(r.made[cluster], uid)
			continue
		}
		if _, gone := r.gone[cluster][uid]; !gone {
			pods = append(pods, m.pod)
		}
	}
	for uid, at := range r.gone[cluster] {
		if !seen[uid] && now.Sub(at) > forgetAfter {
			delete(r.gone[cluster], uid)
		}
	}
	return pods
}

func going(pod *corev1.Pod, at time.Time) *corev1.Pod {
	marked := pod.DeepCopy()
	marked.DeletionTimestamp = &metav1.Time{Time: at}
	return marked
}

func (r *recent) forget(cluster types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.made, cluster)
	delete(r.gone, cluster)
}
