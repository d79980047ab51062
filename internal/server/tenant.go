package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/remora-ray/remora/internal/store"
)

const (
	headerTenant  = "X-Scope-OrgID"
	defaultTenant = "fake" // Loki's name for whoever names none
)

// admit checks the token and fills in the tenants a request is for.
func (s *Server) admit(rt *route, r *request) error {
	if rt.whose == nobodys {
		return nil
	}
	allowed := everyTenant
	if s.auth != nil {
		t, err := s.auth.admit(r.Header.Get("Authorization"))
		if err != nil {
			return err
		}
		if need := rt.needs(r.Method); rt.whose != anybodys && t.may&need == 0 {
			return failf(http.StatusForbidden, "token may not %s: use another one", map[right]string{mayRead: "read", mayWrite: "write"}[need])
		}
		allowed = t.tenants
	}
	if rt.whose == anybodys {
		return nil
	}
	tenants, err := parseTenants(r.Header)
	if err != nil {
		return err
	}
	if len(tenants) > 1 && (rt.whose == oneTenant || rt.name == "tail") {
		return failf(http.StatusBadRequest, "multiple org IDs present")
	}
	if len(tenants) > s.limits.QueryTenants {
		return failf(http.StatusBadRequest, "%s names %d tenants, at most %d may be asked at once", headerTenant, len(tenants), s.limits.QueryTenants)
	}
	for _, t := range tenants {
		if !allowed.includes(t) {
			return failf(http.StatusForbidden, "token is not for tenant %q: name another in the header %s", t, headerTenant)
		}
	}
	r.tenants, r.several = tenants, len(tenants) > 1 || emptyBesides(r.Header.Get(headerTenant))
	return nil
}

// emptyBesides reports whether an empty name stands beside another: Loki takes
// that for several.
func emptyBesides(header string) bool {
	return strings.HasPrefix(header, "|") || strings.HasSuffix(header, "|") || strings.Contains(header, "||")
}

// tenantFault says in Loki's words what is wrong with a name.
func tenantFault(name string, err error) string {
	switch {
	case len(name) > maxTenantName:
		return fmt.Sprintf("tenant ID is too long: max %d characters", maxTenantName)
	case name == "." || name == "..":
		return "tenant ID is '.' or '..'"
	}
	for _, c := range []byte(name) {
		if store.ValidTenant(string(c)+"x") != nil {
			return fmt.Sprintf("tenant ID '%s' contains unsupported character '%c'", shorten(name, 200), c)
		}
	}
	return err.Error()
}

const maxTenantName = 150

// needs is what a token must be allowed to do for a request.
func (rt *route) needs(method string) right {
	switch rt.name {
	case "push", "otlp", "offsets":
		return mayWrite
	case "delete":
		if method != http.MethodGet && method != http.MethodHead {
			return mayWrite
		}
	}
	return mayRead
}

// parseTenants reads one tenant or several, A|B, sorted and each once.
func parseTenants(h http.Header) ([]string, error) {
	value := h.Get(headerTenant)
	if value == "" {
		return []string{defaultTenant}, nil
	}
	// As in Loki, an empty name among others is passed over.
	tenants := slices.DeleteFunc(strings.Split(value, "|"), func(t string) bool { return t == "" })
	if len(tenants) == 0 {
		return []string{defaultTenant}, nil
	}
	for _, t := range tenants {
		if err := store.ValidTenant(t); err != nil {
			return nil, failf(http.StatusBadRequest, "%s", tenantFault(t, err))
		}
	}
	slices.Sort(tenants)
	return slices.Compact(tenants), nil
}
