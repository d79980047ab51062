package syntax

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/remora-ray/remora/internal/logs"
)

// sameTree compares trees without their positions.
var sameTree = cmp.Options{cmpopts.IgnoreTypes(Pos{}), cmpopts.EquateNaNs()}

func checkRoundTrip(t *testing.T, query string) {
	t.Helper()
	tree, err := Parse(query)
	if err != nil {
		t.Fatalf("Parse(%s): %v", query, err)
	}
	printed := tree.String()
	again, err := Parse(printed)
	if err != nil {
		t.Fatalf("query %s\nprinted as %s\nis not understood: %v", query, printed, err)
	}
	if diff := cmp.Diff(tree, again, sameTree); diff != "" {
		t.Fatalf("query %s\nprinted as %s\nhas another tree:\n%s", query, printed, diff)
	}
	// What is formatted may be rounded, but it is a query again, unless a number
	// in it is none.
	formatted := Format(tree)
	if _, err := Parse(formatted); err != nil && !strings.Contains(formatted, "NaN") && !strings.Contains(formatted, "Inf") {
		t.Fatalf("query %s\nformatted as %s\nis not understood: %v", query, formatted, err)
	}
}

// TestRoundTrip prints and parses again random queries of the whole grammar.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(5_000) {
		g := generator{Rand: rand.New(rand.NewPCG(seed, 1))}
		checkRoundTrip(t, g.query())
	}
}

func FuzzParse(f *testing.F) {
	for seed := range uint64(300) {
		g := generator{Rand: rand.New(rand.NewPCG(seed, 2))}
		f.Add(g.query())
	}
	for _, c := range parseErrors {
		f.Add(c.query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		_, err := Parse(query)
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("error %v is no *Error", err)
		}
		if err == nil {
			checkRoundTrip(t, query)
		}
	})
}

