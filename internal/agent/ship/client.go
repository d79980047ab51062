package ship

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/loki"
)

// Target is where batches go.
type Target interface {
	// Push sends one body, not compressed. It must not keep it.
	Push(ctx context.Context, body []byte) Answer
	// Offsets asks where files stand and how the target wants its metadata. It is
	// asked once before the first push, and again until it answers.
	Offsets(ctx context.Context, ask loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error)
}

// Server is a kind of server.
type Server uint8

// The kinds. Where it is not known the server is asked: one that has no offsets
// (404) is a Loki.
const (
	AnyServer Server = iota
	RemoraServer
	LokiServer
)

// Config of a Client. URL, Tenant, TokenFile and Timeout are short for the same
// options of HTTP and win over them.
type Config struct {
	HTTP      HTTP
	Server    Server
	URL       string // may hold a user and a password
	Tenant    string
	TokenFile string // bearer token
	UserAgent string
	Timeout   time.Duration
	Logger    *slog.Logger // nil means slog.Default
}

// Client is a Remora server, or a Loki, over HTTP.
type Client struct {
	opts    HTTP
	server  Server
	agent   string
	http    *http.Client
	auth    *auth
	push    string
	offsets string
	// The body of the last push, compressed: the same bytes go out again on a retry.
	packed []byte
	of     []byte
}

