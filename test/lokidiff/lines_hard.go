package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// hard adds lines that are hard to read: what programs write that were not written
// with care, and what nobody writes on purpose.
func (m *maker) hard(tenant string) {
	texts := map[string][]string{
		"nested": nested, "pairs": pairs, "address": addresses, "boxed": boxed, "quirk": quirks, "shape": shapes,
	}
	for _, name := range []string{"nested", "pairs", "address", "boxed", "quirk", "shape"} {
		m.add(tenant, map[string]string{"app": name, "kind": "hard"}, m.spread(texts[name], nil))
	}
	m.long(tenant)
	m.labelled(tenant)
	m.amounts(tenant)
	m.crowd(tenant)
	m.tagged(tenant)
}

// nested is JSON, most of it.
var nested = []string{
	`{"a":[{"b":1},{"b":2}],"c":{"d":[1,2],"e":{"f":null,"g":true}},"h":[]}`,
	`{"ключ":{"под":"x"},"名":1,"é":"x","a-b":1,"a b":2,"":"no name","_":"u","__":"uu","1":"one","-":"dash","$":"d","a..b":1,"a\"b":"q","a\nb":"nl"}`,
	`{"\u0061":"written in escapes","\u00e9":"é","b":"\u0041\n\t\/\\\"\b\f\r"}`,
	`{"a":{"b":1},"a":{"b":2,"c":3},"a":4}`, `{"a_b":1,"a":{"b":2},"a.b":3,"a-b":4}`, `{"a":{"b":2},"a_b":1}`,
	`{"n":12345678901234567890,"m":1E5,"k":-0,"f":0.1e-7,"g":1.0,"h":1e+2,"i":-1.5E-3}`, `{"n":+1}`, `{"n":.5}`, `{"n":5.}`, `{"n":0x10}`, `{"n":NaN}`, `{"n":-}`, `{"n":1_000}`, `{"n":Infinity}`,
	`{"t":true,"f":false,"z":null,"T":True}`, `{"t":truex}`, `{"t":nul}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1 "b":2}`, `{"a" : 1 , "b" :2 ,"c": 3 }`, `{"a":1;"b":2}`, `{a:1}`, `{"a":"tab	in it"}`,
	"{\"a\":\"line\nin it\"}", "\t{\"a\":1}\n", "\ufeff{\"a\":1}", "{\"a\":1}\n{\"a\":2}", "\n{\n  \"a\": 1,\n  \"b\": {\n    \"c\": \"d\"\n  }\n}\n", `{"a":"\u00"}`, `{"a":"\ud83d\ude80","b":"\ud83d","c":"\ude80x","d":"\ud83dx"}`, `{"a":"\u0000b"}`,
	`{"a":"unclosed}`, `{"a":"x"`, `{"a":["x"}`, `{"a":[1,2}`, `{"a":{"b":1}`, `{"a":{"b":1}}}`, `{"a":1}}`, `{"a":"{\"b\":1}"}`, `{"a":"[1,2]","b":"level=error x=1"}`, `{"a":"","b":" ","c":"\t"}`,
	`[{"a":1}]`, `[[1],[2]]`, `[]`, `"text"`, `1`, `null`, `true`, `{"a":{"a":{"a":{"a":{"a":{"a":{"a":"deep"}}}}}}}`, `{"level":{"x":1},"msg":{"level":"error"}}`, `{"log":{"level":"warn"}}`, `{"log.level":"warn","severity":"x"}`,
	`{"app":"x","kind":"y","service_name":"z","detected_level":"critical","__line__":"l","__name__":"n"}`, `{"x":"a,b=c","y":"{}","z":"\"q\""}`, `{"a":"<b>&amp;</b>","u":"\u003c\u2028"}`,
	`{"ts":"2026-01-02T03:04:05Z","duration":"1m30s","size":"3KiB","float":1.25,"int":-7,"bool":"true","ip":"10.0.0.1"}`, `{"a":` + strings.Repeat(`{"b":`, 60) + `1` + strings.Repeat(`}`, 61),
	`{"a":` + strings.Repeat(`[`, 80) + strings.Repeat(`]`, 80) + `,"b":2}`, `{"` + strings.Repeat("k", 300) + `":1}`, `prefix {"a":1}`, `{"a":1} suffix`, `{"a":1} {"b":2}`, `{"a":1},{"b":2}`, "{\"a\":\"x\x01y\"}",
}

