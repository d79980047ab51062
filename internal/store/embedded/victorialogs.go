package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/klauspost/compress/zstd"
)

// victoriaLogs is one tenant's rows in VictoriaLogs, asked over its HTTP API with
// the LogsQL that the engine in this process would be asked.
type victoriaLogs struct {
	engine *Engine
	client *http.Client
	at     *Outgrown
	tenant logstorage.TenantID
}

// remoteTenant is VictoriaLogs' name, two numbers, of a tenant: 0 and 0 for the
// one that is meant where none is named, else the first bytes of its SHA-256.
func remoteTenant(name string) logstorage.TenantID {
	if name == "fake" {
		return logstorage.TenantID{}
	}
	sum := sha256.Sum256([]byte(name))
	return logstorage.TenantID{AccountID: binary.BigEndian.Uint32(sum[:]), ProjectID: binary.BigEndian.Uint32(sum[4:])}
}

func (v *victoriaLogs) do(ctx context.Context, base *url.URL, path string, header http.Header, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base.String()+path, body)
	if err != nil {
		return nil, err
	}
	if header != nil {
		request.Header = header
	}
	request.Header.Set("AccountID", strconv.FormatUint(uint64(v.tenant.AccountID), 10))
	request.Header.Set("ProjectID", strconv.FormatUint(uint64(v.tenant.ProjectID), 10))
	response, err := v.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 2048)) // only for the message
	return nil, fmt.Errorf("%s answers %s: %s", base.Host, response.Status, bytes.TrimSpace(text))
}

// ask sends a form and returns what is answered.
func (v *victoriaLogs) ask(ctx context.Context, base *url.URL, path string, form url.Values) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return v.do(ctx, base, path, header, strings.NewReader(form.Encode()))
}

func (v *victoriaLogs) tell(ctx context.Context, base *url.URL, path string, form url.Values) error {
	response, err := v.ask(ctx, base, path, form)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return firstOf(err, response.Body.Close())
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	// The options are right, so that this cannot fail.
	e, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	return e
})

func (v *victoriaLogs) add(ctx context.Context, rows *logstorage.LogRows) error {
	var body []byte
	rows.ForEachRow(func(_ uint64, r *logstorage.InsertRow) { body = r.Marshal(body) })
	body = zstdEncoder().EncodeAll(body, nil)
	return v.engine.retry(ctx, "to give lines to VictoriaLogs", func() (bool, error) {
		header := http.Header{"Content-Encoding": {"zstd"}, "Content-Type": {"application/octet-stream"}}
		response, err := v.do(ctx, v.at.Insert, "/insert/native?version=v1", header, bytes.NewReader(body))
		if err != nil {
			return true, err
		}
		return false, response.Body.Close()
	})
}

func (v *victoriaLogs) query(q *logstorage.QueryContext, writeBlock logstorage.WriteDataBlockFunc) error {
	form := url.Values{"query": {q.Query.String()}}
	if len(q.HiddenFieldsFilters) > 0 {
		form.Set("hidden_fields_filters", strings.Join(q.HiddenFieldsFilters, ","))
	}
	response, err := v.ask(q.Context, v.at.Query, "/select/logsql/query", form)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return readBlocks(response.Body, func(b *logstorage.DataBlock) { writeBlock(0, b) })
}

func (v *victoriaLogs) streams(q *logstorage.QueryContext) ([]logstorage.ValueWithHits, error) {
	response, err := v.ask(q.Context, v.at.Query, "/select/logsql/streams", url.Values{"query": {q.Query.String()}})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct{ Values []logstorage.ValueWithHits }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	return answer.Values, nil
}

// A node of a cluster shows rows a second after it got them, and gets them a
// second after they were given.
const clusterShows = 2500 * time.Millisecond

func (v *victoriaLogs) show(ctx context.Context) error {
	const path = "/internal/force_flush"
	if err := v.tell(ctx, v.at.Insert, path, nil); err != nil {
		return err
	}
	if len(v.at.Nodes) == 0 && v.at.cluster() {
		timer := time.NewTimer(clusterShows)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	for _, node := range v.at.Nodes {
		if err := v.tell(ctx, node, path, nil); err != nil {
			return err
		}
	}
	return nil
}

func (v *victoriaLogs) erase(ctx context.Context, filter string, _ int64) error {
	// Rows on their way to a storage node would come there after the deletion.
	if err := v.show(ctx); err != nil {
		return err
	}
	return v.tell(ctx, v.at.Query, "/delete/run_task", url.Values{"filter": {filter}})
}

func (v *victoriaLogs) erasing(ctx context.Context) (bool, error) {
	response, err := v.ask(ctx, v.at.Query, "/delete/active_tasks", nil)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	var tasks []json.RawMessage
	if err := json.NewDecoder(response.Body).Decode(&tasks); err != nil {
		return false, fmt.Errorf("read deletions: %w", err)
	}
	return len(tasks) > 0, nil
}

func (v *victoriaLogs) close() {}