var parseErrors = []struct{ query, want string }{
	{``, `parse error : syntax error: unexpected $end`},
	{`count_over_time(({a="b"} | logfmt - [1h]))`, `parse error at line 1, col 35: syntax error: unexpected -`},
	{`count_over_time(({a="b"} | logfmt [1h] 5))`, `parse error at line 1, col 40: syntax error: unexpected NUMBER, expecting )`},
	{`{a="b"} | duration(a)`, `parse error at line 1, col 11: syntax error: unexpected DURATION_CONV`},
	{`sum_over_time({a="b"} | (c>5 | unwrap n [5m])`, `parse error at line 1, col 30: syntax error: unexpected |`},
	{`max by (bytes (rate({a="b"}[5m])))`, `parse error at line 1, col 9: syntax error: unexpected BYTES_CONV, expecting IDENTIFIER or )`},
	{`vector(1) + on (a) group_left (vector(1))`, `parse error at line 1, col 32: syntax error: unexpected VECTOR, expecting IDENTIFIER or )`},
	{`vector(1) + on (a) group_right ((a) vector(1))`, `parse error at line 1, col 33: syntax error: unexpected (, expecting IDENTIFIER or )`},
	{`{a="b"} | or="x"`, `parse error at line 1, col 11: syntax error: unexpected or`},
	{`{a="b"} | a="x" or = "y"`, `parse error at line 1, col 20: syntax error: unexpected =, expecting IDENTIFIER or (`},
	{`{a="b"} | (a="x" and == 5)`, `parse error at line 0, col 22: syntax error: unexpected ==, expecting IDENTIFIER or (`},
	{`{a="b"} | a="x" or or="y"`, `parse error at line 1, col 20: syntax error: unexpected or, expecting IDENTIFIER or (`},
	{`   # only a comment`, `parse error at line 1, col 20: syntax error: unexpected $end`},
	{`{`, `parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER or }`},
	{`{app}`, `parse error at line 1, col 5: syntax error: unexpected }, expecting = or =~ or !~ or !=`},
	{`{app=a}`, `parse error at line 1, col 6: syntax error: unexpected IDENTIFIER, expecting STRING`},
	{`{app="a"`, `parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,`},
	{`{app="a" env="b"}`, `parse error at line 1, col 10: syntax error: unexpected IDENTIFIER, expecting } or ,`},
	{`{app="a",}`, `parse error at line 1, col 10: syntax error: unexpected }, expecting IDENTIFIER`},
	{`{a.b="c"}`, `parse error at line 1, col 3: syntax error: unexpected ., expecting = or =~ or !~ or !=`},
	{`{app="a"} |= b`, `parse error at line 1, col 14: syntax error: unexpected IDENTIFIER, expecting STRING or ip`},
	{`{app="a"} |`, `parse error at line 1, col 12: syntax error: unexpected $end`},
	{`{app="a"} foo`, `parse error at line 1, col 11: syntax error: unexpected IDENTIFIER`},
	{"{app=\"a\"}\n  |= \"x\"\n  | jsn", `parse error at line 3, col 8: syntax error: unexpected $end`},
	{`{app="a"} |= "x`, `parse error at line 1, col 14: literal not terminated`},
	{"{app=\"a\"} |= `x", `parse error at line 1, col 14: literal not terminated`},
	{`{app="a"} |= "\y"`, `parse error at line 1, col 14: invalid char escape`},
	{`{}`, `parse error : ` + emptyCompatible},
	{`{app=~".*"}`, `parse error : ` + emptyCompatible},
	{`{app=~"("}`, "parse error : error parsing regexp: missing closing ): `(`"},
	{`{app="a"} |~ "("`, "parse error : stage '|~ \"(\"' : error parsing regexp: missing closing ): `(`"},
	{`{app="a"} |~ ip("1.2.3.4")`, `parse error : stage '|~ ip("1.2.3.4")' : ip: invalid operation`},
	{`{app="a"} |= ip("nonsense")`, `parse error : stage '|= ip("nonsense")' : ip: invalid pattern: "nonsense"`},
	{`{app="a"} |> "<name>"`, `parse error : stage '|> "<name>"' : named captures are not allowed: found '<name>'`},
	{`{app="a"} |> "<_><_>"`, `parse error : stage '|> "<_><_>"' : found consecutive capture '<_><_>': invalid expression`},
	{`{app="a"} | pattern "no capture"`, `parse error : invalid pattern parser: at least one capture is required`},
	{`{app="a"} | pattern "<a> <a>"`, `parse error : invalid pattern parser: duplicate capture name (a): invalid expression`},
	{`{app="a"} | regexp "x"`, `parse error : invalid regexp parser: at least one named capture must be supplied`},
	{`{app="a"} | regexp "(?P<a>x)(?P<a>y)"`, `parse error : invalid regexp parser: duplicate extracted label name 'a'`},
	{`{app="a"} | json a="b["`, `parse error : stage '| json a="b["' : cannot parse expression [b[]: syntax error: unexpected $end, expecting STRING or INDEX`},
	{`{app="a"} | logfmt --what`, `parse error at line 1, col 22: syntax error: unexpected IDENTIFIER, expecting NUMBER`},
	{`{app="a"} | label_format a=b, a=c`, `parse error : stage '| label_format a=b,a=c' : multiple label name 'a' not allowed in a single format operation`},
	{`{app="a"} | label_format __error__=b`, `parse error : stage '| label_format __error__=b' : __error__ cannot be formatted`},
	{`{app="a"} | x > "5"`, `parse error at line 1, col 17: syntax error: unexpected STRING`},
	{`{app="a"} | x =~ 5`, `parse error at line 1, col 18: syntax error: unexpected NUMBER, expecting STRING`},
	{`{app="a"} | unwrap x`, `parse error at line 1, col 13: syntax error: unexpected unwrap`},
	{`rate({app="a"})`, `parse error at line 1, col 15: syntax error: unexpected )`},
	{`rate({app="a"}[5x])`, `parse error at line 0, col 15: unknown unit "x" in duration "5x"`},
	{`rate({app="a"}[5m:1m])`, `parse error at line 0, col 15: unknown unit "m:" in duration "5m:1m"`},
	{`rate({app="a"}[5m)`, `parse error at line 0, col 15: missing closing ']' in duration`},
	{`rate({app="a"}[5m][5m])`, `parse error at line 0, col 19: syntax error: unexpected RANGE, expecting )`},
	{`rate {app="a"}[5m]`, `parse error at line 1, col 1: syntax error: unexpected IDENTIFIER`},
	{`sum_over_time({app="a"}[5m])`, `parse error : invalid aggregation sum_over_time without unwrap`},
	{`count_over_time({app="a"} | unwrap x [5m])`, `parse error : invalid aggregation count_over_time with unwrap`},
	{`sum_over_time({app="a"} | unwrap x [5m]) by (a)`, `parse error : grouping not allowed for sum_over_time aggregation`},
	{`quantile_over_time({app="a"} | unwrap x [5m])`, `parse error : parameter required for operation quantile_over_time`},
	{`rate(1, {app="a"}[5m])`, `parse error : parameter 1 not supported for operation rate`},
	{`rate({app="a"} | unwrap nope(x) [5m])`, `parse error at line 1, col 29: syntax error: unexpected (, expecting RANGE or |`},
	{`topk(rate({app="a"}[5m]))`, `parse error : parameter required for operation topk`},
	{`topk(0, rate({app="a"}[5m]))`, `parse error : invalid parameter (must be greater than 0) topk(0`},
	{`topk(1.5, rate({app="a"}[5m]))`, `parse error : invalid parameter topk(1.5,`},
	{`sum(2, rate({app="a"}[5m]))`, `parse error : unsupported parameter for operation sum(2,`},
	{`sort by (a) (rate({app="a"}[5m]))`, `parse error : sort and sort_desc doesn't allow grouping by `},
	{`sum({app="a"})`, `parse error at line 1, col 14: syntax error: unexpected )`},
	{`sum(1)`, `parse error : ` + emptyCompatible},
	{`{app="a"} + 1`, `parse error : unexpected type for left leg of binary operation (+): *syntax.MatchersExpr`},
	{`1 + {app="a"}`, `parse error : unexpected type for right leg of binary operation (+): *syntax.MatchersExpr`},
	{`1 and vector(1)`, `parse error : unexpected literal for left leg of logical/set binary operation (and): 1.000000`},
	{`vector(1) or 1`, `parse error : unexpected literal for right leg of logical/set binary operation (or): 1.000000`},
	{`count_values("x", rate({app="a"}[5m]))`, `parse error at line 1, col 1: syntax error: unexpected IDENTIFIER`},
}

