// Package client speaks Loki's HTTP API, and Remora's few additions to it, to a
// server. It decides nothing about retries: a caller sees the status and the
// server's own words and acts on them.
//
// Invariant: no answer is read beyond Config.MaxResponse bytes, and every error
// is an *UnreachableError, a *StatusError, a *RefusedError, a *TooLargeError,
// the context's, or says that the answer makes no sense.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultAddr is where `remora up` and `remora server` listen.
const DefaultAddr = "http://127.0.0.1:3100"

// Config says which server to ask and as whom. Only Addr is needed.
type Config struct {
	Addr      string // http://HOST:PORT or HOST:PORT, with an optional path prefix
	Tenant    string // sent as X-Scope-OrgID; "" sends none
	Token     string // sent as a bearer token; "" sends none
	UserAgent string
	// MaxResponse bounds the decompressed bytes of one answer; 0 means 512 MiB.
	MaxResponse int64
	// HTTP sends all requests; nil means a client of our own.
	HTTP *http.Client
}

// Client asks one server. It may be used from several goroutines.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// New checks the address and returns a client; it does not connect.
func New(cfg Config) (*Client, error) {
	base, err := ParseAddr(cfg.Addr)
	if err != nil {
		return nil, err
	}
	if cfg.MaxResponse == 0 {
		cfg.MaxResponse = 512 << 20
	}
	c := &Client{cfg: cfg, base: base, http: cfg.HTTP}
	if c.http == nil {
		c.http = &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			MaxIdleConnsPerHost:   4,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
			ForceAttemptHTTP2:     true,
		}}
	}
	return c, nil
}

// ParseAddr reads a server's address: a URL, or HOST:PORT for plain HTTP.
func ParseAddr(addr string) (*url.URL, error) {
	if addr == "" {
		addr = DefaultAddr
	}
	full := addr
	if !strings.Contains(addr, "://") {
		full = "http://" + addr
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		return nil, fmt.Errorf("server address %q is not a URL such as %s", addr, DefaultAddr)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("server address %q begins with %s://, want http:// or https://", addr, u.Scheme)
	case u.Host == "":
		return nil, fmt.Errorf("server address %q names no host, want one like %s", addr, DefaultAddr)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("server address %q holds more than host, port and path", addr)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// Addr is the server's address as a user would type it.
func (c *Client) Addr() string { return c.base.String() }

func (c *Client) url(path string, params url.Values) *url.URL {
	u := *c.base
	u.Path += path
	u.RawQuery = params.Encode()
	return &u
}

func (c *Client) header(h http.Header) {
	if c.cfg.Tenant != "" {
		h.Set("X-Scope-OrgID", c.cfg.Tenant)
	}
	if c.cfg.Token != "" {
		h.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	if c.cfg.UserAgent != "" {
		h.Set("User-Agent", c.cfg.UserAgent)
	}
}

// do sends one request and returns the whole body of a 2xx answer.
func (c *Client) do(ctx context.Context, method string, u *url.URL, contentType string, body []byte) ([]byte, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return nil, err
	}
	c.header(req.Header)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	// Asks for labels by where they come from; other calls ignore it.
	req.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxResponse+1))
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	if int64(len(answer)) > c.cfg.MaxResponse {
		return nil, &TooLargeError{Limit: c.cfg.MaxResponse}
	}
	if resp.StatusCode/100 != 2 {
		return nil, statusError(resp, u, answer)
	}
	return answer, nil
}

// getJSON asks with GET, or with a POST form where the query is too long for a
// request line, and decodes the answer into v.
func (c *Client) getJSON(ctx context.Context, path string, params url.Values, v any) error {
	var answer []byte
	var err error
	if encoded := params.Encode(); len(encoded) > 4096 {
		answer, err = c.do(ctx, http.MethodPost, c.url(path, nil), "application/x-www-form-urlencoded", []byte(encoded))
	} else {
		answer, err = c.do(ctx, http.MethodGet, c.url(path, params), "", nil)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("answer of %s to %s makes no sense (is it a Remora or Loki server?): %w", c.Addr(), path, err)
	}
	return nil
}

// transportError names the server in an error of the connection.
func (c *Client) transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var op *net.OpError
	if errors.As(err, &op) { // the address is named already
		err = op.Err
	}
	return &UnreachableError{Addr: c.Addr(), Err: err}
}

func statusError(resp *http.Response, u *url.URL, body []byte) error {
	e := &StatusError{Status: resp.StatusCode, Path: u.Path, Message: strings.TrimSpace(string(body))}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" {
		e.Message = http.StatusText(resp.StatusCode) // a proxy's page, not our server's words
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	if len(e.Message) > 4096 {
		e.Message = e.Message[:4096] + "…"
	}
	return e
}

// StatusError is an answer other than 2xx, with the server's own words.
type StatusError struct {
	Status     int
	Path       string
	Message    string
	RetryAfter time.Duration // 0 where the server named none
}

func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("server answered %d %s to %s", e.Status, http.StatusText(e.Status), e.Path)
	}
	return e.Message
}

// Temporary reports whether the same request may succeed later.
func (e *StatusError) Temporary() bool {
	return e.Status == http.StatusTooManyRequests || e.Status/100 == 5
}

// UnreachableError says that no answer came from the server.
type UnreachableError struct {
	Addr string
	Err  error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("no answer from %s: %v", e.Addr, e.Err) }
func (e *UnreachableError) Unwrap() error { return e.Err }

// TooLargeError says that an answer was cut off.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("answer is larger than %d MiB", e.Limit>>20)
}
