package ship

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/agent/parse"
	"github.com/remora-ray/remora/internal/agent/pipeline"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
)

// Tenanted is a Target that can be spoken to as any tenant; "" is its own.
//
// A file has one tenant that keeps its place: that of its pod, else the target's own.
// That one is told each range that was read, also of lines that went to others, and
// it alone is asked where the file stands. Lines of a file that belong to another
// tenant (TenantFrom) are pushed to that one first, with a range from the file's
// beginning: which of them it has it judges by its own account. So the keeper is never
// ahead of the others, and to go back to where it stands loses nothing of theirs.
type Tenanted interface {
	Target
	PushAs(ctx context.Context, tenant string, body []byte) Answer
	OffsetsAs(ctx context.Context, tenant string, ask loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error)
	// TenantFrom names the label or metadata that tells a line's tenant; "" for none.
	TenantFrom() string
}

// PushAs implements Tenanted.
func (c *Client) PushAs(ctx context.Context, tenant string, body []byte) Answer {
	return c.pushAs(ctx, tenant, body)
}

// OffsetsAs implements Tenanted.
func (c *Client) OffsetsAs(ctx context.Context, tenant string, ask loki.OffsetsRequest) (loki.OffsetsResponse, parse.Wire, error) {
	return c.offsetsAs(ctx, tenant, ask)
}

// TenantFrom implements Tenanted.
func (c *Client) TenantFrom() string { return c.opts.TenantFrom }

// ValidTenant reports whether a name may be a tenant's: of a Loki (150 characters of
// letters, digits and !-_.*'()), and so of our server.
func ValidTenant(name string) bool {
	return name != "" && len(name) <= 150 && name != "." && name != ".." && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!-_.*'()", r)
	})
}

// share is what of a batch goes to one tenant.
type share struct {
	tenant string
	guest  bool // the tenant is not the one that keeps the files' places
	parts  []int
	bodies map[int][]byte // of parts that go to several tenants
}

// tenants reports whether a batch may go to more than the target's own tenant.
func (s *Sender) tenants(b *pipeline.Batch) (Tenanted, bool) {
	t, ok := s.Target.(Tenanted)
	if !ok {
		return nil, false
	}
	if t.TenantFrom() != "" {
		return t, true
	}
	for i := range b.Parts {
		if b.Parts[i].Tenant != "" {
			return t, true
		}
	}
	return nil, false
}

// toTenants sends each tenant what is its, those first that keep no places.
func (s *Sender) toTenants(ctx context.Context, t Tenanted, b *pipeline.Batch, r *Result) bool {
	defer func() { s.as, s.guest = "", false }()
	for _, x := range divide(b, t.TenantFrom()) {
		some := b.Select(x.parts, x.bodies)
		one := Result{Refused: r.Refused, Dead: map[loki.FileID]string{}}
		if x.guest {
			for i := range some.Parts {
				some.Parts[i].From, some.Parts[i].Gap = 0, ""
			}
		}
		s.as, s.guest = x.tenant, x.guest
		if !s.one(ctx, some, &one) {
			return false
		}
		r.Buried, r.Filed = r.Buried+one.Buried, r.Filed+one.Filed
		for file, why := range one.Dead {
			r.Dead[file] = why
		}
	}
	return true
}

// divide makes shares of a batch.
func divide(b *pipeline.Batch, from string) []*share {
	var guests, keepers []*share
	of := func(all *[]*share, tenant string, guest bool) *share {
		for _, x := range *all {
			if x.tenant == tenant {
				return x
			}
		}
		x := &share{tenant: tenant, guest: guest, bodies: map[int][]byte{}}
		*all = append(*all, x)
		return x
	}
	for i := range b.Parts {
		keeper := b.Parts[i].Tenant
		own := of(&keepers, keeper, false)
		own.parts = append(own.parts, i)
		if from == "" {
			continue
		}
		bodies, err := divideBody(b.Bytes(i), from, keeper)
		if err != nil {
			continue // nobody can read it: let the server say so
		}
		for tenant, body := range bodies {
			x := own
			if tenant != keeper {
				x = of(&guests, tenant, true)
				x.parts = append(x.parts, i)
			}
			x.bodies[i] = body
		}
	}
	return append(guests, keepers...)
}

