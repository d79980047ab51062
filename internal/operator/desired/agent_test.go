package desired_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/desired"
)

// secretsOf are the Secrets that the volumes of a pod are made of.
func secretsOf(pod *corev1.Pod) []string {
	var names []string
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil {
			names = append(names, v.Secret.SecretName)
		}
	}
	return names
}

func TestTheOperatorsTokenGoesToItsOwnServerAlone(t *testing.T) {
	s := settings()
	s.Agent.HandToken = true
	for _, test := range []struct {
		name string
		logs *rayv1.LogsSpec
		want bool
	}{
		{"nothing said", nil, true},
		{"labels", &rayv1.LogsSpec{Labels: map[string]string{"a": "b"}}, true},
		{"a server of the cluster's own", &rayv1.LogsSpec{URL: "http://elsewhere:3100"}, false},
		{"no logs", &rayv1.LogsSpec{Enabled: new(bool)}, false},
	} {
		c := load(t, "../testdata/manifests/hosts.yaml")
		c.Spec.Logs = test.logs
		mounted := slices.Contains(secretsOf(desired.HeadPod(c, s)), desired.AgentTokenSecret)
		if got := desired.TakesToken(c, s); got != test.want || mounted != test.want {
			t.Errorf("%s: takes the token %v, mounts it %v, want %v", test.name, got, mounted, test.want)
		}
	}
}
