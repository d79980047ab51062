// Package ship brings batches to where they are kept and says what became of
// each file's part.
//
// Invariant: a batch that was not answered is sent again, the same bytes, until
// it is; nothing is dropped while the server is away. What a server refuses for
// good is written to a dead letter and counted.
package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/loki"
)

// Answer is what a target says to one push.
type Answer struct {
	Kind       Kind
	Refused    []loki.FileOffset // of KindRefused: the other files are done
	RetryAfter time.Duration
	Err        error // why, for all but KindDone and KindRefused
}

// Kind is a sort of answer.
type Kind uint8

// The kinds.
const (
	KindDone    Kind = iota
	KindRefused      // some files must go on from elsewhere (409)
	KindRetry        // not known whether it arrived, or not now: send the same bytes again
	KindReject       // these bytes will never be taken (400, 413, …)
)

// Target is where batches go.
type Target interface {
	// Push sends one body, not compressed. It must not keep it.
	Push(ctx context.Context, body []byte) Answer
	// Offsets asks where files stand and how the target wants its metadata. It is
	// asked once before the first push, and again until it answers.
	Offsets(ctx context.Context, ask loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error)
}

// Config of a Client.
type Config struct {
	URL       string // of the server: scheme, host, port, perhaps a path before Loki's
	Tenant    string // X-Scope-OrgID; "" sends none
	TokenFile string // bearer token, read again for each request
	UserAgent string
	Timeout   time.Duration // for one request; 0 means 30 s
}

// Client is a Remora server, or a Loki, over HTTP.
type Client struct {
	conf    Config
	http    *http.Client
	push    string
	offsets string
	// The body of the last push, compressed: the same bytes go out again on a retry.
	packed []byte
	of     []byte
}

// NewClient checks the URL; it does not connect.
func NewClient(conf Config) (*Client, error) {
	u, err := url.Parse(conf.URL)
	if err != nil {
		return nil, fmt.Errorf("url %q: %w", conf.URL, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("url %q is not http://HOST:PORT or https://HOST:PORT", u.Redacted())
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("url %q must not have a query", u.Redacted())
	}
	base := strings.TrimSuffix(strings.TrimSuffix(u.String(), "/"), pathPush)
	if conf.Timeout <= 0 {
		conf.Timeout = 30 * time.Second
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.DisableCompression = 2, true
	t.ReadBufferSize, t.WriteBufferSize = 4<<10, 32<<10
	t.ForceAttemptHTTP2 = false // one ordered sender gains nothing by it
	return &Client{
		conf: conf, http: &http.Client{Transport: t, Timeout: conf.Timeout},
		push: base + pathPush, offsets: base + loki.PathOffsets,
	}, nil
}

const pathPush = "/loki/api/v1/push"

// Push implements Target.
func (c *Client) Push(ctx context.Context, body []byte) Answer {
	if len(c.of) != len(body) || len(body) == 0 || &c.of[0] != &body[0] {
		c.packed = s2.EncodeSnappy(c.packed[:cap(c.packed)], body)
	}
	c.of = body
	resp, err := c.post(ctx, c.push, "application/x-protobuf", c.packed)
	if err != nil {
		return Answer{Kind: KindRetry, Err: err}
	}
	defer finish(resp)
	return answer(resp)
}

// Forget lets go of the last body: the buffer will hold another one.
func (c *Client) Forget() { c.of = nil }

func answer(resp *http.Response) Answer {
	code := resp.StatusCode
	if code/100 == 2 {
		return Answer{Kind: KindDone}
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if code == http.StatusConflict {
		var r loki.Refused
		if err := json.Unmarshal(text, &r); err == nil && len(r.Files) > 0 {
			return Answer{Kind: KindRefused, Refused: r.Files}
		}
	}
	err := &StatusError{Code: code, Text: firstLine(text)}
	switch code {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType:
		return Answer{Kind: KindReject, Err: err}
	default:
		// Also 401, 403 and 404: somebody has to mend the token or the URL, and
		// nothing may be lost until then.
		return Answer{Kind: KindRetry, Err: err, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), wall.Now())}
	}
}

// StatusError is an answer other than 2xx.
type StatusError struct {
	Code int
	Text string
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the server answered %d %s", e.Code, http.StatusText(e.Code))
	if e.Text != "" {
		s += ": " + e.Text
	}
	switch e.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		s += " (check --token-file and --tenant)"
	case http.StatusNotFound:
		s += " (check --url)"
	}
	return s
}

func firstLine(b []byte) string {
	s, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return strings.ToValidUTF8(s[:min(len(s), 300)], "?")
}

func retryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, time.Hour)
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return min(t.Sub(now), time.Hour)
	}
	return 0
}

// askAtOnce is how many files and generations one request for offsets names at most.
const askAtOnce = 1000

// Offsets implements Target. A file found by its generations may be in the answer
// several times, as often as they were asked about in different requests.
func (c *Client) Offsets(ctx context.Context, ask loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error) {
	var all loki.OffsetsResponse
	if len(ask.Files) == 0 {
		ask.Files = []loki.FileID{{}} // only to hear who answers
	}
	for len(ask.Files)+len(ask.Generations) > 0 {
		files, generations := min(askAtOnce, len(ask.Files)), min(askAtOnce, len(ask.Generations))
		got, wire, err := c.ask(ctx, loki.OffsetsRequest{Files: ask.Files[:files:files], Generations: ask.Generations[:generations]})
		if err != nil || wire == parse.Loki {
			return loki.OffsetsResponse{}, wire, err
		}
		all.Files, all.Found = append(all.Files, got.Files...), append(all.Found, got.Found...)
		ask.Files, ask.Generations = ask.Files[files:], ask.Generations[generations:]
	}
	return all, parse.Remora, nil
}

func (c *Client) ask(ctx context.Context, ask loki.OffsetsRequest) (r loki.OffsetsResponse, wire parse.Wire, err error) {
	if ask.Files == nil {
		ask.Files = []loki.FileID{}
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return r, 0, err
	}
	resp, err := c.post(ctx, c.offsets, "application/json", body)
	if err != nil {
		return r, 0, err
	}
	defer finish(resp)
	if resp.StatusCode == http.StatusNotFound {
		return r, parse.Loki, nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return r, 0, fmt.Errorf("read offsets: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return r, 0, &StatusError{Code: resp.StatusCode, Text: firstLine(text)}
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, 0, fmt.Errorf("read offsets: %w", err)
	}
	return r, parse.Remora, nil
}

func (c *Client) post(ctx context.Context, to, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", c.conf.UserAgent)
	if c.conf.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", c.conf.Tenant)
	}
	if c.conf.TokenFile != "" {
		token, err := os.ReadFile(c.conf.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("read token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the URL may hold a password
		}
		return nil, fmt.Errorf("reach %s: %w", req.URL.Host, err)
	}
	return resp, nil
}

// finish reads what is left so that the connection can be used again.
func finish(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	resp.Body.Close()
}
