package server_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/remora-ray/remora/internal/server"
)

// A client that asks for much and takes nothing of it is cut, and the query's
// place is free again.
func TestAClientThatDoesNotReadIsCut(t *testing.T) {
	r := start(t, withLimits(server.Limits{AnswerStall: 50 * time.Millisecond}))
	var values []string
	for i := range 120 {
		values = append(values, jsonLine(noon.Add(-time.Duration(i+1)*time.Millisecond), strings.Repeat("x", 200_000)))
	}
	r.pushJSON(jsonPush(values...)).want(t, 204)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", address("/loki/api/v1/query_range", "query", `{app="x"}`, "limit", "200"))
	eventually(t, func() bool {
		return strings.Contains(r.log.String(), "status=200") && strings.Contains(r.log.String(), "write answer: ")
	})
	r.get("/loki/api/v1/query_range", "query", `{app="x"}`, "limit", "1").want(t, 200)
}
