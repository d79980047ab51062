package server_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/server"
)

const tokens = `# who may do what
agent-token   team-a,team-b
sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b *
`

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestAuth(t *testing.T) {
	r := start(t, withAuth(t, tokens))
	tests := []struct {
		name, authorization, tenant, path string
		status                            int
		want                              string
	}{
		{"no token", "", "team-a", "/loki/api/v1/labels", 401, "no token: send the header Authorization: Bearer TOKEN"},
		{"unknown token", "Bearer other", "team-a", "/loki/api/v1/labels", 401, "unknown token"},
		{"empty token", "Bearer ", "team-a", "/loki/api/v1/labels", 401, "no token"},
		{"broken basic", "Basic !!", "team-a", "/loki/api/v1/labels", 401, "no token"},
		{"its tenant", "Bearer agent-token", "team-a", "/loki/api/v1/labels", 200, "success"},
		{"its tenants", "bearer agent-token", "team-b|team-a", "/loki/api/v1/labels", 200, "success"},
		{"as a password", basic("anybody", "agent-token"), "team-b", "/loki/api/v1/labels", 200, "success"},
		{"another tenant", "Bearer agent-token", "team-c", "/loki/api/v1/labels", 403, `token is not for tenant "team-c"`},
		{"another beside its own", "Bearer agent-token", "team-a|team-c", "/loki/api/v1/labels", 403, "team-c"},
		{"no tenant", "Bearer agent-token", "", "/loki/api/v1/labels", 403, `token is not for tenant "fake": name another in the header X-Scope-OrgID`},
		{"hashed token of every tenant", "Bearer secret", "team-z", "/loki/api/v1/labels", 200, "success"},
		{"the hash is no token", "Bearer sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", "team-z", "/loki/api/v1/labels", 401, "unknown token"},
		{"ready needs none", "", "", "/ready", 200, "ready"},
		{"the page needs none", "", "", "/", 200, ""},
		{"metrics need one", "", "", "/metrics", 401, "no token"},
		{"metrics with any", "Bearer agent-token", "", "/metrics", 200, "remora_server"},
		{"build with any", "Bearer agent-token", "", "/loki/api/v1/status/buildinfo", 200, `"version":"v0.0.0-test"`},
		{"offsets", "", "", "POST /api/remora/v1/offsets", 401, "no token"},
		{"push", "Bearer agent-token", "team-c", "POST /loki/api/v1/push", 403, "team-c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(r, tt.path, []string{"Authorization", tt.authorization, "X-Scope-OrgID", tt.tenant})
			got.want(t, tt.status, tt.want)
			if has := got.header.Get("WWW-Authenticate") != ""; has != (tt.status == 401) {
				t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestTokensThatOnlyReadOrWrite(t *testing.T) {
	r := start(t, withStore(openStore(t)), withAuth(t, "reader a read\nwriter a write\nboth a\n"))
	body := jsonPush(jsonLine(noon.Add(-1), "x"))
	for _, tt := range []struct {
		path, method, body string
		read               bool
	}{
		{path: pushPath, method: "POST", body: body},
		{path: "/otlp/v1/logs", method: "POST", body: otlpBody(nanos(noon))},
		{path: loki.PathOffsets, method: "POST", body: `{"files":[]}`},
		{path: address("/loki/api/v1/delete", "query", "{}", "start", "1"), method: "POST"},
		{path: "/loki/api/v1/delete", method: "GET", read: true},
		{path: address("/loki/api/v1/query_range", "query", `{app="x"}`), method: "GET", read: true},
		{path: "/loki/api/v1/labels", method: "POST", read: true},
		{path: address("/loki/api/v1/index/volume", "query", "{}"), method: "GET", read: true},
	} {
		for _, token := range []string{"reader", "writer", "both"} {
			got := r.do(tt.method, tt.path, []byte(tt.body), "Authorization", "Bearer "+token, "X-Scope-OrgID", "a", "Content-Type", "application/json")
			allowed := token == "both" || tt.read == (token == "reader")
			if refused := got.status == 403 && strings.Contains(got.body, "token may not "); refused == allowed {
				t.Errorf("%s %s with %s: %d %s", tt.method, tt.path, token, got.status, got.body)
			}
		}
	}
}

func TestAuthFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "no token in it",
		"# nothing":                 "no token in it",
		"hush":                      "line 1: has 1 words, want two",
		"a b c d":                   "line 1: has 4 words, want two or three",
		"a b admin":                 "line 1: its third word is neither read nor write",
		"ok a\nhush ..":             `line 2: tenant name ".." is not allowed`,
		"hush a,":                   "line 1: tenant name is empty",
		"sha256:12 a":               "must be followed by 64 hex digits",
		"hush a\n\n# again\nhush b": "line 4: this token was given before",
	} {
		_, err := server.ParseAuth(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: the error shows the token: %v", text, err)
		}
	}
	path := filepath.Join(t.TempDir(), "tokens")
	if _, err := server.LoadAuth(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte(tokens), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.LoadAuth(path); err != nil {
		t.Error(err)
	}
}
