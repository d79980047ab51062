// Package rayv1 has the types of ray.io/v1: RayCluster, RayJob, RayService and
// RayCronJob, as KubeRay's users write them, and what Remora adds to them.
//
// Names of fields, of conditions and of their reasons are the contract that Ray's own
// autoscaler, KubeRay's kubectl plugin and Kueue rely on. What is read from an API
// server decodes whatever is in it: a value that cannot be read becomes a finding of
// [RayCluster.Validate], so that one object never keeps others from being listed.
//
// The schemas in deploy/kubernetes/crds and the deep copies are generated from here.
//
// +kubebuilder:object:generate=true
// +groupName=ray.io
// +versionName=v1
package rayv1

//go:generate go run ./generate
