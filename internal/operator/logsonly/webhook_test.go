package logsonly_test

import (
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/logsonly"
)

func handler(t *testing.T) *logsonly.Handler {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := rayv1.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	containers := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "ray", Image: "rayproject/ray:2.60.0"}}}}
	cluster := &rayv1.RayCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "n"},
		Spec:       rayv1.RayClusterSpec{HeadGroupSpec: rayv1.HeadGroupSpec{Template: containers}},
	}
	clusters := fake.NewClientBuilder().WithScheme(kinds).WithObjects(cluster).Build()
	return &logsonly.Handler{
		Clusters: clusters, Live: clusters,
		Settings: desired.Settings{Agent: desired.Agent{Image: "agent", URL: "http://logs:3100"}},
	}
}

func TestPodsOfRayGetTheAgentAndNoPodIsKeptBack(t *testing.T) {
	h := handler(t)
	labels := map[string]string{desired.LabelCluster: "c", desired.LabelNodeType: desired.Head}
	for _, test := range []struct {
		name   string
		labels map[string]string
		raw    string
		agent  bool
	}{
		{name: "a head", labels: labels, agent: true},
		{name: "a clean-up job", labels: map[string]string{desired.LabelCluster: "c", desired.LabelNodeType: "redis-cleanup"}},
		{name: "a cluster that is not there", labels: map[string]string{desired.LabelCluster: "x", desired.LabelNodeType: desired.Head}},
		{name: "no pod", raw: "{"},
	} {
		raw := []byte(test.raw)
		if test.raw == "" {
			var err error
			raw, err = json.Marshal(&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: test.labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "ray"}}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		answer := h.Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
			Namespace: "n", Object: runtime.RawExtension{Raw: raw},
		}})
		if !answer.Allowed {
			t.Errorf("%s: kept back", test.name)
		}
		patch, err := json.Marshal(answer.Patches)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(patch), `"remora-agent"`); got != test.agent {
			t.Errorf("%s: agent %v, want %v: %s", test.name, got, test.agent, patch)
		}
	}
}

func TestTheCertificateIsMadeOnceAndNamesTheService(t *testing.T) {
	c := fake.NewClientBuilder().Build()
	service := client.ObjectKey{Namespace: "remora-system", Name: "remora-logs"}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	first, err := logsonly.Certificate(t.Context(), c, service, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := logsonly.Certificate(t.Context(), c, service, now)
	if err != nil || string(again.Certificate[0]) != string(first.Certificate[0]) {
		t.Errorf("the second certificate is another one: %v", err)
	}
	cert, err := x509.ParseCertificate(first.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	_, err = cert.Verify(x509.VerifyOptions{DNSName: "remora-logs.remora-system.svc", Roots: trusted, CurrentTime: now})
	if err != nil {
		t.Error(err)
	}
}
