// Package logql holds one test: the scripts of the language over the embedded
// store.
package logql

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/logqltest"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
	"github.com/remora-ray/remora/internal/store/embedded"
)

// tenant is one tenant of a store as a source.
type tenant struct {
	store store.Store
	names []string
}

func (t tenant) Select(ctx context.Context, sel logs.Selection, yield func(*logs.Record) error) error {
	return t.store.Select(ctx, t.names, sel, yield)
}

func (t tenant) Buckets(ctx context.Context, q logs.BucketQuery, yield func(logs.Bucket) error) error {
	return t.store.Buckets(ctx, t.names, q, yield)
}

// The embedded store gives the answers that the source in memory gives: what is
// pushed down changes nothing.
func TestScriptsOverTheEmbeddedStore(t *testing.T) {
	engine, err := embedded.Open(embedded.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	loaded := map[string]tenant{} // by what it holds: scripts ask the same lines many times
	open := func(tb testing.TB, records []logs.Record) exec.Source {
		key := fmt.Sprint(records)
		if source, ok := loaded[key]; ok {
			return source
		}
		name := fmt.Sprintf("script-%d", len(loaded))
		for i, r := range records {
			_, err := engine.Append(tb.Context(), store.Batch{
				Tenant:   name,
				Received: time.Now().Add(time.Duration(i)),
				Push:     &loki.Push{Streams: []loki.Stream{{Labels: r.Stream, Entries: []logs.Entry{r.Entry}}}},
			})
			if err != nil {
				tb.Fatal(err)
			}
		}
		loaded[key] = tenant{engine, []string{name}}
		return loaded[key]
	}
	logqltest.Run(t, "../../internal/logql/testdata/*.txt", false, open)
	logqltest.RunDocument(t, "../../docs/logql.md", false, open)
}