// pairs is logfmt, most of it.
var pairs = []string{
	`a='single quoted' b=2`, `a="x\"y" b=2`, `a="x\\" b="\n\t"`, `a=x,y b=[1,2] c={"x":1}`, `"a b"=c d=e`, `a =b`, `a= b`, `a = b`, `a=b=c d=e`, `a== b=1`, `a="" b='' c=`, "a=1\tb=2", "a=1\u00a0b=2", `a=🚀 🚀=b`, `a="🚀\u1F680"`,
	`a.b.c=1 a-b=2 a/b=3 a:b=4 a[0]=5`, `1a=1 -a=2 .a=3 _a=4`, `a=b;c=d`, `a=b,c=d`, "a=b\nc=d", "a=\"b\"\nc=\"d\"", "a=\"b\nc\" d=e", `a="b`, `a=b" c=d`, `a"b=c d=e`, `a="b"c="d"`, `a="b",c="d"`, "a=\x00 b=1", "a=x\x01y b=1", `level=info level=warn`, `level= severity=warn`,
	`msg=hello world x=1`, `time="2026-01-02T03:04:05Z" level=info msg="it's \"done\"" err="<nil>"`, `a=\ b=\n c="\q"`, `a="\/" b="\'"`, `a="\x41" b="\101"`, `a="\u00e9\u00E9" b="\U0001F680"`, `a=%20 b=100% c=$x`, `a=<b> c=&amp;`, `  a=1   b=2  `, `a`, `a b c`, `=a =b`, `a=1 =b c=2`, `"=1`, `""=1`, `a=""b`, `a="b"=c`,
	`ключ=значение 名="前 後" é=è`, `a=` + strings.Repeat("x", 600), strings.Repeat("k", 300) + `=1`, `app=inner kind=inner detected_level=error service_name=x`, `a=true b=false c=null d=nil`, `{"a":1} b=2`, `a={b=1} c=2`, `a=(b c) d=1`, "a=`tick tock` b=1", `a=1,b=2, c=3`, `ts=1.5 took=3s size=1KB ip=10.0.0.1 n=-1e3`,
	`a="tab	in" b=1`, `a="x` + "\x00" + `y" b=1`, `a="é" b=é`, `a=b\ c=d`, `a=1 a=2 a="" a=3`, `a= a=1`, `a a=1`, `A=1 a=2`, `a_b=1 a.b=2 a-b=3`, "\u2028a=1", "a=1\r\nb=2\r\n", "a=1\vb=2\fc=3",
}

// addresses are found in texts by filters for addresses.
var addresses = []string{
	"::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3.4/24", "01.02.03.04", "1.2.3", "1.2.3.4.5", "[2001:db8::1]:443", "x1.2.3.4y", "10.0.0.1,10.0.0.2", "10.0.0.255", "from 192.168.0.1 to 192.168.0.254", "256.1.1.1 1.1.1.1", "::", "::1", "a::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9",
	"2001:DB8::1", "2001:db8:0:0::1", "ip=10.1.1.1", `"ip":"10.1.1.1"`, "10.1.1.1.", "10.1.1.1:80", "10.1.1.1-10.1.1.5", "1.1.1.1 ", "0.0.0.0", "255.255.255.255", "1.1.1", "12:30:45", "beef", "face::", "ip=fe80::dead:beef", "1.2.3.4é", "é1.2.3.4", "1..2.3.4", "-1.2.3.4", "1.2.3.4 5.6.7.8 9.10.11.12", "deadbeef 1.2.3.4", "127.0.0.1]", "::ffff:10.0.0.1",
}

