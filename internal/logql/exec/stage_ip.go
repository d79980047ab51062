package exec

import (
	"net/netip"

	"github.com/remora-ray/remora/internal/logql/syntax"
)

// containsIP looks for an address of r in a line. What looks like the beginning of
// an address is tried as far as characters of addresses go, and passed over as a
// whole: 1.2.3.4.5 holds none, and a:1.2.3.4 is one of version 6 gone wrong.
func containsIP(s string, r syntax.IPRange) bool {
	for i := 0; i < len(s); {
		member, shortest := ipv4Byte, 7
		switch {
		case beginsIPv4(s[i:]):
		case beginsIPv6(s[i:]):
			member, shortest = ipv6Byte, 3
		default:
			i++
			continue
		}
		start := i
		for i < len(s) && member(s[i]) {
			i++
		}
		if run := s[start:i]; len(run) >= shortest && len(run) <= 45 {
			if a, err := netip.ParseAddr(run); err == nil && r.Contains(a) {
				return true
			}
		}
	}
	return false
}

// beginsIPv4 sees a digit, and a dot within four characters.
func beginsIPv4(s string) bool {
	return len(s) >= 4 && '0' <= s[0] && s[0] <= '9' && (s[1] == '.' || s[2] == '.' || s[3] == '.')
}

// beginsIPv6 sees two colons, or up to four hexadecimal digits and a colon, and
// five characters at least.
func beginsIPv6(s string) bool {
	if len(s) < 5 {
		return false
	}
	if s[0] == ':' {
		return s[1] == ':'
	}
	n := 0
	for n < 4 && s[n] != '.' && s[n] != ':' && ipv6Byte(s[n]) {
		n++
	}
	return n > 0 && s[n] == ':'
}

func ipv4Byte(c byte) bool { return '0' <= c && c <= '9' || c == '.' }

func ipv6Byte(c byte) bool {
	return ipv4Byte(c) || c == ':' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
