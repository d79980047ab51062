package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// followed makes n tails of the lines that come while they run, and of lines that were
// there before.
func followed(g *generator, n int) []*question {
	list := make([]*question, n)
	for i := range list {
		q := &question{name: fmt.Sprintf("made, tail/%d", i+1), path: tailPath, tenant: tenantLive, params: url.Values{}, headers: http.Header{}}
		query := `{app="live",n="$N"}`
		if g.IntN(4) == 0 {
			g.app = apps[g.IntN(3)]
			query, q.tenant = "{"+g.app.selector+"}", tenantOne
		}
		stages := make([]string, 1+g.IntN(3))
		for j := range stages {
			stages[j] = g.tailStage()
		}
		q.params.Set("query", query+" "+strings.Join(stages, " "))
		q.params.Set("start", fmt.Sprint(g.base.UnixNano()))
		q.params.Set("limit", g.pick("30", "7"))
		q.categorize = g.IntN(2) == 0
		list[i] = q
	}
	return list
}

func (g *generator) tailStage() string {
	return g.pick(
		`|= "live"`, `!= "not"`, `|~ "[0-9]"`, `!~ "(?i)LAST"`, `|= "失败" or "level"`, `|> "<_>=<_>"`,
		"| json", "| logfmt", "| logfmt --strict", "| json level, n", `| logfmt lvl="level"`, "| unpack", "| pattern `level=<level> <_>`", "| regexp `n=(?P<num>\\d+)`",
		`| level="error"`, `| user="ann"`, `| user!=""`, `| n_extracted > 1`, `| num >= 2`, `| detected_level=~"error|info"`, "| __error__=``", `| __error__!=""`,
		`| line_format "{{.app}}: {{__line__ | upper}}"`, `| line_format "{{.level}}"`, `| label_format x=user, y="{{.level}}"`, "| drop level, user", "| drop __error__", "| keep app, level", "| decolorize",
	)
}
