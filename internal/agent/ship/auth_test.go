package ship

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// echo is a server that answers 429 and repeats the credentials.
func echo(t *testing.T) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); ok {
			w.Header().Set("Retry-After", fmt.Sprint(len(user+password)))
		}
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, "you sent ", r.Header.Get("Authorization"))
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestCredentialsAreReadAgainAndNeverShown(t *testing.T) {
	srv, dir := echo(t), t.TempDir()
	secret := file(t, dir, "secret", []byte("one-secret\n"))
	basic := client(t, HTTP{URL: srv.URL, BasicAuth: &BasicAuth{Username: "u", PasswordFile: secret}})
	bearer := client(t, HTTP{URL: srv.URL, BearerTokenFile: secret})
	given := client(t, HTTP{URL: srv.URL, BearerToken: "given-secret"})
	if a := basic.Push(t.Context(), []byte("x")); a.RetryAfter.Seconds() != float64(len("uone-secret")) {
		t.Errorf("basic: %+v", a)
	}
	for _, c := range []*Client{bearer, given} {
		if a := c.Push(t.Context(), []byte("x")); !strings.Contains(a.Err.Error(), "you sent Bearer <secret>") {
			t.Errorf("bearer: %v", a.Err)
		}
	}
	file(t, dir, "secret", []byte("another-secret"))
	if a := basic.Push(t.Context(), []byte("x")); a.RetryAfter.Seconds() != float64(len("uanother-secret")) {
		t.Errorf("basic with another password: %+v", a)
	}
	file(t, dir, "secret", nil)
	says(t, bearer.Push(t.Context(), []byte("x")), "bearer_token_file", "is empty")
	says(t, client(t, HTTP{URL: srv.URL, BearerTokenFile: filepath.Join(dir, "none")}).Push(t.Context(), []byte("x")), "bearer_token_file", "no such file")
	with, err := NewClient(Config{URL: "http://user:in-the-url@" + strings.TrimPrefix(srv.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	if a := with.Push(t.Context(), []byte("x")); a.RetryAfter.Seconds() != float64(len("userin-the-url")) {
		t.Errorf("a user in the url of a flag: %+v", a)
	}
}

func TestTokensOfOAuth2(t *testing.T) {
	var fetched, pushed int
	valid := "token-1"
	answer := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": valid, "token_type": "Bearer", "expires_in": 3600})
	}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched++
		id, secret, _ := r.BasicAuth()
		if id == "" {
			id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
		}
		if id != "agent" || secret != "s3cret" || r.FormValue("scope") != "logs:write" || r.FormValue("audience") != "loki" || r.FormValue("grant_type") != "client_credentials" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"you sent %s"}`, secret)
			return
		}
		answer(w)
	}))
	defer tokens.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pushed++
		if r.Header.Get("Authorization") != "Bearer "+valid {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	secret := file(t, t.TempDir(), "secret", []byte("wrong-secret"))
	c := client(t, HTTP{URL: srv.URL, OAuth2: &OAuth2{
		ClientID: "agent", ClientSecretFile: secret, TokenURL: Address(tokens.URL + "/token"),
		Scopes: []string{"logs:write"}, EndpointParams: map[string]Secret{"audience": "loki"},
	}})
	a := c.Push(t.Context(), []byte("x"))
	if says(t, a, "401 Unauthorized, invalid_client", "check oauth2.client_id"); strings.Contains(a.Err.Error(), "wrong-secret") {
		t.Errorf("it shows the secret: %v", a.Err)
	}
	file(t, filepath.Dir(secret), "secret", []byte("s3cret\n"))
	fetched, pushed = 0, 0
	for range 3 {
		if a := c.Push(t.Context(), []byte("x")); a.Kind != KindDone {
			t.Fatal(a.Err)
		}
	}
	if fetched != 1 || pushed != 3 {
		t.Errorf("%d tokens fetched for %d pushes, want one", fetched, pushed)
	}
	valid = "token-2" // the first one is revoked
	says(t, c.Push(t.Context(), []byte("x")), "401")
	if a := c.Push(t.Context(), []byte("x")); a.Kind != KindDone || fetched != 2 {
		t.Errorf("after a refused token: %v, %d fetched", a.Err, fetched)
	}
}

func TestATokenServerThatMisbehaves(t *testing.T) {
	for _, c := range []struct {
		says   string
		answer http.HandlerFunc
	}{
		{"302 Found", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }},
		{"503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }},
		{"fetch a token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }},
		{"fetch a token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }},
		{"fetch a token", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"access_token": "%s"`, strings.Repeat("x", 2<<20))
		}},
	} {
		tokens := httptest.NewServer(c.answer)
		a := client(t, HTTP{URL: "http://127.0.0.1:1", OAuth2: &OAuth2{ClientID: "a", ClientSecret: "b", TokenURL: Address(tokens.URL)}}).
			Push(t.Context(), []byte("x"))
		says(t, a, c.says)
		if len(a.Err.Error()) > 500 {
			t.Errorf("an error of %d bytes", len(a.Err.Error()))
		}
		tokens.Close()
	}
}
