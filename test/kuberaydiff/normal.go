package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// object is something that an operator made, as fields: path → value.
type object struct {
	kind, name string
	fields     map[string]string
}

// serverOwned is metadata that tells nothing of what was asked for.
var serverOwned = []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "namespace", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}

// normal makes of all objects of a namespace what can be compared: names with a
// generated end are numbered; uids, times, addresses and random tokens are replaced by
// what they are.
func normal(all []unstructured.Unstructured) []object {
	slices.SortStableFunc(all, byPlace)
	names := numbered(all)
	var normals []object
	for i := range all {
		o := all[i].DeepCopy()
		kind, name := o.GetKind(), o.GetName()
		if numbered, ok := names[name]; ok {
			name = numbered
		}
		simplify(o, names)
		fields := map[string]string{}
		flatten(fields, "", replaced(o.Object, names))
		normals = append(normals, object{kind, name, fields})
	}
	return normals
}

const (
	labelReplica     = "ray.io/worker-group-replica-index"
	labelReplicaName = "ray.io/worker-group-replica-name"
	labelHost        = "ray.io/replica-host-index"
)

// byPlace orders objects by kind and name, pods by what they are for.
func byPlace(a, b unstructured.Unstructured) int {
	place := func(o *unstructured.Unstructured) string {
		labels := o.GetLabels()
		name := o.GetName()
		if generated := o.GetGenerateName(); generated != "" {
			name = generated
		}
		return strings.Join([]string{o.GetKind(), name, fmt.Sprintf("%9s", labels[labelReplica]), fmt.Sprintf("%9s", labels[labelHost])}, " ")
	}
	return strings.Compare(place(&a), place(&b))
}

// numbered is what each generated text stands for.
func numbered(all []unstructured.Unstructured) map[string]string {
	names, count := map[string]string{}, map[string]int{}
	gone := !slices.ContainsFunc(all, func(o unstructured.Unstructured) bool { return o.GetKind() == "RayCluster" })
	for i := range all {
		o := &all[i]
		if generated := o.GetGenerateName(); generated != "" && strings.HasPrefix(o.GetName(), generated) {
			names[o.GetName()] = fmt.Sprintf("%s<%d>", generated, count[generated])
			count[generated]++
		}
		if replica := o.GetLabels()[labelReplicaName]; replica != "" {
			names[replica] = replica[:max(0, len(replica)-5)] + "<replica " + o.GetLabels()[labelReplica] + ">"
		}
		for _, owner := range o.GetOwnerReferences() {
			if gone {
				names[string(owner.UID)] = "<uid of " + owner.Kind + ">"
			}
		}
		if uid := string(o.GetUID()); uid != "" {
			names[uid] = "<uid of " + o.GetKind() + ">"
		}
		if o.GetKind() == "Service" {
			address, _, _ := unstructured.NestedString(o.Object, "spec", "clusterIP")
			if address != "" && address != "None" {
				names[address] = "<address>"
			}
		}
	}
	return names
}

var generatedHead = regexp.MustCompile(`-head-[a-z0-9]{5}$`)

const firstNodePort = 30000 // of those that the API server allocates

// simplify takes from an object what is of no meaning.
func simplify(o *unstructured.Unstructured, names map[string]string) {
	kind := o.GetKind()
	if metadata, ok := o.Object["metadata"].(map[string]any); ok {
		generation := metadata["generation"]
		if observed, ok, _ := unstructured.NestedFieldNoCopy(o.Object, "status", "observedGeneration"); ok && observed == generation {
			_ = unstructured.SetNestedField(o.Object, "<current>", "status", "observedGeneration")
		}
		if metadata["deletionTimestamp"] != nil {
			metadata["deleted"] = "<yes>"
		}
		for _, name := range serverOwned {
			delete(metadata, name)
		}
		delete(metadata, "name")
	}
	delete(o.Object, "apiVersion")
	delete(o.Object, "kind")
	switch kind {
	case "Pod":
		delete(o.Object, "status") // it is played
	case "RayCluster":
		head, _, _ := unstructured.NestedString(o.Object, "status", "head", "podName")
		if gone := generatedHead.FindString(head); gone != "" && names[head] == "" {
			_ = unstructured.SetNestedField(o.Object, strings.TrimSuffix(head, gone)+"-head-<gone>", "status", "head", "podName")
		}
		endpoints, _, _ := unstructured.NestedStringMap(o.Object, "status", "endpoints")
		for name, port := range endpoints {
			if n, err := strconv.Atoi(port); err == nil && n >= firstNodePort {
				_ = unstructured.SetNestedField(o.Object, "<allocated>", "status", "endpoints", name)
			}
		}
	case "Secret":
		data, _ := o.Object["data"].(map[string]any)
		for key, value := range data {
			data[key] = secret(fmt.Sprint(value))
		}
	case "Service":
		delete(o.Object, "status")
		ports, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
		for _, p := range ports {
			if port, ok := p.(map[string]any); ok && port["nodePort"] != nil {
				port["nodePort"] = "<allocated>"
			}
		}
		if len(ports) > 0 {
			_ = unstructured.SetNestedSlice(o.Object, ports, "spec", "ports")
		}
	}
}

