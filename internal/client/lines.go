package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/remora-ray/remora/internal/loki"
)

// ErrNoLines means that the server does not answer all lines at once: a Loki, or
// one that keeps its lines in one. Ask with QueryRange.
var ErrNoLines = errors.New("the server answers lines only in pages")

// Lines calls f with all lines of a log query, about oldest first. What f gets
// shares nothing with what it gets later.
func (c *Client) Lines(ctx context.Context, q RangeQuery, f func(*loki.Push) error) error {
	u := c.url(loki.PathLines, url.Values{"query": {q.Query}, "start": {nanos(q.Start)}, "end": {nanos(q.End)}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	c.header(req.Header)
	resp, err := c.http.Do(req)
	if err != nil {
		return c.transportError(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode/100 == 2 && resp.Header.Get("Content-Type") != loki.ContentLines {
		return ErrNoLines
	}
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // only for the message
		return statusError(resp, u, text)
	}
	if err := loki.ReadLines(resp.Body, f); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}
