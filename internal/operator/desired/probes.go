package desired

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/remora-ray/remora/api/rayv1"
)

// setProbes asks Ray whether it is well, where the user does not ask something. Since
// 2.53 Ray answers for the whole node at one address; before, raylet and global state
// are asked by a program in the image.
func setProbes(ray *corev1.Container, c *rayv1.RayCluster, g group, params map[string]string) {
	service := g.nodeType == Worker && c.Labels[rayv1.LabelOriginCRD] == "RayService"
	timeout := int32(2)
	if g.nodeType == Head {
		timeout = 5
	}
	if ray.LivenessProbe == nil {
		ray.LivenessProbe = &corev1.Probe{
			ProbeHandler:        healthHandler(c, g, params, false),
			InitialDelaySeconds: 30, PeriodSeconds: 5, TimeoutSeconds: timeout, SuccessThreshold: 1, FailureThreshold: 120,
		}
	}
	if ray.ReadinessProbe == nil {
		failures := int32(10)
		if service {
			failures = 1
		}
		ray.ReadinessProbe = &corev1.Probe{
			ProbeHandler:        healthHandler(c, g, params, service),
			InitialDelaySeconds: 10, PeriodSeconds: 5, TimeoutSeconds: timeout, SuccessThreshold: 1, FailureThreshold: failures,
		}
	}
}

func healthHandler(c *rayv1.RayCluster, g group, params map[string]string, serving bool) corev1.ProbeHandler {
	agent := params["dashboard-agent-listen-port"]
	if c.Spec.Version().AtLeast(2, 53) && !serving {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/api/healthz", Port: intstr.Parse(agent)}}
	}
	asks := []string{ask(2, agent, "api/local_raylet_healthz")}
	if g.nodeType == Head {
		dashboard := params["dashboard-port"]
		if dashboard == "" {
			dashboard = "8265"
		}
		asks = append(asks, ask(10, dashboard, "api/gcs_healthz"))
	}
	if serving {
		asks = append(asks, ask(10, servePort(&g.template.Spec.Containers[0]), "-/healthz"))
	}
	return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"bash", "-c", strings.Join(asks, " && ")}}}
}

func ask(seconds int, port, path string) string {
	return fmt.Sprintf("wget --tries 1 -T %d -q -O- http://localhost:%s/%s | grep success", seconds, port, path)
}

func servePort(ray *corev1.Container) string {
	for _, p := range ray.Ports {
		if p.Name == "serve" {
			return fmt.Sprint(p.ContainerPort)
		}
	}
	return "8000"
}
