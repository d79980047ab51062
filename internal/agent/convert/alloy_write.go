package convert

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// output carries a loki.write, an output for each endpoint, or a loki.echo.
func (a *alloy) output(b *block, chain []*block) error {
	if b.name == "loki.echo" {
		node, key := a.w.addOutput(or(b.label, "stdout"), "stdout", mapping("format", text("json")))
		a.w.changed(key, b.pos, b.id(), "an object for each line, with its labels; format: raw writes the lines alone")
		a.outputs = append(a.outputs, &alloyOutput{block: b, node: node, chain: chain})
		return nil
	}
	for _, inner := range b.blocks {
		switch inner.name {
		case "endpoint":
			node, err := a.endpoint(b, inner)
			if err != nil {
				return err
			}
			a.outputs = append(a.outputs, &alloyOutput{block: b, node: node, chain: chain})
		case "wal":
			a.w.left(inner.pos, b.name+" wal", "the log files themselves are the buffer: nothing is read before the last batch is acknowledged")
		default:
			a.w.left(inner.pos, b.name+" "+inner.name, "the agent has no such part")
		}
	}
	for _, at := range b.attributes {
		if at.name != "external_labels" {
			a.w.left(at.pos, b.name+" "+at.name, "the agent has no such setting")
			continue
		}
		if err := a.externalLabels(b, at); err != nil {
			return err
		}
	}
	return nil
}

// externalLabels are added by the output's pipeline, behind all else.
func (a *alloy) externalLabels(b *block, at attribute) error {
	v, err := a.eval.value(at.value)
	if err != nil {
		return err
	}
	o, ok := v.(*object)
	if !ok {
		return errorAt(at.pos, "external_labels must be a map")
	}
	static := mapping()
	for _, name := range o.keys {
		if s, ok := o.values[name].(string); ok {
			put(static, labelName(name), text(s))
		}
	}
	if len(static.Content) == 0 {
		return nil
	}
	for _, out := range a.outputs {
		if out.block == b {
			out.external = mapping("labels", mapping("static", static))
			a.w.kept(out.external, at.pos, "loki.write external_labels", "")
		}
	}
	return nil
}

// endpointNames are attributes of an endpoint and its blocks that have the same
// meaning, by block and name.
var endpointNames = map[string][]string{
	"url": {"url"}, "tenant_id": {"tenant"}, "proxy_url": {"proxy_url"}, "remote_timeout": {"timeout"},
	"batch_wait": {"batch", "wait"}, "batch_size": {"batch", "bytes"},
	"min_backoff_period": {"backoff", "min"}, "max_backoff_period": {"backoff", "max"},
	"bearer_token": {"bearer_token"}, "bearer_token_file": {"bearer_token_file"}, "headers": {"headers"},
	"basic_auth.username": {"basic_auth", "username"}, "basic_auth.password": {"basic_auth", "password"},
	"basic_auth.password_file":  {"basic_auth", "password_file"},
	"authorization.credentials": {"bearer_token"}, "authorization.credentials_file": {"bearer_token_file"},
	"oauth2.client_id": {"oauth2", "client_id"}, "oauth2.client_secret": {"oauth2", "client_secret"},
	"oauth2.client_secret_file": {"oauth2", "client_secret_file"}, "oauth2.token_url": {"oauth2", "token_url"},
	"oauth2.scopes": {"oauth2", "scopes"}, "oauth2.endpoint_params": {"oauth2", "endpoint_params"},
	"tls_config.ca_file": {"tls", "ca_file"}, "tls_config.cert_file": {"tls", "cert_file"}, "tls_config.key_file": {"tls", "key_file"},
	"tls_config.server_name": {"tls", "server_name"}, "tls_config.insecure_skip_verify": {"tls", "insecure_skip_verify"},
	"oauth2.tls_config.ca_file": {"oauth2", "tls", "ca_file"}, "oauth2.tls_config.cert_file": {"oauth2", "tls", "cert_file"},
	"oauth2.tls_config.key_file": {"oauth2", "tls", "key_file"}, "oauth2.tls_config.server_name": {"oauth2", "tls", "server_name"},
	"oauth2.tls_config.insecure_skip_verify": {"oauth2", "tls", "insecure_skip_verify"},
}

// endpointLeft says why other attributes are not carried.
var endpointLeft = map[string]string{
	"name":                   "",
	"max_backoff_retries":    "the agent goes on until the server takes a batch",
	"retry_on_http_429":      "the agent goes on until the server takes a batch",
	"enable_http2":           "one ordered sender gains nothing by HTTP/2",
	"follow_redirects":       "the agent has no such setting",
	"proxy_from_environment": "HTTP_PROXY, HTTPS_PROXY and NO_PROXY count unless proxy_url is given",
	"tls_config.ca_pem":      "put it into a file: ca_file",
	"tls_config.cert_pem":    "put it into a file: cert_file",
	"tls_config.key_pem":     "put it into a file: key_file",
	"tls_config.min_version": "TLS is 1.2 at least",
}