func TestParseErrors(t *testing.T) {
	for _, c := range parseErrors {
		e, err := Parse(c.query)
		if err == nil {
			err = CheckStages(e)
		}
		if err == nil {
			t.Errorf("Parse(%s) has no error, want %s", c.query, c.want)
		} else if err.Error() != c.want {
			t.Errorf("Parse(%s)\n got %s\nwant %s", c.query, err, c.want)
		}
	}
}

// TestPrint shows how queries are read: each is printed with what was implied.
func TestPrint(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"{ app = `a` }|=\"x\"", `{app="a"} |= "x"`},
		{`{a="b"} | json | c="d" or e="f" and g="h"`, `{a="b"} | json | c="d" or e="f" and g="h"`},
		{`{a="b"} | (c="d" or e="f") and g="h"`, `{a="b"} | (c="d" or e="f") and g="h"`},
		{`{a="b"} | c="d", e=5 f<5m`, `{a="b"} | c="d" and e==5 and f<5m`},
		{`{a="b"} | (c="d", (e=5 f<5m))`, `{a="b"} | c="d" and (e==5 and f<5m)`},
		{`{a="b"} | json != "x"`, `{a="b"} | json != "x"`},
		{`{a="b"} | json = "x"`, `{a="b"} | (json="x")`},
		{`{sum="x", by="y", offset="z"} | offset >= 100`, `{sum="x", by="y", offset="z"} | offset>=100`},
		{`RATE({a="b"}[5m] OFFSET 1m |= "x")`, `rate({a="b"} |= "x" [5m] offset 1m)`},
		{`sum(rate({a="b"}[5m])) by (c)`, `sum by (c) (rate({a="b"} [5m]))`},
		{`1 + 2 * 3 ^ 2 ^ 2 - 1`, `1 + 2 * 3 ^ 2 ^ 2 - 1`},
		{`(1 + 2) * 3 - (1 - 1)`, `(1 + 2) * 3 - (1 - 1)`},
		{`(2 ^ 2) ^ 2`, `(2 ^ 2) ^ 2`},
		{`{a="b"} | json x, y="z[0].w"`, `{a="b"} | json x="x", y="z[0].w"`},
		{`{a="b"} | size > 1.5KiB and took < 1.5m`, `{a="b"} | size>1536B and took<1m30s`},
	} {
		e, err := Parse(c.query)
		if err != nil {
			t.Errorf("Parse(%s): %v", c.query, err)
		} else if got := e.String(); got != c.want {
			t.Errorf("Parse(%s)\nprints %s\nwant   %s", c.query, got, c.want)
		}
		checkRoundTrip(t, c.query)
	}
}

