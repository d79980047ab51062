package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Logs Drilldown gets the first 500 series and a warning, others an error.
func TestDrilldownGetsSomeOfTooManySeries(t *testing.T) {
	r := start(t)
	var values []string
	for i := range 600 {
		values = append(values, jsonLine(noon.Add(-time.Duration(i)*time.Millisecond), fmt.Sprintf("n=%d", i)))
	}
	r.pushJSON(jsonPush(values...)).want(t, 204)
	const query = `sum by (n) (count_over_time({app="x"} | logfmt [1h]))`
	for _, path := range []string{"/loki/api/v1/query", "/loki/api/v1/query_range"} {
		got := r.do("GET", address(path, "query", query, "step", "60"), nil, "X-Query-Tags", "Source=grafana-lokiexplore-app,Feature=x")
		got.want(t, 200, `"warnings":["maximum number of series (500) reached for a single query; returning partial results"]`)
		var a queryAnswer
		if err := json.Unmarshal([]byte(got.body), &a); err != nil || len(a.Data.Result) != 500 {
			t.Errorf("%s: %d series, %v", path, len(a.Data.Result), err)
		}
		for _, tags := range []string{"", "Source=grafana-explore"} {
			r.do("GET", address(path, "query", query, "step", "60"), nil, "X-Query-Tags", tags).want(t, 400, "maximum number of series (500) reached for a single query; consider")
		}
	}
	if !strings.Contains(r.log.String(), `tags="Source=grafana-lokiexplore-app,Feature=x"`) {
		t.Error("the tags are not in the log")
	}
}
