package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/remora-ray/remora/internal/operator/desired"
)

// options are what the flags say.
type options struct {
	metrics, health string
	elect           bool
	electIn         string   // namespace of the lease; empty: the pod's own
	namespaces      []string // to look after; none: all
	concurrency     int
	qps             float64
	burst           int
	lostAfter       time.Duration
	domain          string
	agent           desired.Agent
	tokens          client.ObjectKey // Secret with the tokens of the server; empty: none
	logsOnly        bool
	webhook         client.ObjectKey // Service by which the API server reaches logsOnly
	version         bool
}

func parse(args []string, stdout io.Writer) (*options, error) {
	var o options
	var namespaces, secret, tokens, service string
	fs := flag.NewFlagSet("remora-operator", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.metrics, "metrics-addr", ":8080", "`ADDRESS` of /metrics")
	fs.StringVar(&o.health, "health-probe-bind-address", ":8082", "`ADDRESS` of /healthz and /readyz")
	fs.BoolVar(&o.elect, "enable-leader-election", true, "let one of several operators work; KubeRay takes the same lease, so never both do")
	fs.StringVar(&o.electIn, "leader-election-namespace", "", "`NAMESPACE` of the lease; empty: that of the pod, which must be a pod then")
	fs.StringVar(&namespaces, "watch-namespace", "", "`NAMESPACES` to look after, with commas between; none: all")
	fs.IntVar(&o.concurrency, "reconcile-concurrency", 10, "`NUMBER` of clusters looked after at the same time")
	fs.Float64Var(&o.qps, "qps", 100, "`REQUESTS` a second to the API server at most")
	fs.IntVar(&o.burst, "burst", 200, "`REQUESTS` at once at most")
	fs.DurationVar(&o.lostAfter, "lost-after", time.Minute, "`TIME` after which a node that nobody hears of is lost, and its pods are replaced")
	fs.StringVar(&o.domain, "cluster-domain", "cluster.local", "`DOMAIN` of the cluster's DNS")
	fs.StringVar(&o.agent.Image, "agent-image", "", "`IMAGE` of the log agent")
	fs.StringVar(&o.agent.URL, "logs-url", "", "`URL` of the server that log lines go to")
	fs.StringVar(&o.agent.Tenant, "logs-tenant", "", "`NAME` of the tenant that log lines belong to")
	fs.StringVar(&secret, "logs-token-secret", "", "`NAME/KEY` of the token for that server, in a Secret of each cluster's namespace")
	fs.StringVar(&tokens, "logs-tokens", "", "`NAMESPACE/NAME` of a Secret with the tokens of that server: made where there is none, and agents get the one that may write")
	fs.DurationVar(&o.agent.Wait, "wait-for-logs", 15*time.Second, "`TIME` longer that pods may take to end, so that their last lines are delivered")
	fs.BoolVar(&o.logsOnly, "logs-only", false, "leave clusters to KubeRay, and only give their pods the log agent")
	fs.StringVar(&service, "webhook-service", "remora-system/remora-logs", "with --logs-only, `NAMESPACE/NAME` of this program's Service; of its name are also the Secret of its certificate and the MutatingWebhookConfiguration")
	fs.BoolVar(&o.version, "version", false, "print the version")
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, "remora-operator runs Ray clusters on Kubernetes.\n\nIt takes the configuration of kubectl, or inside a pod its service account.\n\n")
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		fmt.Fprint(stdout, "\nExit status: 0 ended by a signal, 1 failed, 2 wrong usage.\n")
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	for name := range strings.SplitSeq(namespaces, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.namespaces = append(o.namespaces, name)
		}
	}
	return &o, errors.Join(o.check(secret), o.checkTokens(tokens), o.checkService(service))
}

func (o *options) check(secret string) error {
	if o.concurrency < 1 || o.qps <= 0 || o.burst < 1 {
		return errors.New("--reconcile-concurrency, --qps and --burst must be positive")
	}
	if o.lostAfter <= 0 || o.agent.Wait < 0 {
		return errors.New("--lost-after must be positive, --wait-for-logs must not be negative")
	}
	if u, err := url.Parse(o.agent.URL); o.agent.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("--logs-url %q: write it as http://HOST:PORT", o.agent.URL)
	}
	if secret != "" {
		name, key, ok := strings.Cut(secret, "/")
		if !ok || name == "" || key == "" {
			return fmt.Errorf("--logs-token-secret %q: write it as NAME/KEY", secret)
		}
		o.agent.TokenSecret = &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}
	}
	return nil
}

func (o *options) checkTokens(tokens string) error {
	if tokens == "" {
		return nil
	}
	namespace, name, ok := strings.Cut(tokens, "/")
	if !ok || namespace == "" || name == "" {
		return fmt.Errorf("--logs-tokens %q: write it as NAMESPACE/NAME", tokens)
	}
	if o.agent.TokenSecret != nil {
		return errors.New("--logs-tokens and --logs-token-secret: agents send one token, choose one of the two")
	}
	o.tokens = client.ObjectKey{Namespace: namespace, Name: name}
	return nil
}

func (o *options) checkService(service string) error {
	namespace, name, ok := strings.Cut(service, "/")
	if !ok || namespace == "" || name == "" {
		return fmt.Errorf("--webhook-service %q: write it as NAMESPACE/NAME", service)
	}
	o.webhook = client.ObjectKey{Namespace: namespace, Name: name}
	return nil
}
