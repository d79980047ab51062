package ship

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/agent/wall"
	"github.com/remora-ray/remora/internal/loki"
)

// Answer is what a target says to one push.
type Answer struct {
	Kind       Kind
	Status     int               // of HTTP; 0 where there was no answer, or no HTTP
	Refused    []loki.FileOffset // of KindRefused: the other files are done
	RetryAfter time.Duration
	Err        error  // why, for all but KindDone and KindRefused
	Complaint  string // of KindReject, and of 429: all that the server wrote
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

// StatusLabel is the status for a metric: a number that HTTP knows, "none" for no
// answer at all, else "other".
func (a Answer) StatusLabel() string {
	switch {
	case a.Status == 0:
		return "none"
	case http.StatusText(a.Status) == "":
		return "other"
	default:
		return strconv.Itoa(a.Status)
	}
}

// textBytes bounds what is read of an answer to a push.
const textBytes = 1 << 20

func readText(resp *http.Response) []byte {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, textBytes))
	return text
}

// answer judges what the server said:
//
//	200, 201, 202, 204             → done
//	409 that lists files           → refused
//	400, 413, 415, 422             → rejected
//	500 as the push is too large   → likewise
//	200 or 400 with a web page     → again: no server of logs has sent it
//	all else                       → again: also 401, 403, 404 and redirects, as
//	                                 somebody has to mend the token or the URL, and
//	                                 nothing may be lost until then
func (c *Client) answer(resp *http.Response) Answer {
	code := resp.StatusCode
	if code == http.StatusNoContent {
		return Answer{Kind: KindDone, Status: code}
	}
	text := readText(resp)
	err := c.statusError(resp, text)
	again := Answer{Kind: KindRetry, Status: code, Err: err, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), wall.Now())}
	if isPage(resp, text) && (code/100 == 2 || code == http.StatusBadRequest) {
		again.Err = fmt.Errorf("the server answered %d with a web page: something else stands in its place (check url and proxy_url)", code)
		if isPlain(text) {
			again.Err = errPlain
		}
		return again
	}
	switch code {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted:
		return Answer{Kind: KindDone, Status: code}
	case http.StatusConflict:
		if files := refusedFiles(text); len(files) > 0 {
			return Answer{Kind: KindRefused, Status: code, Refused: files}
		}
	case http.StatusUnauthorized:
		c.auth.refused()
	case http.StatusTooManyRequests:
		again.Complaint = c.auth.hide(string(text))
	case http.StatusBadRequest:
		if isPlain(text) {
			again.Err = errPlain
			return again
		}
		return Answer{Kind: KindReject, Status: code, Err: err, Complaint: c.auth.hide(string(text))}
	case http.StatusInternalServerError:
		if isTooLarge(text) {
			return Answer{Kind: KindReject, Status: code, Err: err}
		}
	case http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType:
		return Answer{Kind: KindReject, Status: code, Err: err, Complaint: c.auth.hide(string(text))}
	}
	return again
}

// refusedFiles reads the body of a 409; none where it is something else.
func refusedFiles(text []byte) []loki.FileOffset {
	var r loki.Refused
	if err := json.Unmarshal(text, &r); err != nil {
		return nil
	}
	for _, f := range r.Files {
		if f.Committed > farOffset {
			return nil
		}
	}
	return r.Files
}

// isPage reports whether an answer is for people: no server of logs sends one.
func isPage(resp *http.Response, text []byte) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(text), []byte("<"))
}

var errPlain = errors.New("the server wants TLS (use https:// in url)")

// isPlain reports whether a server of TLS says that it was spoken to without, as
// Go's and nginx do.
func isPlain(text []byte) bool {
	return bytes.Contains(text, []byte("HTTP request to an HTTPS server")) || bytes.Contains(text, []byte("plain HTTP request was sent to HTTPS port"))
}

// isTooLarge reports whether a Loki says that its parts cannot hand a push to each
// other: sent again it would fail for ever.
func isTooLarge(text []byte) bool {
	return bytes.Contains(text, []byte("received message larger than max"))
}

// StatusError is an answer other than 2xx.
type StatusError struct {
	Code  int
	Text  string // first line of what the server wrote
	Place string // where a redirect points to
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the server answered %d %s", e.Code, http.StatusText(e.Code))
	if e.Text != "" {
		s += ": " + e.Text
	}
	switch {
	case e.Place != "":
		s += fmt.Sprintf(" to %s, which is not followed (set url to the server's own place)", e.Place)
	case e.Code == http.StatusUnauthorized, e.Code == http.StatusForbidden:
		s += " (check the credentials and the tenant)"
	case e.Code == http.StatusNotFound:
		s += " (check url)"
	case e.Code == statusBlocked:
		s += " (the tenant is blocked: nothing is stored until that ends)"
	}
	return s
}

// Lasting reports whether somebody has to change something before it gets better.
func (e *StatusError) Lasting() bool {
	return e.Code/100 == 3 || e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden ||
		e.Code == http.StatusNotFound || e.Code == statusBlocked
}

// statusBlocked is what Loki answers to a tenant that may not write: it has thrown
// the lines away.
const statusBlocked = 260

func (c *Client) statusError(resp *http.Response, text []byte) error {
	e := &StatusError{Code: resp.StatusCode, Text: c.auth.hide(firstLine(text))}
	if e.Code/100 == 3 {
		e.Text, e.Place = "", place(resp)
	}
	return e
}

// place is where a redirect points to, without what may be a secret.
func place(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	return short((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}

func firstLine(b []byte) string {
	s, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return strings.ToValidUTF8(s[:min(len(s), 300)], "?")
}

// longestPause bounds how long a server may make us wait.
const longestPause = 10 * time.Minute

// retryAfter reads a header of that name: seconds, or a date. 0 means it says nothing.
func retryAfter(v string, now time.Time) time.Duration {
	switch s, err := strconv.ParseUint(v, 10, 64); {
	case errors.Is(err, strconv.ErrRange), err == nil && s > uint64(longestPause/time.Second):
		return longestPause
	case err == nil:
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return min(t.Sub(now), longestPause)
	}
	return 0
}
