package server

import (
	"net/http"
)

// missing are paths of a Loki that this server has no use for, and what to ask
// instead. All below a path that ends with a slash are meant.
var missing = []struct{ path, instead string }{
	{"/api/prom/", "the old API is not served, its paths are under /loki/api/v1 by the same names"},
	{"/loki/api/v2alpha/tail", "tail by WebSocket is at /loki/api/v1/tail"},
	{"/loki/api/v1/index/shards", "queries are not split into shards, ask /loki/api/v1/index/stats for their size"},
	{"/loki/api/v1/index/gaps", "there is no index of chunks, ask /loki/api/v1/index/stats for their size"},
	{"/loki/api/v1/cache/generation_numbers", "answers are not cached"},
	{"/loki/api/v1/rules", "page not found: rules are not kept here, alert from Grafana, which asks /loki/api/v1/query"},
	{"/loki/api/v1/rules/", "page not found: rules are not kept here, alert from Grafana, which asks /loki/api/v1/query"},
	{"/otlp/", "logs are taken at /otlp/v1/logs, metrics and traces are not"},
	{"/flush", "what is acknowledged is on disk, nothing needs to be flushed"},
	{"/ring", "one process does it all, there is no ring"},
	{"/ring/", "one process does it all, there is no ring"},
	{"/distributor/ring", "one process does it all, there is no ring"},
	{"/indexgateway/ring", "one process does it all, there is no ring"},
	{"/ruler/ring", "one process does it all, there is no ring"},
	{"/compactor/ring", "one process does it all, there is no ring"},
	{"/ingester/", "there are no ingesters, stop the process to end it in order"},
	{"/memberlist", "one process does it all, there are no members"},
	{"/log_level", "give --log-level when the server is started"},
}

func (s *Server) missingRoutes() []route {
	var list []route
	for _, m := range missing {
		list = append(list, route{"missing", m.path, anyMethod, anybodys, func(_ *Server, _ http.ResponseWriter, r *request) error {
			return failf(http.StatusNotFound, "there is nothing at %s: %s", shorten(r.URL.Path, 200), m.instead)
		}})
	}
	return list
}

var anyMethod = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch}
