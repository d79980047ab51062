package ship

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// HTTP says where and how to push over HTTP. Its zero value lacks nothing but URL.
// Docs describes each option.
type HTTP struct {
	URL    string `yaml:"url"`
	Tenant string `yaml:"tenant"`
	// TenantFrom names the label or metadata that tells the tenant of a line.
	TenantFrom string `yaml:"tenant_from"`

	BasicAuth       *BasicAuth        `yaml:"basic_auth"`
	BearerToken     Secret            `yaml:"bearer_token"`
	BearerTokenFile string            `yaml:"bearer_token_file"`
	OAuth2          *OAuth2           `yaml:"oauth2"`
	TLS             *TLS              `yaml:"tls"`
	Headers         map[string]Secret `yaml:"headers"`
	ProxyURL        Address           `yaml:"proxy_url"`
	Timeout         time.Duration     `yaml:"timeout"`

	Batch    Batch    `yaml:"batch"`
	Backoff  Backoff  `yaml:"backoff"`
	Backfill Backfill `yaml:"backfill"`
}

// BasicAuth is a name with a password, given or in a file.
type BasicAuth struct {
	Username     string `yaml:"username"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
}

// OAuth2 fetches tokens by the client credentials grant.
type OAuth2 struct {
	ClientID         string            `yaml:"client_id"`
	ClientSecret     Secret            `yaml:"client_secret"`
	ClientSecretFile string            `yaml:"client_secret_file"`
	TokenURL         Address           `yaml:"token_url"`
	Scopes           []string          `yaml:"scopes"`
	EndpointParams   map[string]Secret `yaml:"endpoint_params"`
	TLS              *TLS              `yaml:"tls"`
}

// TLS is how to know a server and to be known by it.
type TLS struct {
	CAFile             string `yaml:"ca_file"`
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// Batch bounds a push. The engine reads it: 0 means its own default.
type Batch struct {
	Bytes Bytes         `yaml:"bytes"`
	Wait  time.Duration `yaml:"wait"`
}

// Backoff bounds the wait between two attempts. The engine reads it: 0 means its
// own default.
type Backoff struct {
	Min time.Duration `yaml:"min"`
	Max time.Duration `yaml:"max"`
}

// Backfill says what to do with lines that a Loki would refuse as too far behind;
// see the package's documentation.
type Backfill struct {
	Disabled bool          `yaml:"disabled"`
	Window   time.Duration `yaml:"window"` // 0 means an hour
	Label    string        `yaml:"label"`  // "" means backfill
}

// Limits of options.
const (
	minBatch = 4 << 10
	maxBatch = 16 << 20
	maxWait  = time.Hour
)

// Validate names all that is wrong with the options, each by its name. It looks at
// no file and connects to nowhere.
func (o *HTTP) Validate() error {
	errs := []error{checkServer("url", o.URL)}
	if strings.ContainsAny(o.Tenant, "\r\n\x00/") {
		errs = append(errs, fmt.Errorf("tenant %q is not a tenant's name: leave out /, line ends and NUL", o.Tenant))
	}
	if o.TenantFrom != "" && !logs.ValidName(o.TenantFrom) {
		errs = append(errs, fmt.Errorf("tenant_from %q is not the name of a label or of metadata: letters, digits and _, no digit first", o.TenantFrom))
	}
	errs = append(errs, o.checkAuth(), o.checkHeaders(), o.TLS.check("tls"), o.checkProxy(),
		between("timeout", o.Timeout, time.Second, maxWait),
		between("batch.wait", o.Batch.Wait, time.Millisecond, maxWait),
		between("backoff.min", o.Backoff.Min, time.Millisecond, maxWait),
		between("backoff.max", o.Backoff.Max, time.Millisecond, maxWait),
		o.Backfill.check())
	if n := o.Batch.Bytes; n != 0 && (n < minBatch || n > maxBatch) {
		errs = append(errs, fmt.Errorf("batch.bytes is %s: give one from 4KiB to 16MiB", n))
	}
	if b := o.Backoff; b.Max != 0 && b.Min > b.Max {
		errs = append(errs, fmt.Errorf("backoff.min is %s, more than backoff.max, which is %s", b.Min, b.Max))
	}
	return errors.Join(errs...)
}

func between(name string, v, least, most time.Duration) error {
	if v == 0 || least <= v && v <= most {
		return nil
	}
	return fmt.Errorf("%s is %s: give a time from %s to %s", name, v, least, most)
}

func checkServer(name, text string) error {
	if text == "" {
		return fmt.Errorf("%s is missing: give http://HOST:PORT of the server", name)
	}
	u, err := parseHTTP(name, text)
	switch {
	case err != nil:
		return err
	case u.User != nil:
		return fmt.Errorf("%s %s has a user in it: give it as basic_auth", name, Address(text))
	}
	return nil
}

// parseHTTP parses the URL of a server: a scheme, a host and perhaps a path.
func parseHTTP(name, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a URL: %w", name, withoutURL(err))
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("%s %q is not http://HOST:PORT or https://HOST:PORT", name, Address(text).String())
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, fmt.Errorf("%s %q must not have a query", name, Address(text).String())
	}
	return u, nil
}

func (o *HTTP) checkAuth() error {
	var named []string
	for name, is := range map[string]bool{
		"basic_auth": o.BasicAuth != nil, "bearer_token": o.BearerToken != "", "bearer_token_file": o.BearerTokenFile != "",
		"oauth2": o.OAuth2 != nil, "headers.Authorization": o.header("Authorization"),
	} {
		if is {
			named = append(named, name)
		}
	}
	var errs []error
	slices.Sort(named)
	if len(named) > 1 {
		errs = append(errs, fmt.Errorf("%s are given: one of them is enough", listed(named)))
	}
	if b := o.BasicAuth; b != nil {
		errs = append(errs, oneOf("basic_auth.password", b.Password, b.PasswordFile))
		if b.Username == "" {
			errs = append(errs, errors.New("basic_auth.username is missing"))
		}
	}
	if a := o.OAuth2; a != nil {
		errs = append(errs, a.check())
	}
	return errors.Join(errs...)
}

func (a *OAuth2) check() error {
	errs := []error{oneOf("oauth2.client_secret", a.ClientSecret, a.ClientSecretFile), a.TLS.check("oauth2.tls")}
	if a.ClientID == "" {
		errs = append(errs, errors.New("oauth2.client_id is missing"))
	}
	if a.TokenURL == "" {
		errs = append(errs, errors.New("oauth2.token_url is missing: give the URL that hands out tokens"))
	} else if u, err := url.Parse(string(a.TokenURL)); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		errs = append(errs, fmt.Errorf("oauth2.token_url %q is not http://… or https://…", a.TokenURL.String()))
	}
	return errors.Join(errs...)
}

func oneOf(name string, given Secret, file string) error {
	switch {
	case given == "" && file == "":
		return fmt.Errorf("%s is missing: give it or %s_file", name, name)
	case given != "" && file != "":
		return fmt.Errorf("%s and %s_file are given: one of them is enough", name, name)
	}
	return nil
}

func (t *TLS) check(name string) error {
	if t == nil || (t.CertFile == "") == (t.KeyFile == "") {
		return nil
	}
	given, missing := "cert_file", "key_file"
	if t.CertFile == "" {
		given, missing = missing, given
	}
	return fmt.Errorf("%s.%s is given without %s.%s: a client certificate needs both", name, given, name, missing)
}

// reserved are the headers that the client sets itself, and what to give instead.
var reserved = map[string]string{
	"content-type": "", "content-length": "", "content-encoding": "", "transfer-encoding": "", "connection": "",
	"user-agent": "", "proxy-authorization": "proxy_url",
}

func (o *HTTP) checkHeaders() error {
	var errs []error
	for name, value := range o.Headers {
		lower := strings.ToLower(name)
		instead, own := reserved[lower]
		switch {
		case !token(name):
			errs = append(errs, fmt.Errorf("headers: %q is not a header's name", name))
		case strings.ContainsFunc(string(value), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			errs = append(errs, fmt.Errorf("headers.%s has a control character in its value", name))
		case instead != "":
			errs = append(errs, fmt.Errorf("headers.%s cannot be given: use %s", name, instead))
		case own:
			errs = append(errs, fmt.Errorf("headers.%s cannot be given: the agent sets it", name))
		case lower == "x-scope-orgid" && o.Tenant+o.TenantFrom != "":
			errs = append(errs, fmt.Errorf("headers.%s and tenant or tenant_from are given: one of them is enough", name))
		}
	}
	return errors.Join(errs...)
}

func (o *HTTP) header(name string) bool {
	for h := range o.Headers {
		if strings.EqualFold(h, name) {
			return true
		}
	}
	return false
}

// token reports whether s may be the name of a header (RFC 9110, 5.6.2).
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func (o *HTTP) checkProxy() error {
	if o.ProxyURL == "" {
		return nil
	}
	u, err := url.Parse(string(o.ProxyURL))
	if err != nil {
		return fmt.Errorf("proxy_url is not a URL: %w", withoutURL(err))
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		if u.Hostname() != "" {
			return nil
		}
	}
	return fmt.Errorf("proxy_url %q is not http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT", o.ProxyURL.String())
}
