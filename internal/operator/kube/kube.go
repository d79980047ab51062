// Package kube brings single objects to what is desired. Its one invariant: nothing is
// written that is as desired already, and nothing that belongs to somebody else.
package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldManager is whose fields the operator's are.
const FieldManager = "remora-operator"

// LabelCluster is on every object that the operator made, beside pods; its caches hold
// no others. The value is the cluster's name.
const LabelCluster = "remora.dev/cluster"

// Ours selects objects that the operator made, beside pods.
func Ours() labels.Selector {
	has, err := labels.NewRequirement(LabelCluster, selection.Exists, nil)
	if err != nil {
		panic(fmt.Sprintf("label %s: %v", LabelCluster, err)) // a constant of ours
	}
	return labels.NewSelector().Add(*has)
}

// annotationApplied tells what was applied last, so that what is no longer desired is
// taken away.
const annotationApplied = "remora.dev/applied"

// Ensure brings want, an object of owner, to the API server: makes it, or applies it
// where something differs. cache may know none but objects with [LabelCluster].
// An object of that name that belongs to another is left alone, with an error.
func Ensure(ctx context.Context, cache client.Client, live client.Reader, owner client.Object, want client.Object) error {
	object, err := prepare(owner, want)
	if err != nil {
		return err
	}
	name := object.GetKind() + " " + object.GetName()
	have := want.DeepCopyObject().(client.Object)
	err = cache.Get(ctx, client.ObjectKeyFromObject(want), have)
	if apierrors.IsNotFound(err) {
		if err = create(ctx, cache, object); !apierrors.IsAlreadyExists(err) {
			return err
		}
		err = live.Get(ctx, client.ObjectKeyFromObject(want), have)
	}
	if err != nil {
		return fmt.Errorf("get %s: %w", name, err)
	}
	if !metav1.IsControlledBy(have, owner) && len(want.GetOwnerReferences()) > 0 {
		return fmt.Errorf("%s belongs to somebody else: delete it, or give the cluster another name", name)
	}
	there, err := runtime.DefaultUnstructuredConverter.ToUnstructured(have)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	wanted := maps.Clone(object.Object)
	delete(wanted, "apiVersion") // typed objects do not say of what kind they are
	delete(wanted, "kind")
	if within(wanted, there) {
		return nil
	}
	if err := disown(ctx, cache, live, have); err != nil {
		return err
	}
	if err = apply(ctx, cache, object); !aboutAddress(err) {
		return err
	}
	uid := have.GetUID()
	if err := cache.Delete(ctx, have, client.Preconditions{UID: &uid}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s, which is to have another kind of address: %w", name, err)
	}
	return apply(ctx, cache, object)
}

// aboutAddress reports whether a Service was refused for its address and nothing else: one
// with an address cannot become one without, nor the other way round.
func aboutAddress(err error) bool {
	var told apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &told) || told.Status().Details == nil || told.Status().Details.Kind != "Service" {
		return false
	}
	causes := told.Status().Details.Causes
	for _, cause := range causes {
		if !strings.HasPrefix(cause.Field, "spec.clusterIP") {
			return false
		}
	}
	return len(causes) > 0
}

// create makes an object: one request where most often there is none of its name.
func create(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	err := c.Create(ctx, object.DeepCopy(), client.FieldOwner(FieldManager))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return err
}

// disown has fields that [create] wrote count as applied, so that those that are not
// desired any more go when others are applied.
func disown(ctx context.Context, c client.Client, live client.Reader, object client.Object) error {
	now := object.DeepCopyObject().(client.Object)
	name := client.ObjectKeyFromObject(object)
	if err := live.Get(ctx, name, now); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("get %s: %w", name, err))
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(now, sets.New(FieldManager), FieldManager)
	if err != nil || len(patch) == 0 {
		return err
	}
	if err := c.Patch(ctx, now, client.RawPatch(types.JSONPatchType, patch)); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("patch %s: %w", name, err)
	}
	return nil
}

// prepare makes of want what is applied: with the operator's mark, and without what
// only the API server writes.
func prepare(owner, want client.Object) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(want)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", want.GetName(), err)
	}
	object := &unstructured.Unstructured{Object: fields}
	unstructured.RemoveNestedField(object.Object, "status")
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	text, err := json.Marshal(object.Object)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", want.GetName(), err)
	}
	sum := sha256.Sum256(text)
	marks, annotations := maps.Clone(object.GetLabels()), maps.Clone(object.GetAnnotations())
	if marks == nil {
		marks = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	marks[LabelCluster] = owner.GetName()
	annotations[annotationApplied] = hex.EncodeToString(sum[:8])
	object.SetLabels(marks)
	object.SetAnnotations(annotations)
	return object, nil
}

func apply(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(FieldManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// Write applies want without a look at what is there.
func Write(ctx context.Context, c client.Client, want client.Object) error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(want)
	if err != nil {
		return fmt.Errorf("encode %s: %w", want.GetName(), err)
	}
	object := &unstructured.Unstructured{Object: fields}
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	return apply(ctx, c, object)
}

// within reports whether all of want is in have; what the API server added does not count.
func within(want, have any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		for key, value := range w {
			if !ok || !within(value, h[key]) {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		if !ok && len(w) > 0 || len(w) != len(h) {
			return false
		}
		for i := range w {
			if !within(w[i], h[i]) {
				return false
			}
		}
		return true
	case nil:
		return true
	}
	return equality.Semantic.DeepEqual(want, have)
}

// Remove deletes an object of owner that is not desired any more, where there is one.
func Remove(ctx context.Context, cache client.Client, owner client.Object, object client.Object, name string) error {
	if name == "" {
		return nil
	}
	err := cache.Get(ctx, client.ObjectKey{Namespace: owner.GetNamespace(), Name: name}, object)
	if apierrors.IsNotFound(err) || err == nil && (!metav1.IsControlledBy(object, owner) || object.GetDeletionTimestamp() != nil) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get %s: %w", name, err)
	}
	uid := object.GetUID()
	if err := cache.Delete(ctx, object, client.Preconditions{UID: &uid}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}