// divideBody divides a part's body by the tenants of its lines. Where all are the
// keeper's there is nothing to divide.
func divideBody(body []byte, from, keeper string) (map[string][]byte, error) {
	p, err := loki.DecodePush(body)
	if err != nil {
		return nil, err
	}
	if len(p.Unreadable) > 0 {
		return nil, errors.New("labels that make no sense")
	}
	pushes := map[string]*loki.Push{keeper: {}}
	for i := range p.Streams {
		s := &p.Streams[i]
		split := map[string][]logs.Entry{}
		for _, e := range s.Entries {
			t := tenantOf(s, &e, from, keeper)
			split[t] = append(split[t], e)
		}
		if split[keeper] == nil && s.Range != nil {
			split[keeper] = []logs.Entry{} // the range alone
		}
		for tenant, entries := range split {
			if pushes[tenant] == nil {
				pushes[tenant] = &loki.Push{}
			}
			pushes[tenant].Streams = append(pushes[tenant].Streams, loki.Stream{Labels: s.Labels, Entries: entries, Range: rangeOf(s.Range, tenant == keeper)})
		}
	}
	if len(pushes) == 1 {
		return nil, nil
	}
	bodies := map[string][]byte{}
	for tenant, p := range pushes {
		bodies[tenant] = loki.AppendPush(nil, p)
	}
	return bodies, nil
}

// rangeOf is the range for a tenant: for one that keeps no place it begins with the
// file, and says nothing of what is missing.
func rangeOf(r *loki.FileRange, keeper bool) *loki.FileRange {
	if r == nil || keeper {
		return r
	}
	return &loki.FileRange{File: r.File, To: r.To, Metadata: r.Metadata}
}

// tenantOf is whose a line is: the keeper's where it tells no tenant, or none that
// can be.
func tenantOf(s *loki.Stream, e *logs.Entry, from, keeper string) string {
	name := e.Metadata.Get(from)
	if name == "" && s.Range != nil {
		name = s.Range.Metadata.Get(from)
	}
	if name == "" {
		name = s.Labels.Get(from)
	}
	if !ValidTenant(name) {
		return keeper
	}
	return name
}

// doors remember which tenants the target lets in: one that it does not (403) must not
// keep the others waiting for ever.
type doors struct {
	open   map[string]bool
	closed map[string]time.Time // until when it is not tried again
	knocks map[string]time.Time // since when it is tried
}

const (
	knockFor    = 10 * time.Second
	closedFor   = 10 * time.Minute
	mostTenants = 10_000 // remembered
)

// shut reports whether a tenant is not to be tried now.
func (d *doors) shut(tenant string) bool {
	return tenant != "" && time.Now().Before(d.closed[tenant])
}

// heard takes note of an answer to a push as a tenant, and reports whether that tenant
// is given up for now.
func (d *doors) heard(tenant string, a *Answer, patience time.Duration) bool {
	switch {
	case tenant == "":
		return false
	case a.Kind != KindRetry:
		if !d.open[tenant] {
			if d.open == nil || len(d.open) >= mostTenants {
				d.open = map[string]bool{}
			}
			d.open[tenant] = true
			delete(d.closed, tenant)
			delete(d.knocks, tenant)
		}
		return false
	case a.Status != http.StatusForbidden || d.open[tenant]:
		return false
	}
	if d.knocks == nil || len(d.knocks) >= mostTenants {
		d.knocks, d.closed = map[string]time.Time{}, map[string]time.Time{}
	}
	since, knocking := d.knocks[tenant]
	if !knocking {
		since = time.Now()
		d.knocks[tenant] = since
	}
	if time.Since(since) < cmp.Or(patience, knockFor) {
		return false
	}
	d.closed[tenant] = time.Now().Add(closedFor)
	return true
}

// errShut is why what is a tenant's is kept in the state directory.
var errShut error = &EntryError{FaultTenant, "the server does not let the agent in as this tenant"}

// push pushes as the tenant that is being spoken as.
func (s *Sender) push(ctx context.Context, body []byte) Answer {
	if t, ok := s.Target.(Tenanted); ok && s.as != "" {
		return t.PushAs(ctx, s.as, body)
	}
	return s.Target.Push(ctx, body)
}

// buryLines keeps the lines of a part as dead letters, as if they had been taken: its
// place is not theirs to keep.
func (s *Sender) buryLines(ctx context.Context, p *pipeline.Part, body []byte, err error, r *Result) bool {
	var why *EntryError
	if !errors.As(err, &why) {
		why = &EntryError{FaultOther, err.Error()}
	}
	n := 0
	_ = walk(body, func([]byte) {}, func(int64, []byte) { n++ })
	if n == 0 {
		return true
	}
	r.Buried += n
	return s.insistBurying(ctx, p, body, why)
}