// boxed are lines in JSON, as promtail packs them.
var boxed = []string{
	`{"_entry":"plain","a":1}`, `{"_entry":"one","_entry":"two","a":"b"}`, `{"_entry":null,"a":"b"}`, `{"_entry":"","a":"b"}`, `{"a":"b","_entry":"x","app":"inner","kind":"inner"}`, `{"_entry":"{\"a\":\"in\"}","a":"out"}`, `{"_entry":"level=error msg=\"x y\"","level":"info"}`, `{"_entry":"x","a.b":"dot","9":"nine","é":"e"}`,
	`{"_entry":"\u00e9\ud83d\ude80\n","n":"\u0041"}`, `{"_entry":"x","a":"b"`, `{"_entry":"x","o":{"p":"q"},"l":["m"],"z":null,"t":true}`, ` {"_entry":"x"}`, `{"_entry" : "spaced" , "a" : "b" }`, `{"_ENTRY":"x","a":"b"}`, `{"a":"b","_entry":"x","a":"c"}`, `{"_entry":"x","detected_level":"error"}`, `{}`, `{"_entry":["x"]}`, `{"_entry":{"x":1}}`, `{"_entry":"x"} tail`, `{"_entry":"x","a":""}`, `{"_entry":"bad \q escape","a":"b"}`, `{"_entry":"x","a":"bad \q"}`,
}

// quirks are texts for filters, patterns and templates.
var quirks = []string{
	"aaa", "aaaa", "abab", "abcabc", "a b c d", "a  b", "<a><b>", "a=b=c", "[x] [y] z", "{{.app}}", "%s%d%%", "100%", "\\n", "\\\\", "$0 $1", "(unclosed", "[a-z", "*", "+?", "^start", "end$", "A\nB", "A\r\nB", "tab\tsep\tvalues", "CamelCaseText", "snake_case_text", "kebab-case-text", "UPPER lower MiXed", "ÄÖÜ äöü ß", "İstanbul ıi", "ǅ ǆ Ǆ", "K Å", "ſtop", "ﬁne", "e\u0301 é",
	"0", "-1", "1e3", "0x1F", "1,234.5", "١٢٣", "１２３", "NaN", "inf", "true", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05", "1700000000", "aGVsbG8=", "aGVsbG8", "%E7%94%A8", "%zz", "a+b", "a%20b", "<script>alert('x')</script>", "a&b", "\"quoted\"", "'quoted'", "`ticked`", "error error error", "no errors", "ERROR", "Error:", "errors", "terror", "level=error", "lvl=ERR", "[ERROR]", "E0102 glog", "W0102 glog", "CRITICAL: x", "fatal error", "FATAL", "panic:", "emerg", "alert", "notice", "Information", "dbg", "warn", "WARNING", "warned", "traceback", "trace", "debugging", "debug:", "information",
	"\U0001F468\u200D\U0001F469", "\u202Ertl", "\u0000", "a\u0000b", "\ufffd", " ", "  ", "\t", "\n", "x", "", "key: value", "a|b|c", "a,b,,c", "::a::b::", "…", "a…b",
}

// shapes are lines of a few patterns.
var shapes = []string{
	"GET /a 200 5ms", "GET /b 404 7ms", "POST /a?x=1 500 12ms", "GET /a", "GET", "", "GET  /a  200  5ms", "get /a 200 5ms", "GET /a 200 5ms extra", "xGET /a 200 5ms", "GET /a 200 5msGET /b 200 6ms", "[a] b: c", "[a]b: c", "[] : ", "a: b: c: d", "ab", "a", "b", "aXbXc", "XX", "X", "aX", "Xa",
	"用户 登录 200", "é è 200", "1.2.3.4 - - [x] \"GET / HTTP/1.1\" 200 1", "\t\t", "GET\t/a\t200", "GET /a 200\n5ms", "<_> <a>", "a <_> b",
}

// long adds long lines, and one that is as long as a line may be.
func (m *maker) long(tenant string) {
	m.add(tenant, map[string]string{"app": "long"}, m.spread([]string{
		strings.Repeat("word ", 2000), `{"a":"` + strings.Repeat("é", 10000) + `","b":1}`, "a=" + strings.Repeat("x", 60000) + " b=1", strings.Repeat("a=1 ", 3000) + "z=9", strings.Repeat("x", 256<<10),
	}, nil))
}

