package server

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/store"
)

// Auth knows tokens and the tenants that each may name. It keeps hashes only.
type Auth struct{ tokens []token }

type token struct {
	hash    [sha256.Size]byte
	tenants tenantSet
	may     right
}

// right is what a token may do: read, write or both.
type right uint8

const (
	mayRead right = 1 << iota
	mayWrite
)

// tenantSet is the tenants a token may name.
type tenantSet struct {
	all   bool
	names []string
}

var everyTenant = tenantSet{all: true}

func (s tenantSet) includes(name string) bool { return s.all || slices.Contains(s.names, name) }

// LoadAuth reads a file of tokens, one a line:
//
//	TOKEN TENANT[,TENANT…] [read|write]
//	sha256:HEX *
//
// A token may be given as the hex of its SHA-256; * stands for every tenant; a
// token without read or write may do both; empty lines and those that begin with # are skipped. Errors name the line and
// never show a token.
func LoadAuth(path string) (*Auth, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	defer f.Close()
	a, err := ParseAuth(f)
	if err != nil {
		return nil, fmt.Errorf("read tokens %s: %w", path, err)
	}
	return a, nil
}

// ParseAuth reads what LoadAuth reads.
func ParseAuth(r io.Reader) (*Auth, error) {
	a := &Auth{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		t, err := parseToken(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		for _, other := range a.tokens {
			if other.hash == t.hash {
				return nil, fmt.Errorf("line %d: this token was given before", n)
			}
		}
		a.tokens = append(a.tokens, t)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(a.tokens) == 0 {
		return nil, fmt.Errorf("no token in it: write lines such as TOKEN TENANT[,TENANT] [read|write]")
	}
	return a, nil
}

func parseToken(text string) (t token, err error) {
	fields := strings.Fields(text)
	if len(fields) < 2 || len(fields) > 3 {
		return t, fmt.Errorf("has %d words, want two or three: TOKEN TENANT[,TENANT] [read|write]", len(fields))
	}
	t.may = mayRead | mayWrite
	if len(fields) == 3 {
		switch fields[2] {
		case "read":
			t.may = mayRead
		case "write":
			t.may = mayWrite
		default:
			return t, fmt.Errorf("its third word is neither read nor write")
		}
	}
	if digits, ok := strings.CutPrefix(fields[0], "sha256:"); ok {
		sum, err := hex.DecodeString(digits)
		if err != nil || len(sum) != len(t.hash) {
			return t, fmt.Errorf("sha256: must be followed by %d hex digits", 2*len(t.hash))
		}
		copy(t.hash[:], sum)
	} else {
		t.hash = sha256.Sum256([]byte(fields[0]))
	}
	for name := range strings.SplitSeq(fields[1], ",") {
		if name == "*" {
			t.tenants.all = true
			continue
		}
		if err := store.ValidTenant(name); err != nil {
			return t, err
		}
		t.tenants.names = append(t.tenants.names, name)
	}
	return t, nil
}

// admit returns the token of an Authorization header. The token
// comes as a bearer token, or as the password of basic authentication, which is
// what most log shippers can send.
func (a *Auth) admit(header string) (*token, error) {
	given, ok := tokenOf(header)
	if !ok {
		return nil, failf(http.StatusUnauthorized, "no token: send the header Authorization: Bearer TOKEN")
	}
	sum := sha256.Sum256([]byte(given))
	var found *token
	// All are compared, so that the time taken tells nothing.
	for i := range a.tokens {
		if subtle.ConstantTimeCompare(sum[:], a.tokens[i].hash[:]) == 1 {
			found = &a.tokens[i]
		}
	}
	if found == nil {
		return nil, failf(http.StatusUnauthorized, "unknown token")
	}
	return found, nil
}

func tokenOf(header string) (string, bool) {
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return rest, rest != ""
	case strings.EqualFold(scheme, "Basic"):
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return "", false
		}
		_, password, ok := strings.Cut(string(plain), ":")
		return password, ok && password != ""
	}
	return "", false
}
