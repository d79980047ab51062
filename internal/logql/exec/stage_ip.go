package exec

import (
	"net/netip"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// containsIP looks for an address of r in a line: every run of characters that
// addresses are made of is tried.
func containsIP(s string, r syntax.IPRange) bool {
	member := ipv4Byte
	if r.V6() {
		member = ipv6Byte
	}
	for i := 0; i < len(s); {
		if !member(s[i]) {
			i++
			continue
		}
		start := i
		for i < len(s) && member(s[i]) {
			i++
		}
		if run := s[start:i]; len(run) >= 2 && len(run) <= 45 && runHasIP(run, r) {
			return true
		}
	}
	return false
}

// runHasIP tries the run itself, and without what ends a sentence or a field.
func runHasIP(run string, r syntax.IPRange) bool {
	for range 2 {
		if a, err := netip.ParseAddr(run); err == nil {
			return r.Contains(a)
		}
		last := run[len(run)-1]
		if last != '.' && last != ':' {
			return false
		}
		run = run[:len(run)-1]
	}
	return false
}

func ipv4Byte(c byte) bool { return '0' <= c && c <= '9' || c == '.' }

func ipv6Byte(c byte) bool {
	return ipv4Byte(c) || c == ':' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