func (a *alloy) endpoint(write, b *block) (*yaml.Node, error) {
	settings := mapping()
	name := b.attribute("name")
	label := write.label
	if name != nil {
		if s, err := a.eval.value(name.value); err == nil {
			label, _ = s.(string)
		}
	}
	node, key := a.w.addOutput(or(label, "loki"), "loki", settings)
	a.w.kept(key, write.pos, write.id(), "for a Remora server write remora: in place of loki:")
	if b.attribute("url") == nil {
		return nil, errorAt(b.pos, "this endpoint has no url")
	}
	return node, a.endpointBlock(settings, b, "")
}

// endpointBlock carries the attributes of an endpoint or of a block in it.
func (a *alloy) endpointBlock(settings *yaml.Node, b *block, prefix string) error {
	for _, at := range b.attributes {
		if err := a.endpointAttribute(settings, at, prefix+at.name); err != nil {
			return err
		}
	}
	for _, inner := range b.blocks {
		name := prefix + inner.name
		switch name {
		case "basic_auth", "authorization", "oauth2", "tls_config", "oauth2.tls_config":
			if err := a.endpointBlock(settings, inner, name+"."); err != nil {
				return err
			}
		case "queue_config":
			a.w.left(inner.pos, "endpoint "+name, "reading waits for the output: there is no queue to fill")
		default:
			a.w.left(inner.pos, "endpoint "+name, "the agent has no such part")
		}
	}
	return nil
}

func (a *alloy) endpointAttribute(settings *yaml.Node, at attribute, name string) error {
	what := "endpoint " + name
	path, ok := endpointNames[name]
	if !ok {
		if why, known := endpointLeft[name]; !known {
			a.w.left(at.pos, what, "the agent has no such setting")
		} else if why != "" {
			a.w.left(at.pos, what, why)
		}
		return nil
	}
	v, err := a.eval.value(at.value)
	if err != nil {
		return err
	}
	m := settings
	for _, k := range path[:len(path)-1] {
		m = part(m, k, yaml.MappingNode)
	}
	key := path[len(path)-1]
	node, why := a.setting(name, &key, v)
	if node == nil {
		return errorAt(at.pos, "%s: %s", name, why)
	}
	if why != "" && key == path[len(path)-1] && strings.HasPrefix(why, "bounds") {
		a.w.changed(put(m, key, node), at.pos, what, why)
		return nil
	}
	a.w.kept(put(m, key, node), at.pos, what, why)
	return nil
}

// setting makes the node of one value; key may change to that of a file. A nil node
// comes with what is wrong.
func (a *alloy) setting(name string, key *string, v any) (node *yaml.Node, why string) {
	switch v := v.(type) {
	case reference:
		return a.secretFile(key, v)
	case bool:
		return word(v), ""
	case []any:
		items := list()
		for _, it := range v {
			s, ok := it.(string)
			if !ok {
				return nil, "its items must be text"
			}
			items.Content = append(items.Content, text(s))
		}
		return items, ""
	case *object:
		m := mapping()
		for _, k := range v.keys {
			s, ok := v.values[k].(string)
			if !ok {
				return nil, "its values must be text"
			}
			put(m, k, text(s))
		}
		return m, ""
	case string:
		return a.textSetting(name, *key, v)
	}
	return nil, "this value does not fit"
}

func (a *alloy) textSetting(name, key, v string) (*yaml.Node, string) {
	switch {
	case name == "url":
		server, whole := strings.CutSuffix(v, "/loki/api/v1/push")
		if whole || strings.HasSuffix(v, "}") {
			return text(server), ""
		}
		return text(server), "/loki/api/v1/push is added to it"
	case name == "batch_size":
		return batchBytes(v)
	case name == "batch_wait" || strings.HasSuffix(name, "_period") || name == "remote_timeout":
		if _, err := time.ParseDuration(v); err != nil && !strings.Contains(v, "${") {
			return nil, "it is not a time such as 1s"
		}
	case (key == "password" || key == "bearer_token" || key == "client_secret") && !strings.Contains(v, "${"):
		return text(v), "a secret is safer in a file: " + key + "_file"
	}
	return text(v), ""
}

// secretFile refers to the file of a local.file in place of its content.
func (a *alloy) secretFile(key *string, r reference) (*yaml.Node, string) {
	id, ok := r.cut("content")
	b := a.components[id]
	if !ok || b == nil || b.name != "local.file" || b.attribute("filename") == nil {
		return nil, string(r) + " is not known before the agent runs"
	}
	a.used[b] = true
	v, err := a.eval.value(b.attribute("filename").value)
	path, ok := v.(string)
	if err != nil || !ok {
		return nil, "the filename of " + id + " is not known before the agent runs"
	}
	switch *key {
	case "password", "bearer_token", "client_secret":
		*key += "_file"
		return text(path), "read again for each request"
	}
	return text("${file:" + path + "}"), ""
}
