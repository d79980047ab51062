package backlog

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

func TestAClusterIsToldOfWhileAnAgentIsNearlyTooFarBehind(t *testing.T) {
	var behind atomic.Int64
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE x gauge\nremora_agent_furthest_lag_bytes{output=\"a\"} 1\nremora_agent_furthest_lag_bytes{output=\"b\"} %d\n", behind.Load())
	}))
	defer agent.Close()
	host, port, err := net.SplitHostPort(agent.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	kinds := runtime.NewScheme()
	if err := rayv1.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	if err := corev1.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	size, backups := int64(1000), int32(1)
	rotates := &rayv1.RayCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c"},
		Spec:       rayv1.RayClusterSpec{Logs: &rayv1.LogsSpec{Rotation: &rayv1.LogRotation{Bytes: &size, Backups: &backups}}},
	}
	does := rotates.DeepCopy()
	does.Name, does.Spec.Logs = "unasked", nil
	pod := func(name, cluster, address string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, Labels: map[string]string{desired.LabelCluster: cluster}},
			Status: corev1.PodStatus{PodIP: address, InitContainerStatuses: []corev1.ContainerStatus{{
				Name: desired.AgentName, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			}}},
		}
	}
	w := &Watch{
		Reader: fake.NewClientBuilder().WithScheme(kinds).WithObjects(rotates, does, pod("p", "c", host), pod("mute", "c", "not an address"), pod("q", "unasked", host)).Build(),
		Port:   number,
	}
	key := client.ObjectKeyFromObject(rotates)
	for _, step := range []struct {
		behind  int64
		changed int
		told    bool
	}{{1500, 0, false}, {1600, 1, true}, {1900, 0, true}, {3, 1, false}} {
		behind.Store(step.behind)
		changed := w.Look(t.Context())
		if told := w.Of(key); len(changed) != step.changed || strings.Contains(told, "pod p ") != step.told {
			t.Errorf("%d bytes behind: %d clusters changed, told %q", step.behind, len(changed), told)
		}
	}
	if told := w.Of(client.ObjectKeyFromObject(does)); told != "" {
		t.Errorf("of a cluster that rotates as Ray does is told %q", told)
	}
}

func FuzzFurthest(f *testing.F) {
	f.Add("remora_agent_furthest_lag_bytes 12\n")
	f.Add("remora_agent_furthest_lag_bytes{a=\"b\"} 1e3\nremora_agent_furthest_lag_bytes_x 1")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := furthest(strings.NewReader(text)); err != nil && n != 0 {
			t.Errorf("%f and %v", n, err)
		}
	})
}
