package server

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"os"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// TenantLimits bound what one tenant may have of a server. Names and meaning are
// those of Loki's limits_config. Zero means the server's own limit.
type TenantLimits struct {
	RateMB      float64  `yaml:"ingestion_rate_mb"`           // pushed a second, lines and metadata; 0: any
	BurstMB     float64  `yaml:"ingestion_burst_size_mb"`     // at once; 0: half as much again as the rate
	Streams     int      `yaml:"max_global_streams_per_user"` // pushed to in the last hour, agents' not counted; 0: 5,000
	LineBytes   int      `yaml:"max_line_size"`
	QueryLength duration `yaml:"max_query_length"`
	Queries     int      `yaml:"max_concurrent_queries"` // at work

	Retention duration `yaml:"retention_period"` // what the store keeps, whole days; 0: as --retention says
	DiskGB    float64  `yaml:"max_disk_gb"`      // of stored lines; 0: as --max-tenant-size says
}

// duration is written as Prometheus does: 30d1h.
type duration time.Duration

// UnmarshalYAML reads 12h or 30d.
func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	ns, err := loki.ParseDuration(n.Value)
	*d = duration(ns)
	return err
}

// LimitsFile is what --limits names: limits of all tenants and of single ones.
type LimitsFile struct {
	Defaults TenantLimits            `yaml:"defaults"`
	Tenants  map[string]TenantLimits `yaml:"tenants"`
}

// LoadLimits reads a file of limits. Keys that are not known are errors.
func LoadLimits(path string) (*LimitsFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read limits: %w", err)
	}
	f := &LimitsFile{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("read limits %s: %w", path, err)
	}
	for name := range f.Tenants {
		if err := store.ValidTenant(name); err != nil {
			return nil, fmt.Errorf("read limits %s: %w", path, err)
		}
	}
	return f, nil
}

// of returns a tenant's limits, its own before the common ones.
func (f *LimitsFile) of(tenant string) TenantLimits {
	l := TenantLimits{Streams: 5000}
	if f == nil {
		return l
	}
	for _, more := range []TenantLimits{f.Defaults, f.Tenants[tenant]} {
		override(&l.RateMB, more.RateMB)
		override(&l.BurstMB, more.BurstMB)
		override(&l.Streams, more.Streams)
		override(&l.LineBytes, more.LineBytes)
		override(&l.QueryLength, more.QueryLength)
		override(&l.Queries, more.Queries)
	}
	if l.BurstMB == 0 {
		l.BurstMB = 1.5 * l.RateMB
	}
	return l
}

func override[T comparable](v *T, by T) {
	var zero T
	if by != zero {
		*v = by
	}
}

// limiter keeps account of what tenants use.
type limiter struct {
	file *LimitsFile
	now  func() time.Time
	seed maphash.Seed

	mu  sync.Mutex
	use map[string]*tenantUse
}

// tenantUse is the account of one tenant.
type tenantUse struct {
	limits  TenantLimits
	allowed float64 // bytes that may be pushed at once
	at      time.Time
	streams map[uint64]time.Time // when each was pushed to last
	queries int
}

// maxAccounts is how many tenants' accounts are kept; idle ones go first.
const maxAccounts = 10_000

// activeStream is how long a stream counts after a push.
const activeStream = time.Hour

func newLimiter(file *LimitsFile, now func() time.Time) *limiter {
	return &limiter{file: file, now: now, seed: maphash.MakeSeed(), use: make(map[string]*tenantUse)}
}

// account returns a tenant's; the caller holds mu.
func (l *limiter) account(tenant string) *tenantUse {
	u := l.use[tenant]
	if u == nil {
		l.makeRoom()
		u = &tenantUse{limits: l.file.of(tenant), at: l.now(), streams: make(map[uint64]time.Time)}
		u.allowed = u.limits.BurstMB * (1 << 20)
		l.use[tenant] = u
	}
	return u
}

// makeRoom forgets accounts where there are too many: idle ones, else any.
func (l *limiter) makeRoom() {
	for _, idle := range []bool{true, false} {
		for name, u := range l.use {
			if len(l.use) < maxAccounts {
				return
			}
			if u.queries == 0 && (!idle || l.now().Sub(u.at) > activeStream) {
				delete(l.use, name)
			}
		}
	}
}

func (l *limiter) limits(tenant string) TenantLimits {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.account(tenant).limits
}

// push takes the bytes of a push out of what the tenant may send; false where
// there is not enough. A push larger than the burst passes when all of it is
// there.
func (l *limiter) push(tenant string, size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.account(tenant)
	if u.limits.RateMB <= 0 {
		u.at = l.now()
		return true
	}
	const mb = 1 << 20
	now, burst := l.now(), u.limits.BurstMB*mb
	u.allowed = min(burst, u.allowed+now.Sub(u.at).Seconds()*u.limits.RateMB*mb)
	u.at = now
	if float64(size) > u.allowed && u.allowed < burst {
		return false
	}
	u.allowed -= float64(size)
	return true
}

// stream counts a stream in; false where the tenant has too many.
func (l *limiter) stream(tenant string, ls logs.Labels) bool {
	h := maphash.String(l.seed, ls.String())
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.account(tenant)
	now := l.now()
	if _, known := u.streams[h]; !known && len(u.streams) >= u.limits.Streams {
		for other, last := range u.streams {
			if now.Sub(last) > activeStream {
				delete(u.streams, other)
			}
		}
		if len(u.streams) >= u.limits.Streams {
			return false
		}
	}
	u.streams[h] = now
	return true
}

// query counts a query of the tenants in, unless one of them has too many.
func (l *limiter) query(tenants []string) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range tenants {
		if u := l.account(t); u.limits.Queries > 0 && u.queries >= u.limits.Queries {
			return nil, false
		}
	}
	for _, t := range tenants {
		l.account(t).queries++
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, t := range tenants {
			l.account(t).queries--
		}
	}, true
}

// queryLength is the longest range that all the tenants may ask for, 0 for any.
func (l *limiter) queryLength(tenants []string) (longest time.Duration) {
	for _, t := range tenants {
		if d := time.Duration(l.limits(t).QueryLength); d > 0 && (longest == 0 || d < longest) {
			longest = d
		}
	}
	return longest
}

// sizeOf is what a push counts as: its lines and their metadata.
func sizeOf(p *loki.Push) (lines, size int) {
	for i := range p.Streams {
		s := &p.Streams[i]
		lines += len(s.Entries)
		for j := range s.Entries {
			size += len(s.Entries[j].Line)
			for _, l := range s.Entries[j].Metadata {
				size += len(l.Name) + len(l.Value)
			}
		}
	}
	return lines, size
}
