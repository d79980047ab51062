package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keys are the cluster's certificates and tokens, in a directory.
type keys struct{ dir string }

func (k keys) path(name string) string { return filepath.Join(k.dir, name) }

// users are those who have a token, with their groups.
var users = map[string]string{
	"admin":                          "system:masters",
	"system:kube-controller-manager": "",
	"system:kube-scheduler":          "",
	"system:kube-proxy":              "",
	"system:coredns":                 "system:masters",
	"system:node:n1":                 "system:nodes",
	"system:node:n2":                 "system:nodes",
	"system:node:n3":                 "system:nodes",
}

// ensure makes all keys unless they are there.
func (k keys) ensure() error {
	if _, err := os.Stat(k.path("done")); err == nil {
		return nil
	}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return err
	}
	serviceAccounts, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if err := k.write("sa.key", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(serviceAccounts)); err != nil {
		return err
	}
	authority, err := k.authority()
	if err != nil {
		return err
	}
	hosts := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}
	addresses := []net.IP{net.ParseIP("10.96.0.1"), net.ParseIP(gateway), net.ParseIP("127.0.0.1")}
	for _, c := range []struct {
		name    string
		subject pkix.Name
	}{
		{"apiserver", pkix.Name{CommonName: "kube-apiserver"}},
		{"kubelet-client", pkix.Name{CommonName: "apiserver", Organization: []string{"system:masters"}}},
		{"front-proxy", pkix.Name{CommonName: "front-proxy"}},
	} {
		if err := authority.sign(k, c.name, c.subject, hosts, addresses); err != nil {
			return err
		}
	}
	if err := k.tokens(); err != nil {
		return err
	}
	return os.WriteFile(k.path("done"), nil, 0o600)
}

func (k keys) write(name, kind string, der []byte) error {
	return os.WriteFile(k.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func (k keys) tokens() error {
	var lines strings.Builder
	for user, groups := range users {
		token := make([]byte, 16)
		if _, err := rand.Read(token); err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s,%s,%s,%q\n", hex.EncodeToString(token), user, user, groups)
	}
	return os.WriteFile(k.path("tokens.csv"), []byte(lines.String()), 0o600)
}

// kubeconfig writes how a user reaches the API server.
func (k keys) kubeconfig(to, user string) error {
	text, err := os.ReadFile(k.path("tokens.csv"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(line, ",")
		if len(fields) < 2 || fields[1] != user {
			continue
		}
		config := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: remora, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: me, user: {token: %q}}]
contexts: [{name: remora, context: {cluster: remora, user: me}}]
current-context: remora
`, apiURL, k.path("ca.crt"), fields[0])
		return os.WriteFile(to, []byte(config), 0o600)
	}
	return fmt.Errorf("%s has no token", user)
}

type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	next int64
}

func (k keys) authority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, next: 2, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "remora-test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}}
	return a, a.save(k, "ca", a.cert, key)
}

func (a *authority) sign(k keys, name string, subject pkix.Name, hosts []string, addresses []net.IP) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: subject, DNSNames: hosts, IPAddresses: addresses,
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	a.next++
	return a.save(k, name, c, key)
}

func (a *authority) save(k keys, name string, c *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	if err := k.write(name+".crt", "CERTIFICATE", der); err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return k.write(name+".key", "EC PRIVATE KEY", private)
}
