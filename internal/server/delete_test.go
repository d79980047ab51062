package server_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"
)

func TestDeleting(t *testing.T) {
	const path = "/loki/api/v1/delete"
	r := start(t, withStore(openStore(t)))
	var values []string
	for i, line := range []string{"keep old", "drop one", "drop two", "keep"} {
		values = append(values, jsonLine(noon.Add(time.Duration(i-4)*time.Minute), line))
	}
	push := func(tenant string) {
		r.pushJSON(jsonPush(values...), "X-Scope-OrgID", tenant).want(t, 204)
	}
	push("fake")
	push("other")
	seconds := func(ago time.Duration) string { return strconv.FormatInt(noon.Add(-ago).Unix(), 10) }
	r.do("GET", path, nil).want(t, 200, "[]")
	r.do("POST", address(path, "query", `{app="x"} |= "drop"`, "start", seconds(time.Hour), "end", seconds(3*time.Minute)), nil).want(t, 204)
	lines := r.get("/loki/api/v1/query_range", "query", `{app="x"}`)
	lines.want(t, 200, `"keep old"]`, `"drop two"]`, `"totalEntriesReturned":3,`)
	r.do("PUT", address(path, "query", `{app="x"} | detected_level="unknown"`, "start", noon.Add(-150*time.Second).Format(time.RFC3339)), nil).want(t, 204)
	r.get("/loki/api/v1/query_range", "query", `{app="x"}`).want(t, 200, `"keep old"]`, `"totalEntriesReturned":1,`)
	r.do("GET", address("/loki/api/v1/query_range", "query", `{app="x"}`), nil, "X-Scope-OrgID", "other").want(t, 200, `"totalEntriesReturned":4,`)
	r.do("GET", path, nil, "X-Scope-OrgID", "other").want(t, 200, "[]")

	r.do("POST", address(path, "query", `{app="x"} | pattern "<what> <when>" | when=~"ol."`, "start", "1"), nil).want(t, 204)
	r.get("/loki/api/v1/query_range", "query", `{app="x"}`).want(t, 200, `"totalEntriesReturned":0,`)
	var list []struct {
		ID      string `json:"request_id"`
		Start   int64  `json:"start_time"`
		End     int64  `json:"end_time"`
		Query   string `json:"query"`
		Status  string `json:"status"`
		Created int64  `json:"created_at"`
	}
	if err := json.Unmarshal([]byte(r.do("GET", path, nil).body), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 || list[0].Query != `{app="x"} |= "drop"` || list[0].Status != "processed" || list[0].Start != noon.Unix()-3600 || list[0].Created != noon.Unix() {
		t.Fatalf("requests are %+v", list)
	}
	r.do("DELETE", address(path, "request_id", list[0].ID), nil).want(t, 400, "already processed is not allowed")
	r.do("DELETE", address(path, "request_id", "nope"), nil).want(t, 404, "could not find delete request with given id")

	for want, params := range map[string][]string{
		"query not set":      {},
		"start time not set": {"query", "{}"},
		"invalid start time: require unix seconds or RFC3339 format": {"query", "{}", "start", "1.5"},
		"invalid end time":                                      {"query", "{}", "start", "1", "end", "17952624000"},
		"deletes in the future are not allowed":                 {"query", "{}", "start", "1", "end", "1795262401"},
		"start time can't be greater than or equal to end time": {"query", "{}", "start", "1795262400"},
		"invalid query expression: parse error":                 {"query", "{", "start", "1"},
		"lines are deleted by a log query":                      {"query", `rate({a="b"}[1m])`, "start", "1"},
		"invalid max_interval":                                  {"query", `{a="b"}`, "start", "1", "max_interval", "x"},
	} {
		r.do("POST", address(path, params...), nil).want(t, 400, want)
	}
	r.do("POST", address(path, "query", "{}", "start", "1"), nil, "X-Scope-OrgID", "a|b").want(t, 400, "multiple org IDs present")
}
