package server

// RoutePatterns are the paths of all endpoints, for tests that try each.
func RoutePatterns() (patterns []string) {
	for _, r := range routeTable {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}
