package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store"
)

const (
	// tenantLabel is on each line, series and stream of an answer to several
	// tenants, and selects some of them.
	tenantLabel = "__tenant_id__"
	// A label of that name that a stream has of its own is shown as this.
	originalTenantLabel = "original_" + tenantLabel
)

// source is the store bound to the tenants of a request.
type source struct {
	store   store.Store
	tenants []string
	named   bool // answers tell whose what is
}

func (s *Server) source(r *request) source {
	return source{store: s.store, tenants: r.tenants, named: r.several}
}

// narrow takes the matchers of the tenant label out and leaves the tenants that
// pass them. As in Loki, that is for queries: lists look for a label of streams.
func (s source) narrow(matchers []logs.Matcher) (source, []logs.Matcher) {
	if !s.named {
		return s, matchers
	}
	var rest []logs.Matcher
	for _, m := range matchers {
		if m.Name != tenantLabel {
			rest = append(rest, m)
			continue
		}
		s.tenants = slices.DeleteFunc(slices.Clone(s.tenants), func(t string) bool { return !m.Matches(t) })
	}
	return s, rest
}

// narrowed is narrow for a query, whose selector must still select.
func (s source) narrowed(sel logs.Selection) (source, logs.Selection, error) {
	if !s.named {
		return s, sel, nil
	}
	had := len(sel.Matchers)
	s, sel.Matchers = s.narrow(sel.Matchers)
	if len(sel.Matchers) < had && !slices.ContainsFunc(sel.Matchers, func(m logs.Matcher) bool { return !m.Matches("") }) {
		return s, sel, failf(http.StatusBadRequest, "log selector is invalid after matcher update: parse error : queries require at least one regexp or "+
			`equality matcher that does not have an empty-compatible value. For instance, app=~".*" does not meet this requirement, but app=~".+" will`)
	}
	s, sel.Labels = s.narrow(sel.Labels)
	return s, sel, nil
}

// Select implements exec.Source.
func (s source) Select(ctx context.Context, sel logs.Selection, yield func(*logs.Record) error) error {
	s, sel, err := s.narrowed(sel)
	if err != nil || len(s.tenants) == 0 {
		return err
	}
	if !s.named {
		return s.store.Select(ctx, s.tenants, sel, yield)
	}
	var last struct {
		tenant         string
		stream, marked logs.Labels
	}
	return s.store.Select(ctx, s.tenants, sel, func(r *logs.Record) error {
		tenant := r.Tenant
		if tenant == "" {
			tenant = s.tenants[0]
		}
		if last.marked == nil || last.tenant != tenant || !last.stream.Equal(r.Stream) {
			last.tenant, last.stream, last.marked = tenant, r.Stream, ofTenant(r.Stream, tenant)
		}
		marked := *r
		marked.Stream = last.marked
		return yield(&marked)
	})
}

// Buckets implements exec.Source.
func (s source) Buckets(ctx context.Context, q logs.BucketQuery, yield func(logs.Bucket) error) error {
	s, sel, err := s.narrowed(q.Selection)
	if err != nil {
		return err
	}
	q.Selection = sel
	if !s.named || !q.ByStream && !slices.Contains(q.By, tenantLabel) {
		if len(s.tenants) == 0 {
			return nil
		}
		return s.store.Buckets(ctx, s.tenants, q, yield)
	}
	q.By = slices.DeleteFunc(slices.Clone(q.By), func(name string) bool { return name == tenantLabel })
	for _, t := range s.tenants {
		err := s.store.Buckets(ctx, []string{t}, q, func(b logs.Bucket) error {
			b.Group = ofTenant(b.Group, t)
			return yield(b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// streams lists streams; see store.Store.
func (s source) streams(ctx context.Context, matchers []logs.Matcher, start, end int64) ([]logs.Labels, error) {
	if !s.named {
		return s.store.Streams(ctx, s.tenants, matchers, start, end)
	}
	var all []logs.Labels
	for _, t := range s.tenants {
		streams, err := s.store.Streams(ctx, []string{t}, matchers, start, end)
		if err != nil {
			return nil, err
		}
		for _, ls := range streams {
			all = append(all, ofTenant(ls, t))
		}
	}
	return all, nil
}

func (s source) labelNames(ctx context.Context, matchers []logs.Matcher, start, end int64) ([]string, error) {
	names, err := s.store.LabelNames(ctx, s.tenants, matchers, start, end)
	if err != nil {
		return nil, err
	}
	if s.named && !slices.Contains(names, tenantLabel) {
		names = append(names, tenantLabel)
		slices.Sort(names)
	}
	return names, nil
}

func (s source) labelValues(ctx context.Context, name string, matchers []logs.Matcher, start, end int64) ([]string, error) {
	if name == tenantLabel {
		return s.tenants, nil
	}
	if s.named && name == originalTenantLabel {
		name = tenantLabel
	}
	return s.store.LabelValues(ctx, s.tenants, name, matchers, start, end)
}

func (s source) stats(ctx context.Context, matchers []logs.Matcher, start, end int64) (store.Stats, error) {
	var sum store.Stats
	// One by one, as tenants may have streams of the same labels.
	for _, t := range s.tenants {
		n, err := s.store.Stats(ctx, []string{t}, matchers, start, end)
		if err != nil {
			return sum, err
		}
		sum.Streams += n.Streams
		sum.Chunks += n.Chunks
		sum.Bytes += n.Bytes
		sum.Entries += n.Entries
	}
	return sum, nil
}

// ofTenant adds the tenant to labels.
func ofTenant(ls logs.Labels, tenant string) logs.Labels {
	out := make([]logs.Label, 0, len(ls)+1)
	for _, l := range ls {
		if l.Name == tenantLabel {
			l.Name = originalTenantLabel
		}
		out = append(out, l)
	}
	return logs.Normalize(append(out, logs.Label{Name: tenantLabel, Value: tenant}))
}
