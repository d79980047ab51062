package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// made adds the lines that are made, of everything one in share.
func (m *maker) made(tenant string, share int) {
	for _, env := range []string{"prod", "dev"} {
		m.add(tenant, map[string]string{"app": "json", "env": env, "pod": "p-" + env}, m.spread(m.texts(240/share, m.json), m.meta))
		m.add(tenant, map[string]string{"app": "logfmt", "env": env}, m.spread(m.texts(240/share, m.logfmt), m.meta))
		m.add(tenant, map[string]string{"app": "web", "env": env, "cluster": "eu-1"}, m.spread(m.texts(120/share, m.access), nil))
	}
	for _, lang := range []string{"zh", "ja", "ko", "emoji"} {
		m.add(tenant, map[string]string{"app": "text", "lang": lang}, m.spread(foreign[lang], nil))
	}
	m.add(tenant, map[string]string{"app": "odd"}, m.spread(odd, nil))
	m.add(tenant, map[string]string{"app": "color"}, m.spread(colored, nil))
	m.add(tenant, map[string]string{"app": "packed"}, m.spread(packed, nil))
	m.equal(tenant, 40/share)
	m.late(tenant, 60/share)
	m.counter(tenant, 200/share)
	m.measures(tenant, 300/share)
	m.clashes(tenant)
	m.once(tenant)
}

func (m *maker) texts(n int, one func(i int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = one(i)
	}
	return out
}

func pick[T any](m *maker, list ...T) T { return list[m.rnd.IntN(len(list))] }

// meta is structured metadata: none, one or two labels.
func (m *maker) meta(i int) map[string]string {
	switch i % 4 {
	case 0:
		return nil
	case 1:
		return map[string]string{"trace_id": fmt.Sprintf("%08x", m.rnd.Uint32())}
	case 2:
		return map[string]string{"pod": fmt.Sprintf("meta-%d", i%3), "user": pick(m, "ann", "bob")}
	}
	return map[string]string{"user": pick(m, "ann", "bob", "李")}
}

var levels = []string{"debug", "info", "info", "info", "warn", "error"}

func (m *maker) json(i int) string {
	switch i % 17 {
	case 3:
		return `{"level":"error","msg":"cut off","status":50`
	case 7:
		return "not json at all, level=warn"
	case 11:
		return `{"level":"info","level":"debug","app":"inner","env":"inner","pod":"inner","a.b":"dotted","a":{"b":"nested"},"9x":"nine","ключ":"v","sp ace":"s","empty":""}`
	case 13:
		return `["list",1,2]`
	}
	b, _ := json.Marshal(map[string]any{
		"level": pick(m, levels...), "msg": pick(m, "request done", "connection reset by peer", "用户登录成功", "retry \"quoted\""),
		"status": pick(m, 200, 200, 201, 404, 500), "latency": pick(m, "12ms", "1.5s", "250µs", "3m", "oops"), "size": pick(m, "1KB", "2MiB", "512", "7.5kB", "big"),
		"dur_s": m.rnd.Float64() * 3, "n": m.rnd.IntN(2000) - 1000, "ok": i%2 == 0, "none": nil,
		"req":  map[string]any{"method": pick(m, "GET", "POST", "PUT"), "path": pick(m, "/", "/api/v1/push", "/登录"), "hdr": map[string]any{"x-id": i}},
		"tags": []any{"a", map[string]any{"k": "v"}, 3},
	})
	return string(b)
}

func (m *maker) logfmt(i int) string {
	switch i % 19 {
	case 4:
		return `level=error msg="not closed status=500`
	case 8:
		return `=novalue level=warn a b= c="" "quoted"=key d==e msg=x"y`
	case 12:
		return `level=info level=debug app=inner env=inner user=inner 9x=nine sp.ot=dot ключ=v`
	case 16:
		return "plain words only"
	}
	return fmt.Sprintf(`ts=%d level=%s caller=main.go:%d msg=%q status=%d latency=%s size=%s n=%d ratio=%g ip=10.0.%d.%d ok=%t`,
		i, pick(m, levels...), i, pick(m, "request done", "disk \"full\"", "タスクが失敗しました", "a=b c=d"), pick(m, 200, 404, 500),
		pick(m, "12ms", "1.5s", "1h2m", "x"), pick(m, "1KB", "2MiB", "512B", "y"), m.rnd.IntN(100), float64(m.rnd.IntN(1000))/8,
		m.rnd.IntN(4), m.rnd.IntN(256), i%3 == 0)
}

