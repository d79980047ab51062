package server_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is asked of several tenants tells whose it is, and can be narrowed by it.
func TestSeveralTenants(t *testing.T) {
	r := start(t, withStore(openStore(t)))
	for _, tenant := range []string{"a", "b"} {
		body := jsonPush(jsonLine(noon.Add(-1e9), "line of "+tenant))
		r.pushJSON(body, "X-Scope-OrgID", tenant).want(t, 204)
	}
	const both = "a|b"
	mark := `"__tenant_id__":`
	stream := func(tenant string) string {
		return `{"stream":{` + mark + `"` + tenant + `","app":"x","detected_level":"unknown","service_name":"x"},"values":[["1795262399000000000","line of ` + tenant + `"]]}`
	}
	streams := func(list string) string {
		return `{"status":"success","data":{"resultType":"streams","result":[` + list + `]}}`
	}
	series := func(tenant string) string { return `{` + mark + `"` + tenant + `","app":"x","service_name":"x"}` }
	tests := []struct {
		name, path string
		params     []string
		want       string
	}{
		{"lines", "query_range", []string{"query", `{app="x"}`}, streams(stream("a") + "," + stream("b"))},
		{"lines of one by a matcher", "query_range", []string{"query", `{app="x",__tenant_id__="b"}`}, streams(stream("b"))},
		{"lines of one by a regexp", "query_range", []string{"query", `{app="x",__tenant_id__!~"b|c"}`}, streams(stream("a"))},
		{"no stage sees the tenant, as in a Loki", "query_range", []string{"query", `{app="x"} | __tenant_id__="b"`}, streams("")},
		{"lines of none", "query_range", []string{"query", `{app="x",__tenant_id__="c"}`}, streams("")},
		{
			"counts by tenant", "query",
			[]string{"query", `sum by (__tenant_id__) (count_over_time({app="x"}[1m]))`},
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{` + mark + `"a"},"value":[1795262400,"1"]},{"metric":{` + mark + `"b"},"value":[1795262400,"1"]}]}}`,
		},
		{"a count over all", "query", []string{"query", `sum(count_over_time({app="x"}[1m]))`}, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1795262400,"2"]}]}}`},
		{"names", "labels", nil, `{"status":"success","data":["__tenant_id__","app","service_name"]}`},
		{"tenants", "label/__tenant_id__/values", nil, `{"status":"success","data":["a","b"]}`},
		{"lists know no tenants, as in a Loki: values", "label/app/values", []string{"query", `{app="x",__tenant_id__="a"}`}, `{"status":"success"}`},
		{"series", "series", []string{"match[]", `{app="x"}`}, `{"status":"success","data":[` + series("a") + `,` + series("b") + `]}`},
		{"series of one", "series", []string{"match[]", `{app="x",__tenant_id__="b"}`}, `{"status":"success","data":[]}`},
		{"size", "index/stats", []string{"query", `{app="x"}`}, `{"streams":2,"chunks":2,"bytes":18,"entries":2}`},
		{"size of one", "index/stats", []string{"query", `{app="x",__tenant_id__="b"}`}, `{"streams":0,"chunks":0,"bytes":0,"entries":0}`},
		{
			"volumes tell no tenant", "index/volume",
			[]string{"query", `{app="x"}`, "aggregateBy", "labels"},
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"app":""},"value":[1795262400,"18"]},{"metric":{"service_name":""},"value":[1795262400,"18"]}]}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.do("GET", address("/loki/api/v1/"+tt.path, tt.params...), nil, "X-Scope-OrgID", both)
			got.want(t, 200)
			if d := cmp.Diff(decoded(t, tt.want), withoutStats(decoded(t, got.body))); d != "" {
				t.Errorf("answer differs (-want +got):\n%s", d)
			}
		})
	}
	r.do("GET", address("/loki/api/v1/query_range", "query", `{__tenant_id__="b"}`), nil, "X-Scope-OrgID", both).
		want(t, 400, "log selector is invalid after matcher update: parse error : queries require at least one")
}