// labelled adds streams whose labels have values that must be quoted.
func (m *maker) labelled(tenant string) {
	for i, v := range []string{`quote"s`, `back\slash`, "new\nline", "tab\t", "ünï", "🚀", " lead", "trail ", `{x="y"}`, "a,b", "`tick`", "a|b", "$1", "100", "-1.5", "10s", "5KB", "true", ".*", "%", strings.Repeat("v", 1500)} {
		m.add(tenant, map[string]string{"app": "lab", "v": v, "n": fmt.Sprint(i)}, m.spread([]string{fmt.Sprintf("line %d", i), `{"v":"inner","n":5}`}, nil))
	}
}

// amounts adds numbers, durations and sizes in each way that they are written.
func (m *maker) amounts(tenant string) {
	for _, kind := range slices.Sorted(maps.Keys(amounts)) {
		var list []line
		for i, v := range amounts[kind] {
			at := m.at(int64(i) * int64(3*time.Minute)).UnixNano()
			list = append(list,
				line{at: at, text: fmt.Sprintf("v=%q w=%d", v, i)},
				line{at: at + int64(time.Second), text: fmt.Sprintf("in metadata w=%d", i), meta: map[string]string{"v": v}})
		}
		m.add(tenant, map[string]string{"app": "amount", "form": kind}, list)
	}
}

var amounts = map[string][]string{
	"number": {"1", "-1", "+1", "1.5", ".5", "5.", "1e3", "1E-3", "0x10", "0b11", "0o17", "017", "1_000", "1,000", "inf", "-Inf", "+inf", "Infinity", "nan", "NaN", " 5", "5 ", "1e400", "-0", "0", "five", "1.7976931348623157e308", "4.9e-324", "9007199254740993"},
	"time":   {"1s", "1.5h", "-5s", "+5s", "1d", "1w", "1h30m", "5", "0", "1µs", "1us", "1μs", "1ns", "1 s", "1S", "1m1m", ".5s", "5.s", "1h 30m", "3600s", "1y", "1e3s", "s", "1ms500us", "2562047h"},
	"size":   {"1KB", "1 KB", "1kb", "1KiB", "1K", "1k", "1.5GiB", "-1KB", "1e3B", "5", "5B", "5 B", "1,024", "1PB", "1EiB", "KB", "1 kib", "0", "1.B", "10 bytes", "1MB2KB", " 1KB", "1KB ", "1Mi", "1m"},
}

// crowd adds lines of one time in many streams, which arrive in any order.
func (m *maker) crowd(tenant string) {
	for s := range 4 {
		var list []line
		for i := range 12 {
			at := m.at(int64(i%3) * int64(20*time.Minute)).UnixNano()
			list = append(list, line{at: at, text: fmt.Sprintf("crowd n=%d", i%4), meta: map[string]string{"g": fmt.Sprint(i % 2)}})
		}
		m.rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		m.add(tenant, map[string]string{"app": "crowd", "s": fmt.Sprint(s)}, list)
	}
}

// tagged adds metadata with odd names and values.
func (m *maker) tagged(tenant string) {
	var list []line
	for i, meta := range []map[string]string{
		{"a.b": "dotted"},
		{"9x": "nine"},
		{"a-b": "dashed", "c": "d"},
		{"q": `quote"s and \ and ` + "\n"},
		{"e": ""},
		{"u": "用户 🚀"},
		{"app": "meta", "kind": "meta"},
		{"level": "WARN"},
		{"detected_level": "Fatal"},
		{"long": strings.Repeat("m", 5000)},
		{"n": "5", "took": "3s", "size": "2KB"},
		{"__line__": "mine"},
		{"service_name": "mine"},
		{"severity_number": "17"},
		{"a_b": "x", "a b": "y"},
		{"json": "word", "by": "word", "sum": "word"},
	} {
		list = append(list, line{at: m.at(int64(i) * int64(5*time.Minute)).UnixNano(), text: fmt.Sprintf(`{"a_b":"line","n":%d,"q":"line","level":"info"}`, i), meta: meta})
	}
	m.add(tenant, map[string]string{"app": "tagged"}, list)
}
