package syntax

import (
	"fmt"
	"net/netip"
	"strings"
)

// IPRange is the addresses of an ip("…"): one, a range a-b, or a network.
type IPRange struct {
	from, to netip.Addr
	prefix   netip.Prefix
}

// ParseIP reads 192.168.0.1, 10.0.0.1-10.0.0.9, 192.168.4.0/24 or the same of
// version 6.
func ParseIP(s string) (IPRange, error) {
	if from, to, ok := strings.Cut(s, "-"); ok {
		a, err := netip.ParseAddr(from)
		if err == nil {
			var b netip.Addr
			if b, err = netip.ParseAddr(to); err == nil && a.BitLen() == b.BitLen() && !b.Less(a) {
				return IPRange{from: a, to: b}, nil
			}
		}
		return IPRange{}, fmt.Errorf("ip: invalid pattern: %q", s)
	}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return IPRange{}, fmt.Errorf("ip: invalid pattern: %q", s)
		}
		return IPRange{prefix: p.Masked()}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return IPRange{}, fmt.Errorf("ip: invalid pattern: %q", s)
	}
	return IPRange{from: a, to: a}, nil
}

// Contains reports whether a is one of the addresses.
func (r IPRange) Contains(a netip.Addr) bool {
	if r.prefix.IsValid() {
		return r.prefix.Contains(a)
	}
	return a.BitLen() == r.from.BitLen() && !a.Less(r.from) && !r.to.Less(a)
}

// V6 reports whether the addresses are of version 6.
func (r IPRange) V6() bool {
	if r.prefix.IsValid() {
		return r.prefix.Addr().Is6()
	}
	return r.from.Is6()
}
