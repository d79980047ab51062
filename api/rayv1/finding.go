package rayv1

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is something wrong with a specification: where, what stands there, and what
// to write instead.
type Finding struct {
	Kind    string // the type of the condition that tells it, such as InvalidName
	Field   string // such as spec.headGroupSpec.rayStartParams.memory
	Value   string // empty: what stands there is not for telling, or nothing does
	Way     string // what it does and the way out
	Invalid bool   // nothing is done for the cluster until this is corrected; else it is advice
}

// Kinds of findings that keep a cluster from being run.
const (
	KindUnreadable        = "UnreadableSpec"
	KindName              = "InvalidName"
	KindGroup             = "InvalidGroup"
	KindReplicas          = "InvalidReplicas"
	KindRayStartParams    = "InvalidRayStartParams"
	KindLabels            = "InvalidLabels"
	KindFaultTolerance    = "InvalidFaultTolerance"
	KindAutoscaler        = "InvalidAutoscaler"
	KindAuth              = "InvalidAuth"
	KindUpgradeStrategy   = "InvalidUpgradeStrategy"
	KindCollector         = "InvalidCollector"
	KindLogs              = "InvalidLogs"
	KindUnsupported       = "UnsupportedField"
	KindReservedContainer = "ReservedContainerName"
)

// Kinds of advice.
const (
	KindAutoscalerIgnored = "AutoscalerOptionsIgnored"
	KindUnknownToRay      = "UnknownToRay"       // Ray has no such setting
	KindBeyondLimits      = "BeyondLimits"       // Ray hands out more than the container has
	KindRestartPolicy     = "RestartPolicyTaken" // another restart policy is taken
	KindPlasmaOnDisk      = "PlasmaOnDisk"
	KindProbe             = "ProbeOfNothing" // a probe that passes whatever Ray does
	KindFSGroup           = "FSGroupOfPod"
	KindScheduling        = "SchedulingOfNothing" // a selector or toleration that matches nothing
	KindNetworkPolicy     = "NetworkPolicyAdvice"
)

// String is what a person reads: field, value, way out.
func (f Finding) String() string {
	if f.Value == "" {
		return f.Field + ": " + f.Way
	}
	return fmt.Sprintf("%s is %q: %s", f.Field, f.Value, f.Way)
}

// findings gathers what the checks of a cluster find.
type findings []Finding

func (f *findings) invalid(kind, field, value, way string, args ...any) {
	*f = append(*f, Finding{kind, field, value, fmt.Sprintf(way, args...), true})
}

func (f *findings) advise(kind, field, value, way string, args ...any) {
	*f = append(*f, Finding{kind, field, value, fmt.Sprintf(way, args...), false})
}

// Invalid reports whether any finding keeps the cluster from being run.
func Invalid(found []Finding) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Invalid })
}

// ByKind joins findings of one kind: kinds in the order of their first finding, those
// that keep the cluster from running first, and what to tell of each.
func ByKind(found []Finding) (kinds []string, told map[string]string) {
	told = map[string]string{}
	for _, invalid := range []bool{true, false} {
		for _, f := range found {
			if f.Invalid != invalid {
				continue
			}
			if !slices.Contains(kinds, f.Kind) {
				kinds = append(kinds, f.Kind)
			}
			told[f.Kind] = strings.TrimPrefix(told[f.Kind]+"; "+f.String(), "; ")
		}
	}
	return kinds, told
}
