package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/klauspost/compress/s2"

	"github.com/remora-ray/remora/internal/loki"
)

// RefusedError lists the files of a push of which the server took nothing, with
// the offset that each must go on from. The rest of the push is stored.
type RefusedError struct{ Files []loki.FileOffset }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("server goes on from elsewhere in %d files", len(e.Files))
}

// Push sends one push: protobuf as loki.AppendPush writes it, not compressed. A
// nil error means that the server has every line of it on disk.
func (c *Client) Push(ctx context.Context, push []byte) error {
	body := s2.EncodeSnappy(nil, push)
	_, err := c.do(ctx, http.MethodPost, c.url("/loki/api/v1/push", nil), "application/x-protobuf", body)
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusConflict {
		var refused loki.Refused
		if json.Unmarshal([]byte(status.Message), &refused) == nil && len(refused.Files) > 0 {
			return &RefusedError{Files: refused.Files}
		}
	}
	return err
}

// Offsets asks up to where the server has each file. The answers come in the
// order asked. A *StatusError of 404 means that the server is a Loki.
func (c *Client) Offsets(ctx context.Context, files []loki.FileID) ([]loki.FileOffsets, error) {
	body, err := json.Marshal(loki.OffsetsRequest{Files: files})
	if err != nil {
		return nil, err
	}
	answer, err := c.do(ctx, http.MethodPost, c.url(loki.PathOffsets, nil), "application/json", body)
	if err != nil {
		return nil, err
	}
	var resp loki.OffsetsResponse
	if err := json.Unmarshal(answer, &resp); err != nil {
		return nil, fmt.Errorf("answer of %s to %s makes no sense: %w", c.Addr(), loki.PathOffsets, err)
	}
	if len(resp.Files) != len(files) {
		return nil, fmt.Errorf("%s answered for %d files, asked about %d", c.Addr(), len(resp.Files), len(files))
	}
	return resp.Files, nil
}
