package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// auth puts credentials on requests. Files are read again for each request, so
// that a rotated secret needs no restart.
type auth struct {
	basic      *BasicAuth
	bearer     Secret
	bearerFile string
	oauth      *OAuth2
	http       *http.Client // for tokens

	mu    sync.Mutex
	token *oauth2.Token
	used  string // the last secret put on a request
}

func newAuth(o *HTTP, tokens *http.Client) *auth {
	return &auth{basic: o.BasicAuth, bearer: o.BearerToken, bearerFile: o.BearerTokenFile, oauth: o.OAuth2, http: tokens}
}

// sign adds the credentials, if there are any.
func (a *auth) sign(req *http.Request) error {
	var secret string
	var err error
	switch {
	case a.basic != nil:
		if secret, err = reveal("basic_auth.password_file", a.basic.Password, a.basic.PasswordFile); err == nil {
			req.SetBasicAuth(a.basic.Username, secret)
		}
	case a.bearer != "" || a.bearerFile != "":
		if secret, err = reveal("bearer_token_file", a.bearer, a.bearerFile); err == nil {
			req.Header.Set("Authorization", "Bearer "+secret)
		}
	case a.oauth != nil:
		if secret, err = a.fetched(req.Context()); err == nil {
			req.Header.Set("Authorization", "Bearer "+secret)
		}
	}
	a.mu.Lock()
	a.used = secret
	a.mu.Unlock()
	return err
}

// refused is told that the server did not take the credentials: the next request
// fetches a new token.
func (a *auth) refused() {
	a.mu.Lock()
	a.token = nil
	a.mu.Unlock()
}

// hide takes out of a text what it must not show: servers may repeat a request.
func (a *auth) hide(text string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.used) < 4 {
		return text
	}
	return strings.ReplaceAll(text, a.used, hidden)
}

// secretBytes bounds a file with a secret.
const secretBytes = 64 << 10

// reveal returns the given secret, else what the file holds without space around.
func reveal(name string, given Secret, file string) (string, error) {
	if file == "" {
		return string(given), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, secretBytes))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("%s: %s is empty", name, file)
	}
	return s, nil
}

// fetched returns a token that is valid for some seconds more.
func (a *auth) fetched(ctx context.Context) (string, error) {
	a.mu.Lock()
	t := a.token
	a.mu.Unlock()
	if t.Valid() {
		return t.AccessToken, nil
	}
	secret, err := reveal("oauth2.client_secret_file", a.oauth.ClientSecret, a.oauth.ClientSecretFile)
	if err != nil {
		return "", err
	}
	conf := clientcredentials.Config{
		ClientID: a.oauth.ClientID, ClientSecret: secret, TokenURL: string(a.oauth.TokenURL),
		Scopes: a.oauth.Scopes, EndpointParams: url.Values{},
	}
	for name, v := range a.oauth.EndpointParams {
		conf.EndpointParams.Set(name, string(v))
	}
	t, err = conf.Token(context.WithValue(ctx, oauth2.HTTPClient, a.http))
	if err != nil {
		return "", a.tokenError(err)
	}
	a.mu.Lock()
	a.token = t
	a.mu.Unlock()
	return t.AccessToken, nil
}

// tokenError says why there is no token, without what the token server wrote: it
// may repeat the request.
func (a *auth) tokenError(err error) error {
	host := "the token server"
	if u, parseErr := url.Parse(string(a.oauth.TokenURL)); parseErr == nil {
		host = u.Host
	}
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) || answer.Response == nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			return fmt.Errorf("fetch a token from %s: %w", host, explain(ue.Err, "oauth2.tls", "oauth2.token_url"))
		}
		return fmt.Errorf("fetch a token from %s: its answer holds no token (check oauth2.token_url)", host)
	}
	code := answer.Response.StatusCode
	what := fmt.Sprintf("%d %s", code, http.StatusText(code))
	switch answer.ErrorCode {
	case "invalid_client", "invalid_request", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		what += ", " + answer.ErrorCode
	}
	return fmt.Errorf("fetch a token from %s: it answered %s (check oauth2.client_id, its secret and oauth2.token_url)", host, what)
}
