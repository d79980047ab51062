package embedded

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// An outgrown store keeps its lines elsewhere: in VictoriaLogs, one process or a
// cluster, or in Loki. Journal and ledger stay in the store's directory, so that a
// line is judged and kept as it is without one; a push is acknowledged when the
// other store has taken it.

// The kinds of stores that lines may be kept in.
const (
	VictoriaLogs = "victorialogs"
	Loki         = "loki"
)

// Outgrown says where lines are kept instead of in the store's directory.
type Outgrown struct {
	Kind   string
	Query  *url.URL   // of who is asked
	Insert *url.URL   // of who takes lines
	Nodes  []*url.URL // storage nodes of a cluster, to be told to show new lines
}

const outgrownForms = "want victorialogs://HOST:PORT, victorialogs://VLSELECT:PORT?insert=VLINSERT:PORT&node=VLSTORAGE:PORT, or loki://HOST:PORT; " +
	"with https: victorialogs+https://… or loki+https://…"

// ParseOutgrown reads what --store says; the error tells the forms.
func ParseOutgrown(s string) (*Outgrown, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("store %q is no address: %s", s, outgrownForms)
	}
	kind, scheme, secure := strings.Cut(u.Scheme, "+")
	if kind != VictoriaLogs && kind != Loki || secure && scheme != "https" {
		return nil, fmt.Errorf("store %q is of no kind that is known: %s", s, outgrownForms)
	}
	if !secure {
		scheme = "http"
	}
	if u.User != nil || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("store address of %s holds more than host and port: %s", u.Host, outgrownForms)
	}
	base := func(host string) *url.URL { return &url.URL{Scheme: scheme, Host: host} }
	o := &Outgrown{Kind: kind, Query: base(u.Host), Insert: base(u.Host)}
	for name, values := range u.Query() {
		for _, v := range values {
			if _, _, err := net.SplitHostPort(v); err != nil || kind != VictoriaLogs {
				return nil, fmt.Errorf("%s=%s of store %s makes no sense: %s", name, v, u.Host, outgrownForms)
			}
			switch name {
			case "insert":
				o.Insert = base(v)
			case "node":
				o.Nodes = append(o.Nodes, base(v))
			default:
				return nil, fmt.Errorf("store address has no part %q: %s", name, outgrownForms)
			}
		}
	}
	return o, nil
}

func (o *Outgrown) String() string { return o.Kind + " at " + o.Query.Host }

// cluster tells whether lines take a way of their own.
func (o *Outgrown) cluster() bool { return *o.Query != *o.Insert || len(o.Nodes) > 0 }

// outgrownClient is one for all tenants.
func outgrownClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.ResponseHeaderTimeout = 2 * time.Minute
	return &http.Client{Transport: t}
}

// rows is where the rows of one tenant are: the engine in this process, or
// VictoriaLogs.
type rows interface {
	// add takes rows. It fails only where ctx ends, with nothing known of the rows.
	add(ctx context.Context, rows *logstorage.LogRows) error
	query(q *logstorage.QueryContext, writeBlock logstorage.WriteDataBlockFunc) error
	streams(q *logstorage.QueryContext) ([]logstorage.ValueWithHits, error)
	// show makes visible what was added.
	show(ctx context.Context) error
	// erase deletes the rows with time ≤ end that pass; it may return before.
	erase(ctx context.Context, filter string, end int64) error
	// erasing reports whether some are being deleted.
	erasing(ctx context.Context) (bool, error)
	close()
}

// library is the engine in this process.
type library struct{ *logstorage.Storage }

func (l library) add(_ context.Context, rows *logstorage.LogRows) error {
	l.MustAddRows(rows)
	return nil
}

func (l library) query(q *logstorage.QueryContext, writeBlock logstorage.WriteDataBlockFunc) error {
	return l.RunQuery(q, writeBlock)
}

func (l library) streams(q *logstorage.QueryContext) ([]logstorage.ValueWithHits, error) {
	return l.GetStreams(q, 0)
}

func (l library) show(context.Context) error {
	l.DebugFlush()
	return nil
}

func (l library) erase(ctx context.Context, filter string, end int64) error {
	f, err := logstorage.ParseFilter(filter)
	if err != nil {
		return fmt.Errorf("ask the engine %s: %w", filter, err)
	}
	// The engine deletes rows with time ≤ the task's start, in nanoseconds.
	id := fmt.Sprintf("remora-%d", time.Now().UnixNano())
	return l.DeleteRunTask(ctx, id, end, tenantID, f)
}

func (l library) erasing(ctx context.Context) (bool, error) {
	tasks, err := l.DeleteActiveTasks(ctx)
	return len(tasks) > 0, err
}

func (l library) close() { l.MustClose() }

// cannotHere is what an outgrown store says to what it does not do.
func (e *Engine) cannotHere(what, instead string) error {
	return fmt.Errorf("%s is not done for lines that are kept in %s: %s", what, e.cfg.Outgrown, instead)
}

// retry calls try until it is done, ctx ends, or it says that trying again is no
// use; it tells of the first failure and of the end of failures.
func (e *Engine) retry(ctx context.Context, what string, try func() (again bool, err error)) error {
	pause, failed := 100*time.Millisecond, time.Time{}
	for {
		again, err := try()
		if err == nil && !failed.IsZero() {
			e.log.Info("the store takes lines again", "store", e.cfg.Outgrown.String(), "after", time.Since(failed).Round(time.Millisecond))
		}
		if err == nil || !again {
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		e.metrics.forwardFailures.Inc()
		if failed.IsZero() {
			failed = time.Now()
			e.log.Warn(what+" failed: it is tried again until it is done", "store", e.cfg.Outgrown.String(), "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// takeHome makes the directory one for the configured kind of store, and refuses
// one that is another's: its ledger would take lines for stored that are not.
func (h *home) takeHome(o *Outgrown) error {
	kind := ""
	if o != nil {
		kind = o.Kind
	}
	const file = "outgrown"
	was, err := readOptional(h.path(file))
	if err != nil {
		return fmt.Errorf("read what store directory %s belongs to: %w", h.dir, err)
	}
	if was == kind {
		return nil
	}
	if was != "" {
		return fmt.Errorf("store directory %s belongs to a store of kind %s: give --store %s://…, or another directory", h.dir, was, was)
	}
	if !h.fresh {
		return fmt.Errorf("store directory %s holds lines itself: give it without --store, or another directory for --store %s://…", h.dir, kind)
	}
	return writeFileSync(h.path(file), []byte(kind+"\n"))
}

// checkOutgrown refuses options of a directory that make no sense elsewhere.
func (cfg *Config) checkOutgrown() error {
	if cfg.Outgrown == nil {
		return nil
	}
	kept := cfg.Retention != 0 || cfg.MaxTenantBytes != 0
	for _, k := range cfg.Tenants {
		kept = kept || k != (Keep{})
	}
	if kept {
		return fmt.Errorf("how long lines are kept is set in %s itself: leave retention and sizes out", cfg.Outgrown)
	}
	return nil
}