// secret tells of a value only how long it is, and what it is written in.
func secret(value string) string {
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "<undecodable>"
	}
	if inner, err := base64.StdEncoding.DecodeString(string(text)); err == nil {
		return fmt.Sprintf("<%d bytes in base64>", len(inner))
	}
	return fmt.Sprintf("<%d bytes>", len(text))
}

// times are fields that tell when something happened.
var times = []string{"lastTransitionTime", "lastUpdateTime", "creationTimestamp"}

// replaced puts what generated texts stand for in their place, wherever they are.
func replaced(value any, names map[string]string) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, inner := range v {
			switch {
			case key == "env":
				out[key] = replaced(lastOfEach(inner), names)
			case slices.Contains(times, key) && inner != nil:
				out[key] = "<time>"
			case key == "stateTransitionTimes":
				states, _ := inner.(map[string]any)
				for state := range states {
					states[state] = "<time>"
				}
				out[key] = states
			default:
				out[key] = replaced(inner, names)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = replaced(inner, names)
		}
		return out
	case string:
		for _, name := range slices.Sorted(maps.Keys(names)) {
			v = strings.ReplaceAll(v, name, names[name])
		}
		return v
	}
	return value
}

// lastOfEach drops variables that a later one of the same name takes the place of.
func lastOfEach(env any) any {
	list, ok := env.([]any)
	if !ok {
		return env
	}
	keys := keysOf(list)
	var kept []any
	for i := range list {
		if !slices.ContainsFunc(keys[i+1:], func(later string) bool {
			name, _, _ := strings.Cut(later, " again ")
			mine, _, _ := strings.Cut(keys[i], " again ")
			return name == mine
		}) {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// unordered are lists whose order means nothing.
var unordered = []string{"conditions", "ports"}

// flatten writes a value's fields. Elements of a list are known by their name, where
// all have one, and the list's order is a field of its own, [order].
func flatten(to map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			flatten(to, join(path, key), inner)
		}
	case []any:
		keys := keysOf(v)
		for i, inner := range v {
			flatten(to, path+"["+keys[i]+"]", inner)
		}
		last := path[strings.LastIndexByte(path, '.')+1:]
		if len(v) > 1 && keys[0] != "0" && !slices.Contains(unordered, last) {
			to[path+"[order]"] = strings.Join(keys, " ")
		}
	case nil:
	default:
		to[path] = fmt.Sprint(v)
	}
}

func join(path, key string) string {
	switch {
	case strings.ContainsAny(key, "./"):
		return path + "[" + key + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// keysOf names the elements of a list: by name, type or path; else by number.
func keysOf(list []any) []string {
	for _, by := range []string{"name", "type", "mountPath", "ip"} {
		keys, seen := make([]string, 0, len(list)), map[string]int{}
		for _, element := range list {
			fields, _ := element.(map[string]any)
			key, ok := fields[by].(string)
			if !ok || key == "" {
				break
			}
			if seen[key]++; seen[key] > 1 {
				key = fmt.Sprintf("%s again %d", key, seen[key])
			}
			keys = append(keys, key)
		}
		if len(keys) == len(list) {
			return keys
		}
	}
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = fmt.Sprint(i)
	}
	return keys
}