// NewClient checks the options; it reads no file and does not connect.
func NewClient(conf Config) (*Client, error) {
	o, err := conf.options()
	if err != nil {
		return nil, err
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if conf.Logger == nil {
		conf.Logger = slog.Default()
	}
	base := strings.TrimSuffix(strings.TrimSuffix(o.URL, "/"), pathPush)
	c := &Client{
		opts: o, server: conf.Server, agent: conf.UserAgent, push: base + pathPush, offsets: base + loki.PathOffsets,
		http: newTransport("tls", o.TLS, o.ProxyURL, conf.Logger).client(o.Timeout),
	}
	var tokens *http.Client
	if o.OAuth2 != nil {
		tokens = newTransport("oauth2.tls", o.OAuth2.TLS, o.ProxyURL, conf.Logger).client(o.Timeout)
	}
	c.auth = newAuth(&o, tokens)
	return c, nil
}

const pathPush = "/loki/api/v1/push"

// options puts the short forms into the options.
func (c *Config) options() (HTTP, error) {
	o := c.HTTP
	if c.URL != "" {
		o.URL = c.URL
		u, err := parseHTTP("url", c.URL)
		if err != nil {
			return o, err
		}
		if u.User != nil {
			password, _ := u.User.Password()
			o.BasicAuth = &BasicAuth{Username: u.User.Username(), Password: Secret(password)}
			u.User = nil
			o.URL = u.String()
		}
	}
	if c.Tenant != "" {
		o.Tenant = c.Tenant
	}
	if c.TokenFile != "" {
		o.BearerTokenFile = c.TokenFile
	}
	if c.Timeout > 0 {
		o.Timeout = c.Timeout
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	return o, nil
}

// Backfill says how to deal with lines that come too far behind.
func (c *Client) Backfill() Backfill { return c.opts.Backfill }

// Push implements Target.
func (c *Client) Push(ctx context.Context, body []byte) Answer { return c.pushAs(ctx, "", body) }

func (c *Client) pushAs(ctx context.Context, tenant string, body []byte) Answer {
	if len(c.of) != len(body) || len(body) == 0 || &c.of[0] != &body[0] {
		c.packed = s2.EncodeSnappy(c.packed[:cap(c.packed)], body)
	}
	c.of = body
	resp, err := c.post(ctx, tenant, c.push, "application/x-protobuf", c.packed)
	if err != nil {
		return Answer{Kind: KindRetry, Err: err}
	}
	defer finish(resp)
	return c.answer(resp)
}

// Forget lets go of the last body: the buffer will hold another one.
func (c *Client) Forget() { c.of = nil }

// askAtOnce is how many files and generations one request for offsets names at most.
const askAtOnce = 1000

// Offsets implements Target. A file found by its generations may be in the answer
// several times, as often as they were asked about in different requests.
func (c *Client) Offsets(ctx context.Context, ask loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error) {
	return c.offsetsAs(ctx, "", ask)
}

func (c *Client) offsetsAs(ctx context.Context, tenant string, ask loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error) {
	var all loki.OffsetsResponse
	if c.server == LokiServer {
		return all, parse.Loki, nil
	}
	if len(ask.Files) == 0 {
		ask.Files = []loki.FileID{{}} // only to hear who answers
	}
	for len(ask.Files)+len(ask.Generations) > 0 {
		files, generations := min(askAtOnce, len(ask.Files)), min(askAtOnce, len(ask.Generations))
		got, wire, err := c.ask(ctx, tenant, loki.OffsetsRequest{Files: ask.Files[:files:files], Generations: ask.Generations[:generations]})
		if err != nil || wire == parse.Loki {
			return loki.OffsetsResponse{}, wire, err
		}
		all.Files, all.Found = append(all.Files, got.Files...), append(all.Found, got.Found...)
		ask.Files, ask.Generations = ask.Files[files:], ask.Generations[generations:]
	}
	return all, parse.Remora, nil
}

// offsetsBytes bounds the answer about askAtOnce files.
const offsetsBytes = 16 << 20

func (c *Client) ask(ctx context.Context, tenant string, ask loki.OffsetsRequest) (r loki.OffsetsResponse, wire parse.Wire, err error) {
	if ask.Files == nil {
		ask.Files = []loki.FileID{}
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return r, 0, err
	}
	resp, err := c.post(ctx, tenant, c.offsets, "application/json", body)
	if err != nil {
		return r, 0, err
	}
	defer finish(resp)
	switch {
	case resp.StatusCode == http.StatusNotFound && c.server == AnyServer:
		return r, parse.Loki, nil
	case resp.StatusCode != http.StatusOK:
		return r, 0, c.statusError(resp, readText(resp))
	}
	r, err = readOffsets(resp.Body, &ask)
	return r, parse.Remora, err
}

// readOffsets reads an answer and holds it against what was asked: something else
// may answer in the server's place.
func readOffsets(body io.Reader, ask *loki.OffsetsRequest) (r loki.OffsetsResponse, err error) {
	text, err := io.ReadAll(io.LimitReader(body, offsetsBytes+1))
	switch {
	case err != nil:
		return r, fmt.Errorf("read offsets: %w", err)
	case len(text) > offsetsBytes:
		return r, fmt.Errorf("read offsets: the answer has more than %s", Bytes(offsetsBytes))
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return loki.OffsetsResponse{}, errors.New("read offsets: the answer is not that of a Remora server (check url)")
	}
	if err := checkOffsets(&r, ask); err != nil {
		return loki.OffsetsResponse{}, fmt.Errorf("read offsets: %w (check url)", err)
	}
	return r, nil
}

// No file has so many bytes; sums of a few such numbers still fit.
const farOffset = 1 << 60

func checkOffsets(r *loki.OffsetsResponse, ask *loki.OffsetsRequest) error {
	if len(r.Files) != len(ask.Files) {
		return fmt.Errorf("the server answered %d files of %d", len(r.Files), len(ask.Files))
	}
	for i, f := range r.Files {
		if f.File != ask.Files[i] {
			return fmt.Errorf("the server answered for file %s when asked about %s", f.File, ask.Files[i])
		}
	}
	for _, all := range [][]loki.FileOffsets{r.Files, r.Found} {
		for _, f := range all {
			if f.Committed > farOffset {
				return fmt.Errorf("the server has file %s up to byte %d, which cannot be", f.File, f.Committed)
			}
			for _, g := range f.Generations {
				if g.Base > farOffset || len(g.Fingerprint) > 64 {
					return fmt.Errorf("the server has a generation of file %s that cannot be", f.File)
				}
			}
		}
	}
	return nil
}

func (c *Client) post(ctx context.Context, tenant, to, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", c.agent)
	if tenant = cmp.Or(tenant, c.opts.Tenant); tenant != "" {
		req.Header.Set("X-Scope-OrgID", tenant)
	}
	for name, value := range c.opts.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = string(value)
			continue
		}
		if tenant == "" || !strings.EqualFold(name, "X-Scope-OrgID") {
			req.Header.Set(name, string(value))
		}
	}
	if err := c.auth.sign(req); err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", req.URL.Host, explain(withoutURL(err), "tls", "url"))
	}
	return resp, nil
}

// finish reads what is left, if it is little, so that the connection can be used
// again; else the connection is dropped.
func finish(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	resp.Body.Close()
}

// withoutURL leaves out of an error the URL, which may hold a password.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