// TestFormat has what Loki's format_query answers.
func TestFormat(t *testing.T) {
	for query, want := range map[string]string{
		`sum by (level) (rate({app="a", env="b"} |= "x" | json | took > 1s [5m])) / 2 > bool 1`: `((sum by (level)(rate({app="a", env="b"} |= "x" | json | took>1s[5m])) / 2) > bool 1)`,
		`sum by (level) (rate({app="a", env="b"} |= "a rather long needle" != "other" | json | took > 1s | line_format "{{.message}}" [5m])) / on (level) group_left (x) sum by (level) (rate({app="a"} | unwrap bytes(size) | size > 1KB [5m] offset 1h))`: `  sum by (level)(
    rate(
      {app="a", env="b"}
        |= "a rather long needle" != "other"
        | json
        | took>1s
        | line_format "{{.message}}" [5m]
    )
  )
/ on (level) group_left (x)
  sum by (level)(rate({app="a"} | unwrap bytes(size) | size>1.0kB[5m] offset 1h0m0s))`,
		`{a="b"} | c="d", e=5 or f<90s | g=~"x+" != "y" or "z"`: "{a=\"b\"} | ( ( c=\"d\" , e==5 ) or f<1m30s ) | g=~`x+` != \"y\" != \"z\"",
		`1 + 2 * vector(0.5)`: `(1 + (2 * vector(0.500000)))`,
		`2 ^ 3 - 1`:           `7`,
	} {
		e, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, Format(e)); diff != "" {
			t.Errorf("%s\n-want +got\n%s", query, diff)
		}
	}
}

// TestPositions checks that nodes know where they stand.
func TestPositions(t *testing.T) {
	e, err := Parse("sum(\n  rate({app=\"a\"} | json | é=\"x\" |= \"y\" [1m])\n) > 1")
	if err != nil {
		t.Fatal(err)
	}
	b := e.(*Binary)
	r := b.L.(*VectorAgg).Expr.(*RangeAgg)
	stages := r.Range.Query.Stages
	for _, c := range []struct {
		name string
		got  Pos
		want string
	}{
		{">", b.Pos(), "3:3"},
		{"rate", r.Pos(), "2:3"},
		{"json", stages[0].Pos(), "2:20"},
		{"|=", stages[2].Pos(), "2:33"},
	} {
		if got := itoa(c.got.Line) + ":" + itoa(c.got.Col); got != c.want {
			t.Errorf("%s stands at %s, want %s", c.name, got, c.want)
		}
	}
}

// TestHostile feeds queries that are made to exhaust stack or memory. What is
// allocated for one bounds the work as well: each token, node and step of an
// expression's compiler takes some.
func TestHostile(t *testing.T) {
	for name, query := range map[string]string{
		"parentheses":       strings.Repeat("(", MaxQueryBytes),
		"sums":              strings.Repeat("sum(", MaxQueryBytes/4),
		"range parentheses": "rate(" + strings.Repeat("(", MaxQueryBytes-10),
		"filters":           `{a="b"} | ` + strings.Repeat("(", MaxQueryBytes-10),
		"chain":             strings.Repeat("1+", MaxQueryBytes/2) + "1",
		"powers":            strings.Repeat("1^", MaxQueryBytes/2-1) + "1",
		"filter chain":      `{a="b"} | a="b"` + strings.Repeat(` a=1`, MaxQueryBytes/4-10),
		"too long":          `{a="` + strings.Repeat("b", MaxQueryBytes) + `"}`,
		"repeats":           `{a=~"` + strings.Repeat("(a{100}){100}", 100) + `"}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Parse(query); err == nil {
			t.Errorf("%s: no error", name)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1000*MaxQueryBytes {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func TestParseSelector(t *testing.T) {
	ms, err := ParseSelector(`{a="b", c!~"d|e"}`)
	if err != nil || len(ms) != 2 || ms[1].Op != logs.NotRegexp || ms[1].Value != "d|e" {
		t.Errorf("got %+v, %v", ms, err)
	}
	if ms, err := ParseSelector(`{}`); err != nil || len(ms) != 0 {
		t.Errorf("{}: %+v, %v", ms, err)
	}
	if _, err := ParseSelector(`{a="b"} |= "x"`); err == nil {
		t.Error("a pipeline is no selector")
	}
}
