package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/remora-ray/remora/internal/operator/desired"
	"github.com/remora-ray/remora/internal/operator/logsonly"
	"github.com/remora-ray/remora/internal/operator/tokens"
)

const (
	logsLease   = "remora-logs" // beside KubeRay, whose lease is another
	webhookPort = 9443
)

// runLogsOnly gives pods of another operator's clusters the agent until ctx ends.
func runLogsOnly(ctx context.Context, config *rest.Config, o *options) error {
	kinds, err := knownKinds()
	if err != nil {
		return err
	}
	if err := askRights(ctx, config, o); err != nil {
		return err
	}
	direct, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	cert, err := logsonly.Certificate(ctx, direct, o.webhook, time.Now())
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        kinds,
		Cache:                         within(tokens.Cached(logsonly.CacheOptions()), o.namespaces),
		Metrics:                       server.Options{BindAddress: o.metrics},
		HealthProbeBindAddress:        o.health,
		LeaderElection:                o.elect,
		LeaderElectionID:              logsLease,
		LeaderElectionNamespace:       o.electIn,
		LeaderElectionReleaseOnCancel: true,
		WebhookServer: webhook.NewServer(webhook.Options{Port: webhookPort, TLSOpts: []func(*tls.Config){func(t *tls.Config) {
			t.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }
		}}}),
	})
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	if err := ownTokens(ctx, mgr, config, o); err != nil {
		return err
	}
	settings := desired.Settings{ClusterDomain: o.domain, Version: "remora-" + own(), Agent: o.agent}
	handler := &logsonly.Handler{Clusters: mgr.GetClient(), Live: mgr.GetAPIReader(), Settings: settings}
	mgr.GetWebhookServer().Register(logsonly.Path, &webhook.Admission{Handler: handler})
	r := &logsonly.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Settings: settings}
	if err := r.SetupWithManager(mgr); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("webhook", mgr.GetWebhookServer().StartedChecker()); err != nil {
		return err
	}
	if err := logsonly.Introduce(ctx, direct, o.webhook.Name, cert); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
