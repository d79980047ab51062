package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/server"
)

// No endpoint tells one tenant what another has, whatever it is asked.
func TestNoTenantReadsAnothersLines(t *testing.T) {
	r := start(t, withStore(openStore(t)), withAuth(t, "alice a\nbob b,c\n"))
	const secret = "s3cret"
	file := stream(logs.LabelsOf("job", "ray/logs", "who", secret), "line of "+secret)
	file.Entries[0].Metadata = logs.LabelsOf("offset", "0", "meta", secret)
	file.Range = &loki.FileRange{File: loki.FileID{7}, Generation: []byte("generation-" + secret), To: 100}
	bob := []string{"Authorization", "Bearer bob", "X-Scope-OrgID", "b"}
	r.do("POST", pushPath, packed(&loki.Push{Streams: []loki.Stream{file}}), bob...).want(t, 204)
	r.pushJSON(`{"streams":[{"stream":{"app":"`+secret+`"},"values":[`+jsonLine(noon.Add(-1e9), `{"field":"`+secret+`"}`)+`]}]}`, bob...).want(t, 204)
	r.do("POST", address("/loki/api/v1/delete", "query", `{app="`+secret+`"} |= "nothing"`, "start", "1"), nil, bob...).want(t, 204)
	r.pushJSON(`{"streams":[{"stream":{"app":"mine"},"values":[`+jsonLine(noon.Add(-1e9), "mine")+`]}]}`, "Authorization", "Bearer alice", "X-Scope-OrgID", "a").want(t, 204)

	queries := []string{
		`{app=~".+"}`, `{job=~".+"}`, `{app=~".+",__tenant_id__=~".+"}`, `{__tenant_id__="b"}`, `{}`, ``, `sum by (app, who) (count_over_time({app=~".+"}[1h]))`, `count_over_time({job=~".+"}[1h])`,
	}
	asked := 0
	for _, pattern := range server.RoutePatterns() {
		path := strings.NewReplacer("{name}", "app").Replace(pattern)
		for _, query := range queries {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				if path == "/loki/api/v1/delete" && method == "POST" {
					continue // alice may delete her own
				}
				target := address(path, "query", query, "match[]", query, "start", "1795258000", "limit", "100", "request_id", "x")
				for _, tenants := range []string{"a", "b", "a|b", "b|c", "", "a|a", "*", "A"} {
					header := []string{"Authorization", "Bearer alice"}
					if tenants != "" {
						header = append(header, "X-Scope-OrgID", tenants)
					}
					body := []byte(nil)
					if path == loki.PathOffsets {
						body = []byte(`{"files":["07000000000000000000000000000000"],"generations":["Z2VuZXJhdGlvbi1zM2NyZXQ="]}`)
					}
					got := r.do(method, target, body, header...)
					asked++
					text := strings.ReplaceAll(got.body, query, "")
					if strings.Contains(text, secret) || path == loki.PathOffsets && strings.Contains(text, `"committed":100`) {
						t.Errorf("%s %s as %q: %d %s", method, target, tenants, got.status, got.body)
					}
					public := got.status == 404 || got.status == 405 || !strings.HasPrefix(path, "/loki/") && path != loki.PathOffsets && path != "/otlp/v1/logs" ||
						strings.Contains(path, "format_query") || strings.Contains(path, "buildinfo") || strings.Contains(path, "drilldown")
					if tenants != "a" && tenants != "a|a" && !public && got.status != 403 && got.status != 400 {
						t.Errorf("%s %s as %q: status %d", method, target, tenants, got.status)
					}
				}
				if path != "/ready" && path != "/" {
					if got := r.do(method, target, nil, "X-Scope-OrgID", "b"); got.status != 401 {
						t.Errorf("%s %s without a token: status %d", method, target, got.status)
					}
				}
			}
		}
	}
	if asked < 1000 {
		t.Errorf("only %d requests were tried", asked)
	}
	r.get("/metrics").want(t, 401)
}

func TestNoTenantTailsAnother(t *testing.T) {
	r := start(t, withStore(openStore(t)), withAuth(t, "alice a\nbob b\n"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dial := func(token, tenant string) (*websocket.Conn, *http.Response, error) {
		h := http.Header{"Authorization": {"Bearer " + token}, "X-Scope-OrgID": {tenant}}
		return websocket.Dial(ctx, "ws"+strings.TrimPrefix(r.url, "http")+address("/loki/api/v1/tail", "query", `{app=~".+"}`), &websocket.DialOptions{HTTPHeader: h})
	}
	if _, resp, err := dial("alice", "b"); err == nil || resp.StatusCode != 403 {
		t.Fatalf("alice tails b: %v", err)
	}
	conn, _, err := dial("alice", "a")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	push := func(token, tenant, line string) {
		r.pushJSON(`{"streams":[{"stream":{"app":"x"},"values":[`+jsonLine(noon.Add(-1), line)+`]}]}`, "Authorization", "Bearer "+token, "X-Scope-OrgID", tenant).want(t, 204)
	}
	push("bob", "b", "not for alice")
	push("alice", "a", "for alice")
	_, frame, err := conn.Read(ctx)
	if err != nil || strings.Contains(string(frame), "not for alice") || !strings.Contains(string(frame), "for alice") {
		t.Fatalf("frame %s, %v", frame, err)
	}
}
