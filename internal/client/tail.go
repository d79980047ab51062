package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/remora-ray/remora/internal/logs"
)

// maxTailFrame bounds one message of a tail: 100 lines of at most 256 KiB each,
// escaped.
const maxTailFrame = 64 << 20

// TailQuery asks for lines as they arrive, after up to Limit lines since Start.
type TailQuery struct {
	Query string
	Start time.Time
	Limit int // 0 leaves the choice to the server
}

// TailBatch is one message of a tail: lines in order of time, and how many the
// server let go because we were too slow.
type TailBatch struct {
	Lines   []Line
	Dropped int
}

// Tail follows a query over one WebSocket connection and calls yield for each
// message, the first time with nothing once it is connected, until yield fails, ctx ends or the connection does. It never returns
// nil. A *StatusError means that the server refused the query; any other error
// means that asking again may help.
func (c *Client) Tail(ctx context.Context, q TailQuery, yield func(TailBatch) error) error {
	params := url.Values{"query": {q.Query}, "start": {nanos(q.Start)}}
	if q.Limit > 0 {
		params.Set("limit", strconv.Itoa(q.Limit))
	}
	header := http.Header{}
	c.header(header)
	header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	u := c.url("/loki/api/v1/tail", params)
	conn, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: header})
	if err != nil {
		return c.dialError(ctx, u, resp, err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxTailFrame)
	if err := yield(TailBatch{}); err != nil {
		return err
	}
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return c.closeError(ctx, err)
		}
		batch, err := decodeFrame(frame)
		if err != nil {
			return err
		}
		if err := yield(batch); err != nil {
			return err
		}
	}
}

func (c *Client) dialError(ctx context.Context, u *url.URL, resp *http.Response, err error) error {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return c.transportError(ctx, err)
	}
	// The WebSocket library keeps the first KiB of the body in memory.
	var body []byte
	if resp.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(resp.Body, 4096))
		resp.Body.Close()
	}
	return statusError(resp, u, body)
}

func (c *Client) closeError(ctx context.Context, err error) error {
	var closed websocket.CloseError
	if errors.As(err, &closed) && closed.Reason != "" {
		return &ClosedError{
			Addr: c.Addr(), Reason: closed.Reason,
			// Loki closes so too for a tail that has lasted as long as it may.
			Failed: closed.Code == websocket.StatusInternalError && !strings.Contains(closed.Reason, "max duration"),
		}
	}
	return c.transportError(ctx, err)
}

// ClosedError says why the server ended a tail.
type ClosedError struct {
	Addr, Reason string
	Failed       bool // it could not go on, rather than that it was time to end
}

func (e *ClosedError) Error() string { return fmt.Sprintf("%s ended the tail: %s", e.Addr, e.Reason) }

func decodeFrame(frame []byte) (TailBatch, error) {
	var wire struct {
		Streams []wireStream      `json:"streams"`
		Dropped []json.RawMessage `json:"dropped_entries"`
	}
	if err := json.Unmarshal(frame, &wire); err != nil {
		return TailBatch{}, fmt.Errorf("message of the tail makes no sense: %w", err)
	}
	return TailBatch{Lines: mergeStreams(wire.Streams, logs.Forward), Dropped: len(wire.Dropped)}, nil
}
