package server_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/server"
)

// A line that a client sends again in a later request is stored once, as in Loki;
// equal lines of one request, and those that differ in anything, are all kept.
func TestLinesThatArriveAgain(t *testing.T) {
	at := func(ago int) time.Time { return noon.Add(-time.Duration(ago) * time.Second) }
	with := func(ago int, line, trace string) string {
		return `["` + nanos(at(ago)) + `","` + line + `",{"trace":"` + trace + `"}]`
	}
	tests := []struct {
		name     string
		pushes   []string
		want     int
		repeated string
	}{
		{"some with others", []string{jsonPush(jsonLine(at(3), "a"), jsonLine(at(2), "b")), jsonPush(jsonLine(at(2), "b"), jsonLine(at(1), "c"))}, 3, "1"},
		{"all, in two requests", []string{jsonPush(jsonLine(at(3), "a"), jsonLine(at(2), "b")), jsonPush(jsonLine(at(2), "b")), jsonPush(jsonLine(at(3), "a"))}, 2, "2"},
		{"in one request", []string{jsonPush(jsonLine(at(3), "a"), jsonLine(at(3), "a"))}, 2, "0"},
		{"of another time", []string{jsonPush(jsonLine(at(3), "a")), jsonPush(jsonLine(at(2), "a"))}, 2, "0"},
		{"of other metadata", []string{jsonPush(with(3, "a", "1")), jsonPush(with(3, "a", "2"), with(3, "a", "1"))}, 2, "1"},
		{"of another stream", []string{jsonPush(jsonLine(at(3), "a")), `{"streams":[{"stream":{"app":"y"},"values":[` + jsonLine(at(3), "a") + `]}]}`}, 2, "0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, withStore(openStore(t)))
			for _, body := range tt.pushes {
				r.pushJSON(body).want(t, 204)
			}
			r.get("/loki/api/v1/query", "query", `sum(count_over_time({app=~".+"}[1m]))`).want(t, 200, `"`+strconv.Itoa(tt.want)+`"]`)
			r.get("/metrics").want(t, 200, `remora_server_push_lines_total{result="duplicate"} `+tt.repeated)
		})
	}
}

// What was deleted may come again, and one tenant's lines are no repeats of another's.
func TestLinesThatArriveAgainElsewhere(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	body := jsonPush(jsonLine(noon.Add(-time.Minute), "a"))
	count := func(want string) {
		t.Helper()
		r.get("/loki/api/v1/query", "query", `sum(count_over_time({app="x"}[1h])) or vector(0)`).want(t, 200, `"`+want+`"]`)
	}
	r.pushJSON(body, "X-Scope-OrgID", "other").want(t, 204)
	r.pushJSON(body).want(t, 204)
	count("1")
	r.do("POST", address("/loki/api/v1/delete", "query", `{app="x"}`, "start", "1"), nil).want(t, 204)
	count("0")
	r.pushJSON(jsonPush(jsonLine(noon.Add(-time.Minute), "a"), jsonLine(noon.Add(-time.Second), "b"))).want(t, 204)
	count("2")
}

// A request that comes again whole is known whole, though some of its lines have
// been forgotten meanwhile.
func TestARequestThatComesAgainLate(t *testing.T) {
	r := start(t, withStore(openStore(t)), withLimits(server.Limits{LineBytes: 1 << 20}))
	lines := func(app string, n int) string {
		var values []string
		for i := range n {
			values = append(values, jsonLine(noon.Add(-time.Duration(i+1)*time.Microsecond), app+strconv.Itoa(i)))
		}
		return `{"streams":[{"stream":{"app":"` + app + `"},"values":[` + strings.Join(values, ",") + `]}]}`
	}
	first := lines("x", 2000)
	r.pushJSON(first).want(t, 204)
	// Half of them are forgotten for these.
	r.pushJSON(lines("y", 45_000)).want(t, 204)
	r.pushJSON(first).want(t, 204)
	r.get("/loki/api/v1/query", "query", `sum(count_over_time({app="x"}[1m]))`).want(t, 200, `"2000"]`)
	r.get("/metrics").want(t, 200, `remora_server_push_lines_total{result="duplicate"} 2000`)
}
