// Package backlog asks log agents how much of a log they have not delivered, and tells
// of clusters where that is nearly all that Ray keeps of it. Only clusters that say how
// much Ray keeps (spec.logs.rotation.bytes) are asked about. Its one invariant: an agent
// that does not answer keeps nothing else waiting, and nothing is told of it.
package backlog

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

const (
	metric      = "remora_agent_furthest_lag_bytes"
	near        = 0.8 // of what Ray keeps of a log
	rayBackups  = 5   // that Ray keeps unless it is told otherwise
	atOnce      = 8
	longest     = 2 * time.Second // that one agent is waited for
	mostMetrics = 1 << 20
	mostPods    = 5 // that are named: more tell a reader nothing more
)

// Watch asks the agents again and again. Its fields must be set before it is started.
type Watch struct {
	client.Reader // a cache of clusters and pods
	Every         time.Duration
	Port          int                     // of the agents
	Changed       chan event.GenericEvent // gets clusters of which something else is to be told

	mu   sync.Mutex
	told map[types.NamespacedName]string
}

// Start goes on until ctx ends. One of several operators does it: the one that works.
func (w *Watch) Start(ctx context.Context) error {
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			for _, c := range w.Look(ctx) {
				select {
				case w.Changed <- event.GenericEvent{Object: c}:
				case <-ctx.Done():
				}
			}
		}
	}
}

// Of says what is to be told of a cluster; empty: nothing.
func (w *Watch) Of(cluster types.NamespacedName) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told[cluster]
}

// Look asks the agents once. It returns the clusters of which something else is to be
// told than before.
func (w *Watch) Look(ctx context.Context) []*rayv1.RayCluster {
	var clusters rayv1.RayClusterList
	if err := w.List(ctx, &clusters, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache of this process, which fails only when it ends
	}
	told := map[types.NamespacedName]string{}
	var changed []*rayv1.RayCluster
	for i := range clusters.Items {
		c := &clusters.Items[i]
		key := client.ObjectKeyFromObject(c)
		if message := w.look(ctx, c); message != "" {
			told[key] = message
		}
		if told[key] != w.Of(key) {
			changed = append(changed, c)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = told
	return changed
}

func (w *Watch) look(ctx context.Context, c *rayv1.RayCluster) string {
	if c.Spec.Logs == nil || c.Spec.Logs.Rotation == nil || c.Spec.Logs.Rotation.Bytes == nil {
		return ""
	}
	backups := int64(rayBackups)
	if n := c.Spec.Logs.Rotation.Backups; n != nil {
		backups = int64(*n)
	}
	kept := float64(*c.Spec.Logs.Rotation.Bytes) * float64(backups+1)
	behind := w.behind(ctx, c, near*kept)
	if len(behind) == 0 {
		return ""
	}
	slices.Sort(behind)
	return fmt.Sprintf("of a log in pod %s nearly as much is not delivered as Ray keeps of it, %.0f bytes: raise spec.logs.rotation, or see why the server does not take lines",
		strings.Join(behind[:min(len(behind), mostPods)], ", "), kept)
}

// behind are the pods whose agents have more than so many bytes of a log to deliver.
func (w *Watch) behind(ctx context.Context, c *rayv1.RayCluster, bytes float64) []string {
	var pods corev1.PodList
	if err := w.List(ctx, &pods, client.InNamespace(c.Namespace), client.MatchingLabels{desired.LabelCluster: c.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	var mu sync.Mutex
	var all []string
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !hasAgent(pod) {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if n, err := w.ask(ctx, pod.Status.PodIP); err == nil && n >= bytes {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, pod.Name)
			}
		})
	}
	wg.Wait()
	return all
}

// hasAgent reports whether an agent runs in the pod.
func hasAgent(pod *corev1.Pod) bool {
	return pod.Status.PodIP != "" && slices.ContainsFunc(pod.Status.InitContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.Name == desired.AgentName && s.State.Running != nil
	})
}

// ask gets from an agent how far the stream is behind that is furthest behind.
func (w *Watch) ask(ctx context.Context, address string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	url := "http://" + net.JoinHostPort(address, strconv.Itoa(w.Port)) + "/metrics"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	direct := &http.Transport{DisableKeepAlives: true} // no proxy stands between
	answer, err := direct.RoundTrip(request)
	if err != nil {
		return 0, fmt.Errorf("ask the agent at %s: %w", address, err)
	}
	defer answer.Body.Close()
	return furthest(io.LimitReader(answer.Body, mostMetrics))
}

// furthest reads metrics: of several outputs the one that is furthest behind.
func furthest(metrics io.Reader) (float64, error) {
	most := 0.
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), metric)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		n, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", metric, err)
		}
		most = max(most, n)
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	return most, nil
}
