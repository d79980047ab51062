package ship

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// transport is an http.RoundTripper whose certificates are those in the files,
// also after the files change.
type transport struct {
	tls   *TLS
	name  string // of the block of options
	proxy func(*http.Request) (*url.URL, error)
	log   *slog.Logger

	mu     sync.Mutex
	cur    *http.Transport
	loaded [3]stamp // of the files when cur was made
	told   [3]stamp // of those that could not be loaded
}

// stamp tells one content of a file from another.
type stamp struct {
	size int64
	at   time.Time
	of   os.FileInfo
}

func (s stamp) same(o stamp) bool {
	return s.size == o.size && s.at.Equal(o.at) && (s.of == nil) == (o.of == nil) && (s.of == nil || os.SameFile(s.of, o.of))
}

// headerBytes bounds the headers of an answer.
const headerBytes = 64 << 10

func newTransport(name string, conf *TLS, proxy Address, log *slog.Logger) *transport {
	if conf == nil {
		conf = &TLS{}
	}
	t := &transport{tls: conf, name: name, proxy: http.ProxyFromEnvironment, log: log}
	if proxy != "" {
		u, err := url.Parse(string(proxy))
		t.proxy = func(*http.Request) (*url.URL, error) { return u, err }
	}
	return t
}

// client is an HTTP client that follows no redirects.
func (t *transport) client(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: t, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	now, err := t.current()
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return now.RoundTrip(req)
}

// current is the transport with the certificates that the files hold. While they
// cannot be loaded those of before count.
func (t *transport) current() (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.stamps()
	if t.cur != nil && same(now, t.loaded) {
		return t.cur, nil
	}
	conf, err := t.load()
	switch {
	case err == nil:
	case t.cur == nil:
		return nil, err
	default:
		if !same(now, t.told) {
			t.told = now
			t.log.Error("changed certificates cannot be loaded, going on with those of before", "error", err)
		}
		return t.cur, nil
	}
	if t.cur != nil {
		t.cur.CloseIdleConnections()
	}
	t.cur, t.loaded = t.make(conf), now
	return t.cur, nil
}

func (t *transport) make(conf *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:           t.proxy,
		DialContext:     (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig: conf, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second,
		DisableCompression: true, MaxResponseHeaderBytes: headerBytes,
		ReadBufferSize: 4 << 10, WriteBufferSize: 32 << 10,
		// HTTP/2 is left out: one ordered sender gains nothing by it.
	}
}

func (t *transport) stamps() (all [3]stamp) {
	for i, file := range []string{t.tls.CAFile, t.tls.CertFile, t.tls.KeyFile} {
		if file == "" {
			continue
		}
		if st, err := os.Stat(file); err == nil {
			all[i] = stamp{size: st.Size(), at: st.ModTime(), of: st}
		}
	}
	return all
}

func same(a, b [3]stamp) bool {
	for i := range a {
		if !a[i].same(b[i]) {
			return false
		}
	}
	return true
}

func (t *transport) load() (*tls.Config, error) {
	conf := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: t.tls.ServerName,
		InsecureSkipVerify: t.tls.InsecureSkipVerify, //nolint:gosec // asked for by name
	}
	if file := t.tls.CAFile; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s.ca_file: %w", t.name, err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s.ca_file: %s holds no certificate in PEM", t.name, file)
		}
	}
	if t.tls.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.tls.CertFile, t.tls.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%s.cert_file and %s.key_file: %w", t.name, t.name, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// explain says what to do about an error of the connection. block and address are
// the names of the options.
func explain(err error, block, address string) error {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%s (give its authority's certificate as %s.ca_file)", certificate(err, "is signed by an authority that is not known"), block)
	case errors.As(err, &host):
		return fmt.Errorf("%s (name the server so in %s, or set %s.server_name)", certificate(err, "is for "+names(host.Certificate)+", not for "+short(host.Host)), address, block)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%s (renew it, or check this machine's clock)", certificate(err, "has expired or is not valid yet"))
	case errors.As(err, &invalid):
		return fmt.Errorf("%s (the server needs another certificate)", certificate(err, "cannot be used: "+short(invalid.Error())))
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("the server speaks no TLS (use http:// in %s)", address)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("the server does not take the client's certificate, or none was given: %w (check %s.cert_file and %s.key_file)", op.Err, block, block)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer in time: %w", err)
	default:
		return err
	}
}

// certificate names the certificate that an error is about.
func certificate(err error, what string) string {
	var v *tls.CertificateVerificationError
	if !errors.As(err, &v) || len(v.UnverifiedCertificates) == 0 {
		return "the server's certificate " + what
	}
	c := v.UnverifiedCertificates[0]
	return fmt.Sprintf("the server's certificate %q of %q, valid from %s to %s, %s", short(c.Subject.String()), short(c.Issuer.String()),
		c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), what)
}

// names are those that a certificate is for.
func names(c *x509.Certificate) string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name"
	}
	return short(strings.Join(all, ", "))
}

// short bounds a text that comes from a server.
func short(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "?") }
