package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/remora-ray/remora/api/rayv1"
	"github.com/remora-ray/remora/internal/operator/backlog"
	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/raycluster"
	"github.com/remora-ray/remora/internal/operator/tokens"
)

// lease is KubeRay's own, so that of both operators one works.
const lease = "ray-operator-leader"

// askAgents is how often agents are asked how far behind they are.
const askAgents = 30 * time.Second

// knownKinds are the kinds of objects of Kubernetes itself and of ray.io.
func knownKinds() (*runtime.Scheme, error) {
	kinds := runtime.NewScheme()
	return kinds, errors.Join(scheme.AddToScheme(kinds), rayv1.AddToScheme(kinds))
}

// run looks after clusters until ctx ends.
func run(ctx context.Context, config *rest.Config, o *options) error {
	kinds, err := knownKinds()
	if err != nil {
		return err
	}
	if err := askRights(ctx, config, o); err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        kinds,
		Cache:                         within(tokens.Cached(raycluster.CacheOptions()), o.namespaces),
		Metrics:                       server.Options{BindAddress: o.metrics},
		HealthProbeBindAddress:        o.health,
		LeaderElection:                o.elect,
		LeaderElectionID:              lease,
		LeaderElectionNamespace:       o.electIn,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	if err := ownTokens(ctx, mgr, config, o); err != nil {
		return err
	}
	nodes, err := mayReadNodes(ctx, config)
	if err != nil {
		return err
	}
	if !nodes {
		mgr.GetLogger().Info("nodes may not be read: pods of lost nodes are replaced only when Kubernetes deletes them")
	}
	r := &raycluster.Reconciler{
		Client:    mgr.GetClient(),
		Live:      mgr.GetAPIReader(),
		Events:    mgr.GetEventRecorder("remora-operator"),
		Settings:  desired.Settings{ClusterDomain: o.domain, Version: "remora-" + own(), Agent: o.agent},
		LostAfter: o.lostAfter,
		Nodes:     nodes,
		NewName:   func(group string) string { return group + "-" + utilrand.String(5) },
		Metrics:   raycluster.NewMetrics(metrics.Registry),
		Backlog:   &backlog.Watch{Reader: mgr.GetClient(), Every: askAgents, Port: desired.AgentPort, Changed: make(chan event.GenericEvent)},
	}
	if err := r.SetupWithManager(mgr, o.concurrency); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// within keeps a cache to some namespaces; none: to all.
func within(kept cache.Options, namespaces []string) cache.Options {
	if len(namespaces) > 0 {
		kept.DefaultNamespaces = map[string]cache.Config{}
		for _, name := range namespaces {
			kept.DefaultNamespaces[name] = cache.Config{}
		}
	}
	return kept
}

// ownTokens has the server's tokens made, and agents of all clusters send theirs.
func ownTokens(ctx context.Context, mgr ctrl.Manager, config *rest.Config, o *options) error {
	if o.tokens.Name == "" {
		return nil
	}
	direct, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	if _, err := tokens.Ensure(ctx, direct, o.tokens); err != nil {
		return err
	}
	o.agent.HandToken = true
	h := &tokens.Handing{Client: mgr.GetClient(), Direct: direct, Tokens: o.tokens, Settings: desired.Settings{Agent: o.agent}}
	return h.SetupWithManager(mgr, config)
}

// mayReadNodes asks the API server whether the operator may watch nodes, which a Role
// of a namespace cannot allow.
func mayReadNodes(ctx context.Context, config *rest.Config) (bool, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return false, err
	}
	lacks, err := lacking(ctx, clients, "", []rights{ofNodes})
	return len(lacks) == 0, err
}
