package ship

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const full = `
url: https://loki:3100/base
tenant: team-a
basic_auth: {username: u, password: hunter2}
headers: {X-Api-Key: hunter2}
tls: {ca_file: /ca, cert_file: /c, key_file: /k, server_name: loki.internal, insecure_skip_verify: false}
proxy_url: http://user:hunter2@proxy:8080
timeout: 10s
batch: {bytes: 512KiB, wait: 2s}
backoff: {min: 100ms, max: 1m}
backfill: {disabled: true, window: 2h, label: late}
`

func decode(t *testing.T, text string) HTTP {
	t.Helper()
	var o HTTP
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOptionsAreRead(t *testing.T) {
	o := decode(t, full)
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	if o.URL != "https://loki:3100/base" || string(o.BasicAuth.Password) != "hunter2" || o.Batch.Bytes != 512<<10 ||
		o.Backoff.Max != time.Minute || o.TLS.ServerName != "loki.internal" || string(o.Headers["X-Api-Key"]) != "hunter2" || o.Backfill.Window != 2*time.Hour {
		t.Errorf("%+v", o)
	}
	o = decode(t, "url: http://loki:3100\noauth2: {client_id: a, client_secret_file: /s, token_url: 'https://id/token', scopes: [x], endpoint_params: {audience: y}}")
	if err := o.Validate(); err != nil || o.OAuth2.Scopes[0] != "x" || string(o.OAuth2.EndpointParams["audience"]) != "y" {
		t.Errorf("%+v: %v", o.OAuth2, err)
	}
	if o := (HTTP{URL: "http://loki:3100"}); o.Validate() != nil {
		t.Errorf("only a url: %v", o.Validate())
	}
}

func TestNothingShowsASecret(t *testing.T) {
	o := decode(t, full)
	o.BearerToken = "hunter2"
	o.OAuth2 = &OAuth2{ClientSecret: "hunter2", EndpointParams: map[string]Secret{"p": "hunter2"}, TokenURL: "https://u:hunter2@id/"}
	marshalled, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	all := string(marshalled) + string(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{o.BearerToken, o.Headers, o.ProxyURL, *o.BasicAuth, *o.OAuth2} {
			all += fmt.Sprintf(verb, v)
		}
	}
	if strings.Contains(all, "hunter2") || strings.Contains(all, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("it shows:\n%s", all)
	}
	if !strings.Contains(string(marshalled), "bearer_token: <secret>") || strings.Contains(fmt.Sprint(Secret("")), "secret") {
		t.Errorf("a secret that is set is told from one that is not:\n%s", marshalled)
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                         "url is missing",
		"url: loki:3100":             "is not http://HOST:PORT",
		"url: http://u:p@h":          "give it as basic_auth",
		"url: http://h?x=y":          "must not have a query",
		"url: http://h\ntenant: a/b": "tenant",
		"url: http://h\nbearer_token: x\nbasic_auth: {username: u, password: p}":   "basic_auth and bearer_token are given: one of them is enough",
		"url: http://h\nbearer_token: x\nbearer_token_file: /y":                    "one of them is enough",
		"url: http://h\nbearer_token: x\nheaders: {authorization: y}":              "headers.Authorization",
		"url: http://h\nbasic_auth: {username: u}":                                 "basic_auth.password is missing: give it or basic_auth.password_file",
		"url: http://h\nbasic_auth: {password: u}":                                 "basic_auth.username is missing",
		"url: http://h\nbasic_auth: {username: u, password: p, password_file: /f}": "basic_auth.password and basic_auth.password_file are given",
		"url: http://h\ntls: {cert_file: /c}":                                      "tls.cert_file is given without tls.key_file",
		"url: http://h\ntls: {key_file: /c}":                                       "tls.key_file is given without tls.cert_file",
		"url: http://h\noauth2: {client_id: a, client_secret: b}":                  "oauth2.token_url is missing",
		"url: http://h\noauth2: {client_secret: b, token_url: 'http://t'}":         "oauth2.client_id is missing",
		"url: http://h\noauth2: {client_id: a, token_url: 'http://t'}":             "oauth2.client_secret is missing",
		"url: http://h\noauth2: {client_id: a, client_secret: b, token_url: t}":    "oauth2.token_url",
		"url: http://h\nproxy_url: ftp://p":                                        "proxy_url",
		"url: http://h\nheaders: {Content-Type: x}":                                "the agent sets it",
		"url: http://h\nheaders: {'a b': x}":                                       "not a header's name",
		"url: http://h\nheaders: {a: \"x\\ny\"}":                                   "control character",
		"url: http://h\ntenant: a\nheaders: {x-scope-orgid: b}":                    "headers.x-scope-orgid and tenant or tenant_from are given",
		"url: http://h\ntimeout: 1ms":                                              "timeout is 1ms: give a time from 1s",
		"url: http://h\nbatch: {bytes: 1GiB}":                                      "batch.bytes is 1GiB",
		"url: http://h\nbackoff: {min: 1m, max: 1s}":                               "backoff.min is 1m0s, more than backoff.max",
		"url: http://h\nbackfill: {window: 1s}":                                    "backfill.window",
		"url: http://h\nbackfill: {label: a-b}":                                    "backfill.label",
	} {
		o := decode(t, text)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  got  %v\n  want %s", text, err, want)
		}
	}
	var b Bytes
	for _, text := range []string{"x", "-1", "1TiBs", "9999999999GiB", "", "1.5MiB"} {
		if err := b.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "is not a size") {
			t.Errorf("size %q: %v", text, err)
		}
	}
}

// TestEveryOptionIsDescribed holds Docs against the fields.
func TestEveryOptionIsDescribed(t *testing.T) {
	described := map[string]bool{}
	for _, d := range Docs() {
		if described[d.Name] || d.Type == "" || !strings.HasSuffix(d.Text, ".") {
			t.Errorf("%+v", d)
		}
		described[d.Name] = true
	}
	var walk func(prefix string, ty reflect.Type)
	walk = func(prefix string, ty reflect.Type) {
		for i := range ty.NumField() {
			f := ty.Field(i)
			name, fieldType := prefix+f.Tag.Get("yaml"), f.Type
			if fieldType.Kind() == reflect.Pointer {
				fieldType = fieldType.Elem()
			}
			if fieldType.Kind() == reflect.Struct {
				walk(name+".", fieldType)
				continue
			}
			if !described[name] {
				t.Errorf("option %s is not described", name)
			}
			delete(described, name)
		}
	}
	walk("", reflect.TypeFor[HTTP]())
	for name := range described {
		t.Errorf("%s is described, there is no such option", name)
	}
}
