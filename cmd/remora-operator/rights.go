package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/remora-ray/remora/internal/operator/desired"
)

// rights are what the operator does with objects of a kind. The roles of
// deploy/kubernetes give these and no others.
type rights struct {
	group, resource, name string // name: of the only one; empty: any
	verbs                 string // with blanks between
}

// inEach are the rights that are needed in each namespace looked after.
func (o *options) inEach() []rights {
	own := []rights{{"", "secrets", desired.AgentTokenSecret, "get list watch create patch delete"}}
	if o.tokens.Name == "" {
		own = nil
	}
	if o.logsOnly {
		return append(own,
			rights{"ray.io", "rayclusters", "", "get list watch"},
			rights{"ray.io", "rayclusters/finalizers", "", "update"},
			rights{"", "configmaps", "", "get list watch create patch delete"})
	}
	return append(own,
		rights{"ray.io", "rayclusters", "", "get list watch patch"},
		rights{"ray.io", "rayclusters/status", "", "patch"},
		rights{"ray.io", "rayclusters/finalizers", "", "update"},
		rights{"", "pods", "", "get list watch create patch delete"},
		rights{"", "pods/resize", "", "patch"},
		rights{"", "services", "", "get list watch create patch delete"},
		rights{"", "configmaps", "", "get list watch create patch delete"},
		rights{"", "serviceaccounts", "", "get list watch create patch delete"},
		rights{"", "persistentvolumeclaims", "", "get list watch create patch"},
		rights{"", "secrets", "", "create"},
		rights{"networking.k8s.io", "ingresses", "", "get list watch create patch delete"},
		rights{"networking.k8s.io", "networkpolicies", "", "get list watch create patch delete"},
		rights{"batch", "jobs", "", "get create"},
		rights{"rbac.authorization.k8s.io", "roles", "", "get list watch create patch delete"},
		rights{"rbac.authorization.k8s.io", "rolebindings", "", "get list watch create patch delete"},
		rights{"events.k8s.io", "events", "", "create patch"})
}

// place is where rights are needed: a namespace, or, where it has no name, the whole
// cluster.
type place struct {
	namespace string
	rights    []rights
}

// places are where the operator needs which rights.
func (o *options) places() []place {
	var all []place
	if home := o.home(); o.elect && home != "" {
		all = append(all, place{home, []rights{
			{"coordination.k8s.io", "leases", "", "get create update"},
			{"", "events", "", "create patch"},
			{"events.k8s.io", "events", "", "create patch"},
		}})
	}
	if o.tokens.Name != "" {
		all = append(all, place{o.tokens.Namespace, []rights{{"", "secrets", "", "create"}, {"", "secrets", o.tokens.Name, "get list watch"}}})
	}
	if o.logsOnly {
		all = append(all,
			place{o.webhook.Namespace, []rights{{"", "secrets", "", "create"}, {"", "secrets", o.webhook.Name, "get"}}},
			place{"", []rights{{"admissionregistration.k8s.io", "mutatingwebhookconfigurations", o.webhook.Name, "patch"}}})
	}
	namespaces := o.namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, name := range namespaces {
		all = append(all, place{name, o.inEach()})
	}
	return all
}

// ofNodes are the rights that an operator can do without.
var ofNodes = rights{"", "nodes", "", "list watch"}

const wayOut = "apply deploy/kubernetes/operator.yaml (with --logs-only: logs-only.yaml) of this version; where only a Role can be had, namespaced.yaml"

// askRights asks the API server whether the operator may do all that it does. The error
// names what it may not.
func askRights(ctx context.Context, config *rest.Config, o *options) error {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	var missing []string
	for _, p := range o.places() {
		lacks, err := lacking(ctx, clients, p.namespace, p.rights)
		if err != nil {
			return err
		}
		if len(lacks) > 0 {
			missing = append(missing, where(p.namespace)+": "+strings.Join(lacks, ", "))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the operator may not do %s; %s", strings.Join(missing, "; "), wayOut)
	}
	return nil
}

func where(namespace string) string {
	if namespace == "" {
		return "in the whole cluster"
	}
	return "in namespace " + namespace
}

// lacking are those of the rights that the operator does not have, in words.
func lacking(ctx context.Context, clients kubernetes.Interface, namespace string, all []rights) ([]string, error) {
	const atOnce = 8
	slots := make(chan struct{}, atOnce)
	var mu sync.Mutex
	var lacks []string
	var errs error
	var wg sync.WaitGroup
	for _, r := range all {
		for verb := range strings.FieldsSeq(r.verbs) {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				allowed, err := may(ctx, clients, namespace, r, verb)
				mu.Lock()
				defer mu.Unlock()
				errs = errors.Join(errs, err)
				if err == nil && !allowed {
					lacks = append(lacks, strings.TrimSpace(verb+" "+r.of()+" "+r.name))
				}
			})
		}
	}
	wg.Wait()
	slices.Sort(lacks)
	return lacks, errs
}

// of is the kind as kubectl names it.
func (r rights) of() string {
	if r.group == "" {
		return r.resource
	}
	resource, sub, deeper := strings.Cut(r.resource, "/")
	if deeper {
		sub = "/" + sub
	}
	return resource + "." + r.group + sub
}

func may(ctx context.Context, clients kubernetes.Interface, namespace string, r rights, verb string) (bool, error) {
	resource, sub, _ := strings.Cut(r.resource, "/")
	answer, err := clients.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: r.group, Resource: resource, Subresource: sub, Name: r.name,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether the operator may %s %s: %w", verb, r.of(), err)
	}
	return answer.Status.Allowed, nil
}

// inPod is where a pod finds the name of its namespace.
const inPod = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// home is the operator's own namespace; empty: not known.
func (o *options) home() string {
	if o.electIn != "" {
		return o.electIn
	}
	name, err := os.ReadFile(inPod)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