func (m *maker) access(i int) string {
	ip := pick(m, "192.168.4.5", "10.1.2.3", "172.16.0.9", "2001:db8::1", "::1", "1.1.1.1")
	if i%11 == 5 {
		ip = "-"
	}
	return fmt.Sprintf(`%s - %s [%s] "%s %s HTTP/1.1" %d %d "%s" %.3f`, ip, pick(m, "-", "frank", "eve"),
		m.at(int64(i)*int64(time.Minute)).UTC().Format("02/Jan/2006:15:04:05 -0700"), pick(m, "GET", "POST", "DELETE"),
		pick(m, "/index.html", "/a?x=1&y=%20z", "/static/app.js", "/用户/1"), pick(m, 200, 301, 404, 503), m.rnd.IntN(100000), pick(m, "curl/8.1", "Mozilla/5.0 (X11)"), m.rnd.Float64())
}

// foreign are needles whole and inside words.
var foreign = map[string][]string{
	"zh":    {"任务失败", "任务失败了,正在重试任务", "用户登录成功:张三", "错误:磁盘已满", "level=error 连接被重置", "数据库连接超时 timeout=30s", "失败", "《任务》失败。", "一二三四五六七八九十"},
	"ja":    {"タスクが失敗しました", "失敗", "タスク", "接続エラー: タイムアウト", "ユーザーがログインしました", "半角カナ タスク", "エラーエラーエラー", "日本語と英語のmixed text", "がぎぐ (decomposed: が)"},
	"ko":    {"작업이 실패했습니다", "실패", "사용자 로그인 성공", "오류: 디스크 가득 참", "연결이 재설정되었습니다", "level=warn 재시도 중", "한국어와English혼합"},
	"emoji": {"🚀 launched", "deploy🚀done", "👨‍👩‍👧‍👦 family", "❤️ heart", "❤ heart", "ok ✅ fail ❌", "🇩🇪🇫🇷", "a🚀b🚀c", "naïve café É é", "𝒳 math", "ÀÉÎ straße STRASSE ſ K"},
}

var odd = []string{
	"", " ", "a", "tab\there", "two\nlines", "quote\" back\\slash `tick`", "<html>&amp;</html>", "nul\x00byte", "{", "{}", "[]", `""`, "null", "42", "true",
	` {"a":1}`, `["a"]`, `a="\x" b=1`, `a="\u12" b`, `a="x"b c=d`, `a="x"=b`, `a="\ud83d" b="\u00e9"`, `{"a":"\x"}`, `{"a":1,"o":{"b":2`, `{"o":{"b":2},"o_b":3}`,
	"=", "==", "a=", "=b", "a=b", `a="b`, `{"a":`, `{"a":1}{"b":2}`, `{"a":1} tail`, `{"a":{"b":{"c":{"d":1}}}}`, `{"a":[1,[2,{"b":3}]]}`, `{"u":"\u00e9\ud83d\ude80\ud83d"}`,
	`{"n":1e400,"m":-0.0,"k":01}`, `{"a":tru}`, `{'a':1}`, "ERROR upper", "Warning: mixed", "fatal", "TRACE x", "an informational text", "error in the middle", "levelerror", "critical",
	"a.b.c.d", "1.2.3.4", "1.2.3.4:80", "[::1]:80", "256.1.1.1", "foo  bar   baz", "%d %s", "$1 ${x}", "(?i)x", ".*", "[a-z]+", "line with trailing space ", " leading",
	"duration 5m bytes 10KB", "x=1 x=2 x=3", "k=v;k2=v2", "\u200bzero width", "very " + "long long long long long long long long long long long long line",
}

var colored = []string{
	"\x1b[31mred\x1b[0m plain", "\x1b[1;32mlevel=info\x1b[0m msg=\x1b[33mhello\x1b[0m", "no colour", "\x1b[38;5;196mdeep\x1b[39m", "\x1b]8;;http://x\x07link\x1b]8;;\x07", "\x1b[2K\x1b[1Gclear", "\x1b(B odd \x1b",
}

