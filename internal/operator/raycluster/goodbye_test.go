package raycluster

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/remora-ray/remora/api/rayv1"
)

func TestWhenCleaningEnds(t *testing.T) {
	for _, test := range []struct {
		name       string
		conditions []batchv1.JobCondition
		done, left bool
	}{
		{"it runs", nil, false, false},
		{"it is about to end", []batchv1.JobCondition{{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue}}, false, false},
		{"it is done", []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}, true, false},
		{"it is not done", []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionFalse}}, false, false},
		{"it failed", []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Message: "DeadlineExceeded"}}, false, true},
	} {
		done, left := ended(&batchv1.Job{Status: batchv1.JobStatus{Conditions: test.conditions}})
		if done != test.done || (left != "") != test.left {
			t.Errorf("%s: done %t, left %q", test.name, done, left)
		}
	}
}

func TestHowLongCleaningMayTake(t *testing.T) {
	for text, want := range map[string]time.Duration{"": usualCleanup, "60": time.Minute, "soon": usualCleanup, "-1": usualCleanup, "0": usualCleanup} {
		c := &rayv1.RayCluster{}
		c.Annotations = map[string]string{rayv1.AnnotationFTTimeout: text}
		if got := cleanupTimeout(c); got != want {
			t.Errorf("annotation %q: %s, want %s", text, got, want)
		}
	}
}
