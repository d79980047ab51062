package ship

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

var serial atomic.Int64

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key, a.pem, _ = a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

func (a *authority) issue(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(serial.Add(1))
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return parsed, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

func (a *authority) leaf(name string, until time.Time) (cert, key []byte) {
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	_, _, cert, key = a.issue(c)
	return cert, key
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// secure starts a server with a certificate; with clients it wants one of theirs.
func secure(t *testing.T, cert, key []byte, clients *authority) *httptest.Server {
	t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			w.Header().Set("Retry-After", r.TLS.PeerCertificates[0].SerialNumber.String())
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		srv.TLS.ClientAuth, srv.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients.pool()
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func file(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func client(t *testing.T, o HTTP) *Client {
	t.Helper()
	c, err := NewClient(Config{HTTP: o, UserAgent: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says fails unless the answer is to send again, for a reason that says all words.
func says(t *testing.T, a Answer, words ...string) {
	t.Helper()
	for _, w := range words {
		if a.Kind != KindRetry || a.Err == nil || !strings.Contains(a.Err.Error(), w) {
			t.Errorf("got %v: %v\nwant %q in it", a.Kind, a.Err, w)
		}
	}
}

func TestCertificatesThatDoNotFitAreNamedWithTheWayOut(t *testing.T) {
	dir := t.TempDir()
	good, other := newAuthority(t, "good authority"), newAuthority(t, "other authority")
	ca := file(t, dir, "ca.pem", good.pem)
	until := time.Now().Add(time.Hour)
	cert, key := good.leaf("127.0.0.1", until)
	srv := secure(t, cert, key, nil)
	push := func(o HTTP) Answer {
		if o.URL == "" {
			o.URL = srv.URL
		}
		return client(t, o).Push(t.Context(), []byte("x"))
	}
	if a := push(HTTP{TLS: &TLS{CAFile: ca}}); a.Kind != KindDone {
		t.Errorf("with its authority: %v", a.Err)
	}
	if a := push(HTTP{TLS: &TLS{InsecureSkipVerify: true}}); a.Kind != KindDone {
		t.Errorf("with no check: %v", a.Err)
	}
	says(t, push(HTTP{}), `certificate "CN=127.0.0.1" of "CN=good authority"`, "signed by an authority that is not known", "tls.ca_file")
	says(t, push(HTTP{TLS: &TLS{CAFile: file(t, dir, "other.pem", other.pem)}}), "tls.ca_file")
	says(t, push(HTTP{TLS: &TLS{CAFile: ca, ServerName: "loki.internal"}}), "is for 127.0.0.1, not for loki.internal", "tls.server_name")
	says(t, push(HTTP{TLS: &TLS{CAFile: filepath.Join(dir, "none.pem")}}), "tls.ca_file", "no such file")
	says(t, push(HTTP{TLS: &TLS{CAFile: file(t, dir, "junk.pem", []byte("junk"))}}), "holds no certificate")
	says(t, push(HTTP{TLS: &TLS{CAFile: ca, CertFile: ca, KeyFile: ca}}), "tls.cert_file and tls.key_file")
	says(t, push(HTTP{URL: strings.Replace(srv.URL, "https", "http", 1)}), "use https://")

	cert, key = good.leaf("127.0.0.1", time.Now().Add(-time.Hour))
	old := secure(t, cert, key, nil)
	says(t, push(HTTP{URL: old.URL, TLS: &TLS{CAFile: ca}}), "has expired or is not valid yet", "clock")

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	says(t, push(HTTP{URL: strings.Replace(plain.URL, "http", "https", 1)}), "speaks no TLS", "use http://")

	cert, key = good.leaf("127.0.0.1", until)
	both := secure(t, cert, key, good)
	says(t, push(HTTP{URL: both.URL, TLS: &TLS{CAFile: ca}}), "does not take the client's certificate", "tls.cert_file")
}

func TestCertificatesAreReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	until := time.Now().Add(time.Hour)
	cert, key := second.leaf("127.0.0.1", until)
	srv := secure(t, cert, key, second)
	write := func(a *authority) {
		file(t, dir, "ca.pem", a.pem)
		cert, key := a.leaf("agent", until)
		file(t, dir, "cert.pem", cert)
		file(t, dir, "key.pem", key)
	}
	write(first)
	c := client(t, HTTP{URL: srv.URL, TLS: &TLS{
		CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"),
	}})
	says(t, c.Push(t.Context(), []byte("x")), "not known")
	write(second)
	a := c.Push(t.Context(), []byte("x"))
	if a.Status != http.StatusTooManyRequests {
		t.Fatalf("with the new files: %v", a.Err)
	}
	// A rotation that is half done does not stop what works.
	file(t, dir, "key.pem", []byte("half"))
	if b := c.Push(t.Context(), []byte("x")); b.RetryAfter != a.RetryAfter {
		t.Errorf("while a file is broken: %v", b.Err)
	}
	write(second)
	if b := c.Push(t.Context(), []byte("x")); b.Status != http.StatusTooManyRequests || b.RetryAfter == a.RetryAfter {
		t.Errorf("the new client certificate was not shown: %+v", b)
	}
}

func TestAProxyIsUsed(t *testing.T) {
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String() + " " + r.Header.Get("Proxy-Authorization"))
		w.WriteHeader(http.StatusNoContent)
	}))
	defer proxy.Close()
	at, _ := url.Parse(proxy.URL)
	at.User = url.UserPassword("u", "hunter2")
	if a := client(t, HTTP{URL: "http://remora.invalid:3100", ProxyURL: Address(at.String())}).Push(t.Context(), []byte("x")); a.Kind != KindDone {
		t.Fatal(a.Err)
	}
	if got := asked.Load().(string); !strings.HasPrefix(got, "http://remora.invalid:3100/loki/api/v1/push Basic ") {
		t.Errorf("the proxy was asked for %q", got)
	}
	proxy.Close()
	a := client(t, HTTP{URL: "http://remora.invalid:3100", ProxyURL: Address(at.String())}).Push(t.Context(), []byte("x"))
	if says(t, a, "reach remora.invalid:3100"); strings.Contains(a.Err.Error(), "hunter2") {
		t.Errorf("it shows the proxy's password: %v", a.Err)
	}
}

// TestTheProxyOfTheEnvironmentIsUsed runs this test in a process of its own, as
// the environment is read once.
func TestTheProxyOfTheEnvironmentIsUsed(t *testing.T) {
	if os.Getenv("SHIP_TEST_CHILD") != "" {
		a := client(t, HTTP{URL: "http://remora.invalid:3100"}).Push(t.Context(), []byte("x"))
		fmt.Printf("status=%d\n", a.Status)
		return
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "remora.invalid:3100" {
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	defer proxy.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheProxyOfTheEnvironmentIsUsed$")
	cmd.Env = append(os.Environ(), "SHIP_TEST_CHILD=1", "HTTP_PROXY="+proxy.URL, "NO_PROXY=")
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("status=204")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAServerThatDoesNotAnswerTimesOut(t *testing.T) {
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Header.Get("X-Slow") == "body" {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.(http.Flusher).Flush()
		}
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(stop)
	for _, slow := range []Secret{"headers", "body"} {
		c := client(t, HTTP{URL: srv.URL, Headers: map[string]Secret{"X-Slow": slow}})
		c.http.Timeout = 50 * time.Millisecond
		if a := c.Push(context.Background(), []byte("x")); a.Kind != KindRetry || a.Err == nil {
			t.Errorf("slow %q: %+v", string(slow), a)
		}
	}
}