var packed = []string{
	`{"pod":"pod-1","level":"info","_entry":"the line"}`, `{"_entry":"level=warn x=1","n":1,"app":"inner"}`, `{"pod":"pod-2"}`, `{"_entry":5,"a":"b"}`, "not packed", `{"_entry":"a \"quoted\" 行","obj":{"x":1},"a":"b"}`,
	`{"a":"b","_entry":"","c":"d"}`, `[1]`, `{"a":"b"`, ``,
}

// equal has many lines of one time, in one stream and over streams.
func (m *maker) equal(tenant string, n int) {
	for s := range 3 {
		var list []line
		for i := range n {
			at := m.at(int64(i/8) * int64(10*time.Minute)).UnixNano()
			list = append(list, line{at: at, text: fmt.Sprintf("equal %d of stream %d n=%d", i, s, i)})
		}
		m.add(tenant, map[string]string{"app": "equal", "s": fmt.Sprint(s)}, list)
	}
}

// late arrives in any order, each line with a time within an hour of the newest.
func (m *maker) late(tenant string, n int) {
	var list []line
	for i := range n {
		list = append(list, line{at: m.at(int64(20*time.Minute) + int64(i)*int64(50*time.Minute)/int64(n)).UnixNano(), text: fmt.Sprintf("late n=%d", i)})
	}
	m.rnd.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	m.add(tenant, map[string]string{"app": "late"}, list)
}

// counter counts up and begins anew now and then.
func (m *maker) counter(tenant string, n int) {
	for _, host := range []string{"h1", "h2"} {
		count := 0
		texts := m.texts(n, func(i int) string {
			if count += m.rnd.IntN(9); i%67 == 66 {
				count = 0
			}
			return fmt.Sprintf("total=%d host=%s", count, host)
		})
		m.add(tenant, map[string]string{"app": "counter", "host": host}, m.spread(texts, nil))
	}
}

// measures have numbers as structured metadata, on whole seconds, so that lines
// lie on the edges of windows.
func (m *maker) measures(tenant string, n int) {
	var list []line
	for i := range n {
		at := m.at(int64(i) * int64(20*time.Second)).UnixNano()
		meta := map[string]string{"ms": fmt.Sprint(m.rnd.IntN(500)), "took": pick(m, "1s", "250ms", "2m"), "bytes": pick(m, "10KB", "1MiB", "77B"), "route": pick(m, "/a", "/b", "/c")}
		if i%23 == 5 {
			meta["ms"] = pick(m, "none", "", "1e3", "-5", "NaN", "+Inf", "0x10")
		}
		list = append(list, line{at: at, text: fmt.Sprintf("measured %d", i), meta: meta})
	}
	m.add(tenant, map[string]string{"app": "measure"}, list)
}

// clashes have labels of one name in several places.
func (m *maker) clashes(tenant string) {
	var list []line
	for i, meta := range []map[string]string{nil, {"kind": "meta"}, {"kind": "meta", "free": "meta"}, {"kind_extracted": "meta"}, {"free_extracted": "meta", "free": "meta"}} {
		for j, text := range []string{`{"kind":"line","free":"line","other":"line"}`, `{"kind_extracted":"line","free_extracted":"line"}`, `kind=line free=line other=line`} {
			list = append(list, line{at: m.at(int64(i*3+j)*int64(5*time.Minute)).UnixNano() + 1, text: text, meta: meta})
		}
	}
	m.add(tenant, map[string]string{"app": "clash", "kind": "stream"}, list)
}

// once is a stream of few lines, and so is twice, of which some arrive twice, as
// after a retry.
func (m *maker) once(tenant string) []line {
	list := m.spread(m.texts(10, func(i int) string { return fmt.Sprintf("once %d", i) }), nil)
	m.add(tenant, map[string]string{"app": "once"}, list)
	return list
}

func (m *maker) twice() {
	list := m.once(tenantRetry)
	m.add(tenantRetry, map[string]string{"app": "once"}, slices.Clone(list[4:7]))
	again := slices.Clone(list)
	again[3].text = "another at the same time"
	again[5].meta = map[string]string{"user": "ann"}
	m.add(tenantRetry, map[string]string{"app": "once"}, again)
	m.add(tenantRetry, map[string]string{"app": "same"}, slices.Concat(list[:2], list[:2]))
}
