package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// LoadTLS reads a certificate and its key, and reads them again when the files
// change. Files that cannot be read then are told once, and the old certificate
// goes on.
func LoadTLS(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"http/1.1"}}, nil
}

// certificate is one that is kept up to date with its files.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	stamp  [2]fileStamp // of the files that were last looked at
}

type fileStamp struct {
	modified time.Time
	size     int64
}

func stampOf(path string) (s fileStamp) {
	if info, err := os.Stat(path); err == nil {
		s = fileStamp{info.ModTime(), info.Size()}
	}
	return s
}

func (c *certificate) load() error {
	c.stamp = [2]fileStamp{stampOf(c.certFile), stampOf(c.keyFile)}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err == nil {
		c.loaded = &pair
	}
	return err
}

// get is asked at each handshake.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := [2]fileStamp{stampOf(c.certFile), stampOf(c.keyFile)}; now != c.stamp {
		if err := c.load(); err != nil {
			c.log.Error("the new certificate cannot be read: the old one goes on", "file", c.certFile, "error", err)
		} else {
			c.log.Info("certificate read again", "file", c.certFile)
		}
	}
	return c.loaded, nil
}
