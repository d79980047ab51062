package kube

import (
	"path"
	"slices"
	"strings"
)

// Mount is a directory of the node that a pod mounts and may write to.
type Mount struct {
	// Dir is its path on the node, a pattern of path.Match: what cannot be known of
	// it, as it comes from a ConfigMap say, is a *.
	Dir string
	// Own says that the path is made of the pod's own name, UID or address: no other
	// pod of that time has it.
	Own bool
}

// mounts are the directories of hostPath volumes that the pod's containers may write
// to, with subPath and subPathExpr taken into account.
func (x *podItem) mounts() (all []Mount) {
	hosts := map[string]string{}
	for _, v := range x.Spec.Volumes {
		if v.HostPath != nil {
			hosts[v.Name] = v.HostPath.Path
		}
	}
	for _, c := range slices.Concat(x.Spec.InitContainers, x.Spec.Containers) {
		for _, m := range c.VolumeMounts {
			host, ok := hosts[m.Name]
			if !ok || m.ReadOnly {
				continue
			}
			below, own := literal(m.SubPath), false
			if m.SubPathExpr != "" {
				below, own = x.expand(&c, m.SubPathExpr, len(c.Env))
			}
			mount := Mount{path.Join("/", literal(host), below), own}
			if !slices.Contains(all, mount) {
				all = append(all, mount)
			}
		}
	}
	return all
}

// expand replaces each $(NAME) by the variable of the container, as the kubelet does;
// $$ is a dollar. Variables may refer to those before them.
func (x *podItem) expand(c *container, text string, before int) (pattern string, own bool) {
	var b strings.Builder
	for {
		at := strings.IndexByte(text, '$')
		if at < 0 || at+1 == len(text) {
			b.WriteString(literal(text))
			return b.String(), own
		}
		b.WriteString(literal(text[:at]))
		end := strings.IndexByte(text[at:], ')')
		switch {
		case text[at+1] == '$':
			b.WriteByte('$')
			text = text[at+2:]
		case text[at+1] != '(' || end < 0:
			b.WriteByte('$')
			text = text[at+1:]
		default:
			v, is := x.variable(c, text[at+2:at+end], before)
			b.WriteString(v)
			own = own || is
			text = text[at+end+1:]
		}
	}
}

// variable is the value of an environment variable as a pattern.
func (x *podItem) variable(c *container, name string, before int) (pattern string, own bool) {
	for i := before - 1; i >= 0; i-- {
		e := &c.Env[i]
		switch {
		case e.Name != name:
			continue
		case e.ValueFrom == nil:
			return x.expand(c, e.Value, i)
		case e.ValueFrom.FieldRef != nil:
			return x.field(e.ValueFrom.FieldRef.FieldPath)
		}
		return "*", false
	}
	return "*", false
}

// field is what the downward API gives for a field.
func (x *podItem) field(name string) (pattern string, own bool) {
	if kind, key, ok := strings.Cut(strings.TrimSuffix(name, "']"), "['"); ok {
		switch kind {
		case "metadata.labels":
			return literal(x.Metadata.Labels[key]), false
		case "metadata.annotations":
			return literal(x.Metadata.Annotations[key]), false
		}
		return "*", false
	}
	switch name {
	case "metadata.name":
		return literal(x.Metadata.Name), true
	case "metadata.uid":
		return literal(x.Metadata.UID), true
	case "status.podIP":
		if x.Status.PodIP == "" {
			return "*", false
		}
		return literal(x.Status.PodIP), x.Status.PodIP != x.Status.HostIP
	case "metadata.namespace":
		return literal(x.Metadata.Namespace), false
	case "spec.nodeName":
		return literal(x.Spec.NodeName), false
	case "spec.serviceAccountName":
		return literal(x.Spec.ServiceAccountName), false
	case "status.hostIP":
		return literal(x.Status.HostIP), false
	}
	return "*", false
}

// literal is a pattern that matches the text alone.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(text)
}
