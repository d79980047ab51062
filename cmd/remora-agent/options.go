package main

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"slices"

	"github.com/remora-ray/remora/internal/agent/config"
	"github.com/remora-ray/remora/internal/agent/convert"
	"github.com/remora-ray/remora/internal/agent/ship"
)

// options are settings given by flags and by the environment, which win over the
// configuration file, flags over the environment.
type options struct {
	file  string
	once  bool
	given map[string]string // text by the flag's name
}

// setting is a flag of the agent.
type setting struct {
	flag     string
	variable string // of the environment; "" for none
	key      string // of the configuration's first level; "" for those that options.apply knows
	usage    string
}

var settings = []setting{
	{"ray-root", "", "", "`DIR` that holds Ray's session_… directories; may appear later (default /tmp/ray)"},
	{"url", "REMORA_URL", "", "`URL` of the server, http://HOST:PORT, or - for JSON lines on standard output"},
	{"tenant", "REMORA_TENANT", "", "`NAME` of the tenant, sent as X-Scope-OrgID"},
	{"token-file", "REMORA_TOKEN_FILE", "", "`FILE` that holds a bearer token, read again for each request"},
	{"state", "", "state", "`DIR` for positions; one agent each"},
	{"cluster", "REMORA_CLUSTER", "cluster", "`NAME` of the cluster (default the host's name)"},
	{"namespace", "REMORA_NAMESPACE", "namespace", "Kubernetes `NAMESPACE`"},
	{"pod", "REMORA_POD", "pod", "`NAME` of the pod"},
	{"pod-uid", "REMORA_POD_UID", "pod_uid", "`UID` of the pod; part of each file's identity"},
	{"container", "REMORA_CONTAINER", "container", "`NAME` of the container whose files these are"},
	{"node-type", "REMORA_NODE_TYPE", "node_type", "`KIND` of the Ray node, head or worker (default: found out from the files)"},
	{"group", "REMORA_GROUP", "group", "`NAME` of the worker group"},
	{"listen", "", "listen", "`ADDRESS` of /metrics, /healthz, /readyz and /status; empty for none (default :9081)"},
	{"drain-timeout", "", "drain_timeout", "longest `TIME` to go on after SIGTERM, or with --once without progress (default 25s)"},
	{"batch-bytes", "", "batch_bytes", "largest push before compression, a `SIZE` (default 1MiB)"},
	{"batch-wait", "", "batch_wait", "longest `TIME` a line waits for its batch (default 600ms)"},
	{"scan-interval", "", "scan_interval", "`TIME` between two looks at everything (default 5s)"},
	{"readers", "", "readers", "`NUMBER` of files read at once (default one per core, at most 4)"},
	{"max-open", "", "max_open_files", "`NUMBER` of log files held open at most (default 512)"},
	{"hold-bytes", "", "hold_bytes", "`SIZE` that deleted files may keep on disk while unread (default 512MiB)"},
	{"log-level", "", "log_level", "`LEVEL`: debug, info, warn or error (default info)"},
}

// register adds the flags of the settings to fs, but for some.
func (o *options) register(fs *flag.FlagSet, without ...string) {
	o.given = map[string]string{}
	for _, s := range settings {
		if slices.Contains(without, s.flag) {
			continue
		}
		fs.Func(s.flag, s.usage, func(text string) error {
			if s.key != "" {
				if err := new(config.Config).Set(s.key, text); err != nil {
					return err
				}
			}
			o.given[s.flag] = text
			return nil
		})
	}
}

// environment takes what flags have not given.
func (o *options) environment(env func(string) (string, bool)) {
	for _, s := range settings {
		if s.variable == "" {
			continue
		}
		if _, given := o.given[s.flag]; given {
			continue
		}
		if v, _ := env(s.variable); v != "" {
			o.given[s.flag] = v
		}
	}
}

// load reads the configuration file, if one is named, under the options.
func (o *options) load(env func(string) (string, bool)) (*config.Config, error) {
	if o.file == "" && !o.names("url") && exists(fluentBitFile) {
		o.file = fluentBitFile
	}
	return config.LoadAs(o.file, translated, env, o.apply)
}

// fluentBitFile is read where nothing else is given: in a pod that ran Fluent Bit only
// the image need be another.
var fluentBitFile = "/fluent-bit/etc/fluent-bit.conf"

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// names reports whether a setting was given by a flag or the environment.
func (o *options) names(flag string) bool {
	_, given := o.given[flag]
	return given
}

// translated makes a configuration of Fluent Bit or Alloy ours.
func translated(name string, text []byte) ([]byte, error) {
	if !convert.Detect(name, text).Foreign() {
		return text, nil
	}
	ours, _, err := convert.Convert(name, text)
	return ours, err
}

// apply gives a configuration what the options say.
func (o *options) apply(c *config.Config) error {
	var errs []error
	for _, s := range settings {
		if v, given := o.given[s.flag]; given && s.key != "" {
			if err := c.Set(s.key, v); err != nil {
				errs = append(errs, fmt.Errorf("%s or --%s: %w", s.variable, s.flag, err))
			}
		}
	}
	errs = append(errs, o.root(c), o.output(c))
	c.Plain = o.file == ""
	return errors.Join(errs...)
}

// root names the Ray root of the one source that has one.
func (o *options) root(c *config.Config) error {
	root, given := o.given["ray-root"]
	if !given {
		return nil
	}
	if len(c.Sources) == 0 {
		c.Sources = []config.Source{{Ray: &config.Ray{Root: root}}}
		return nil
	}
	var ray []*config.Ray
	for _, s := range c.Sources {
		if s.Ray != nil {
			ray = append(ray, s.Ray)
		}
	}
	if len(ray) != 1 {
		return fmt.Errorf("--ray-root is given and the file has %d ray sources: name their roots there", len(ray))
	}
	ray[0].Root = root
	return nil
}

// output makes the one output of --url, which takes the place of those of the file.
// Without it the tenant is that of all outputs over HTTP, and the token that of the
// only one: no token goes to a server that it was not meant for.
func (o *options) output(c *config.Config) error {
	if address, given := o.given["url"]; given {
		out, err := outputOf(address)
		if err != nil {
			return err
		}
		c.Outputs = []config.Output{out}
	}
	tenant, hasTenant := o.given["tenant"]
	token, hasToken := o.given["token-file"]
	var servers []*ship.HTTP
	for i := range c.Outputs {
		if h := c.Outputs[i].HTTP(); h != nil {
			servers = append(servers, h)
			if hasTenant {
				h.Tenant = tenant
			}
		}
	}
	switch {
	case !hasToken || len(servers) == 0:
	case len(servers) > 1:
		return fmt.Errorf("--token-file or REMORA_TOKEN_FILE is given and the file has %d outputs over HTTP: name it there as bearer_token_file", len(servers))
	default:
		servers[0].BearerTokenFile = token
	}
	return nil
}

// outputOf is the output of --url. A user in the URL is basic authentication.
func outputOf(address string) (config.Output, error) {
	if address == "-" {
		return config.Output{Name: "main", Stdout: &ship.Stdout{Format: "json"}}, nil
	}
	h := &ship.HTTP{URL: address}
	if u, err := url.Parse(address); err == nil && u.User != nil {
		password, _ := u.User.Password()
		h.BasicAuth = &ship.BasicAuth{Username: u.User.Username(), Password: ship.Secret(password)}
		u.User = nil
		h.URL = u.String()
	}
	return config.Output{Name: "main", Remora: h, Any: true}, nil
}
