package desired

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/remora-ray/remora/api/rayv1"
)

// group is what the head's group and a group of workers have in common.
type group struct {
	nodeType  string
	name      string
	template  *corev1.PodTemplateSpec
	params    map[string]string
	resources map[string]string
	labels    map[string]string
}

func headGroup(c *rayv1.RayCluster) group {
	g := &c.Spec.HeadGroupSpec
	return group{Head, HeadGroup, &g.Template, g.RayStartParams, g.Resources, g.Labels}
}

func workerGroup(g *rayv1.WorkerGroupSpec) group {
	return group{Worker, g.GroupName, &g.Template, g.RayStartParams, g.Resources, g.Labels}
}

// startParams are all flags of `ray start` for a node of g. What the user wrote wins
// but for block, without which the container would end.
func startParams(c *rayv1.RayCluster, s Settings, g group) map[string]string {
	p := maps.Clone(g.params)
	if p == nil {
		p = map[string]string{}
	}
	for _, name := range []string{"memory", "object-store-memory"} {
		if n, err := rayv1.Bytes(p[name]); err == nil {
			p[name] = strconv.FormatInt(n, 10)
		}
	}
	fromGroup(p, g)
	if g.nodeType == Head {
		missing(p, "dashboard-host", "0.0.0.0")
		if c.Spec.Autoscaling() {
			p["no-monitor"] = "true" // the autoscaler runs beside Ray, not below it
		}
	} else {
		missing(p, "address", HeadAddress(c, s)+":"+gcsPort(c))
	}
	missing(p, "metrics-export-port", "8080")
	missing(p, "dashboard-agent-listen-port", "52365")
	p["block"] = "true"
	redisParams(p, c, g)
	fromContainer(p, g.template.Spec.Containers[0].Resources)
	return p
}

func missing(p map[string]string, name, value string) {
	if _, ok := p[name]; !ok {
		p[name] = value
	}
}

// fromGroup takes the group's own resources and labels.
func fromGroup(p map[string]string, g group) {
	custom := map[string]float64{}
	for name, value := range g.resources {
		q, err := resource.ParseQuantity(value)
		if err != nil {
			continue // told by Validate
		}
		switch lower := strings.ToLower(name); {
		case lower == "cpu":
			p["num-cpus"] = strconv.FormatInt(q.Value(), 10)
		case lower == "memory":
			p["memory"] = strconv.FormatInt(q.Value(), 10)
		case GPU(corev1.ResourceName(lower)):
			p["num-gpus"] = strconv.FormatInt(q.Value(), 10)
		default:
			custom[name] = q.AsApproximateFloat64()
		}
	}
	if len(custom) > 0 {
		p["resources"] = quoted(custom)
	}
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(g.labels)) {
		labels = append(labels, key+"="+g.labels[key])
	}
	if len(labels) > 0 {
		p["labels"] = strings.Join(labels, ",")
	}
}

var (
	migSlice     = regexp.MustCompile(`^nvidia\.com/mig-\d+g\.\d+gb$`)
	accelerators = map[corev1.ResourceName]string{"aws.amazon.com/neuroncore": "neuron_cores", "google.com/tpu": "TPU"}
)

// GPU reports whether a resource is GPUs, or slices of them, that Ray counts as such.
func GPU(name corev1.ResourceName) bool {
	return strings.HasSuffix(string(name), "gpu") || migSlice.MatchString(string(name))
}

// fromContainer tells Ray what its container has, where nothing else says it.
func fromContainer(p map[string]string, r corev1.ResourceRequirements) {
	cpu := r.Limits.Cpu()
	if cpu.IsZero() {
		cpu = r.Requests.Cpu()
	}
	if !cpu.IsZero() {
		missing(p, "num-cpus", strconv.FormatInt(cpu.Value(), 10)) // rounded up
	}
	if memory := r.Limits.Memory(); !memory.IsZero() {
		missing(p, "memory", strconv.FormatInt(memory.Value(), 10))
	}
	accelerated := false
	for _, name := range slices.Sorted(maps.Keys(r.Limits)) {
		amount := r.Limits[name]
		if amount.IsZero() {
			continue
		}
		if GPU(name) {
			missing(p, "num-gpus", strconv.FormatInt(amount.Value(), 10))
		}
		if ray, ok := accelerators[name]; ok && !accelerated {
			accelerated = true
			withAccelerator(p, ray, amount.AsApproximateFloat64())
		}
	}
}

// withAccelerator adds a custom resource to those given, unless they name it.
func withAccelerator(p map[string]string, name string, amount float64) {
	custom := map[string]float64{}
	if given, ok := p["resources"]; ok {
		if json.Unmarshal([]byte(strings.Trim(given, "'\"` ")), &custom) != nil {
			return // the user's own writing, which Ray may understand
		}
	}
	if _, ok := custom[name]; !ok {
		custom[name] = amount
		p["resources"] = quoted(custom)
	}
}

// quoted writes resources for a shell.
func quoted(custom map[string]float64) string {
	text, err := json.Marshal(custom)
	if err != nil { // no number that a quantity can be
		return "'{}'"
	}
	return "'" + string(text) + "'"
}

// valued flags keep their value where it is true or false; of others true means that
// the flag is given and false that it is not.
var valued = []string{"log-color", "include-dashboard", "include-log-monitor"}

// startCommand is the line that starts Ray, flags in the order of their names.
func startCommand(nodeType string, params map[string]string) string {
	var b strings.Builder
	b.WriteString("ray start ")
	if nodeType == Head {
		b.WriteString("--head ")
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := params[name]
		own := slices.Contains(valued, name)
		switch {
		case strings.EqualFold(value, "true") && !own:
			b.WriteString(" --" + name + " ")
		case strings.EqualFold(value, "false") && !own:
		default:
			b.WriteString(" --" + name + "=" + value + " ")
		}
	}
	return b.String()
}

// setCommand has the container start Ray behind the user's own command. Where that
// starts Ray itself, or an annotation says that it does, it stays as it is.
func setCommand(c *corev1.Container, start string, annotated bool) {
	own := slices.Concat(c.Command, c.Args)
	if annotated || strings.Contains(strings.Join(own, " "), "ray start") {
		return
	}
	line := "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}; " + start
	if len(own) > 0 {
		line = " " + strings.Join(own, "  ") + "  && " + line // blanks as KubeRay has them
	}
	c.Command = []string{"/bin/bash", "-c", "--"}
	c.Args = []string{line}
}
