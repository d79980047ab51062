package ship

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Secret is a value that nothing shows: it prints and marshals as "<secret>", an
// empty one as "". Convert it to a string to use it.
type Secret string

const hidden = "<secret>"

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format implements fmt.Formatter, so that no verb shows it.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Address is a URL of which nothing shows a password. Convert it to a string to
// use it.
type Address string

// String is the URL with its password hidden.
func (a Address) String() string {
	if u, err := url.Parse(string(a)); err == nil && u.Opaque == "" {
		return u.Redacted()
	}
	if _, behind, ok := strings.Cut(string(a), "@"); ok {
		return hidden + "@" + behind
	}
	return string(a)
}

// Format implements fmt.Formatter.
func (a Address) Format(f fmt.State, verb rune) {
	s := a.String()
	if verb == 'q' {
		s = strconv.Quote(s)
	}
	_, _ = io.WriteString(f, s)
}

// MarshalText implements encoding.TextMarshaler.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Bytes is a number of bytes that reads and prints with a unit: 512KiB, 1MiB.
type Bytes int64

var units = []struct {
	name string
	size Bytes
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}

// String writes the number with the largest binary unit that it is a multiple of.
func (b Bytes) String() string {
	for _, u := range units[:3] {
		if b >= u.size && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a number with or without a unit.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/int64(u.size) {
			break
		}
		*b = Bytes(n) * u.size
		return nil
	}
	return fmt.Errorf("%q is not a size: write a number of bytes, or one with KiB, MiB or GiB", s)
}
