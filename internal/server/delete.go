package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// deletions answers /loki/api/v1/delete: POST and PUT ask to delete lines, GET
// lists what was asked, DELETE would take a request back.
func (s *Server) deletions(w http.ResponseWriter, r *request) error {
	switch r.Method {
	case http.MethodPost, http.MethodPut:
		return s.deleteLines(w, r)
	case http.MethodDelete:
		return s.cancelDeletion(w, r)
	}
	list, err := s.store.Deletions(r.tenants[0])
	if err != nil {
		return err
	}
	body, err := json.Marshal(listed(list))
	if err != nil {
		return err
	}
	return replyAbout(w, r, body)
}

// listedDeletion is a request as Loki lists it; times are whole seconds, as logcli
// reads no others.
type listedDeletion struct {
	ID      string `json:"request_id"`
	Start   int64  `json:"start_time"`
	End     int64  `json:"end_time"`
	Query   string `json:"query"`
	Status  string `json:"status"`
	Created int64  `json:"created_at"`
}

func listed(list []store.Deletion) []listedDeletion {
	out := []listedDeletion{}
	seconds := func(ns int64) int64 { return ns / 1e9 }
	for _, d := range list {
		status := "received"
		if d.Done {
			status = "processed"
		}
		out = append(out, listedDeletion{d.ID, seconds(d.Start), seconds(d.End), d.Query, status, seconds(d.Created)})
	}
	return out
}

func (s *Server) deleteLines(w http.ResponseWriter, r *request) error {
	if err := s.form(w, r); err != nil {
		return err
	}
	query := strings.TrimSpace(r.Form.Get("query"))
	if query == "" {
		return failf(http.StatusBadRequest, "query not set")
	}
	sel, match, err := s.deletable(query)
	if err != nil {
		return err
	}
	if sel.Start, sel.End, err = s.deletedTime(r); err != nil {
		return err
	}
	err = s.bounded(r, func(ctx context.Context) error { return s.store.Delete(ctx, r.tenants[0], sel, query, match) })
	s.repeats.forget()
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deletable reads the query of lines to delete: what the store selects, and where
// there is more to it, what a selected line must pass.
func (s *Server) deletable(query string) (sel logs.Selection, match func(*logs.Record) bool, err error) {
	if query == everything {
		return sel, nil, nil
	}
	bad := func(err error) error { return failf(http.StatusBadRequest, "invalid query expression: %v", err) }
	e, err := syntax.Parse(query)
	if err != nil {
		return sel, nil, bad(err)
	}
	node, err := plan.New(e)
	if err != nil {
		return sel, nil, bad(err)
	}
	l, ok := node.(*plan.Log)
	if !ok {
		return sel, nil, failf(http.StatusBadRequest, "invalid query expression: lines are deleted by a log query")
	}
	if len(l.Stages) == 0 {
		return l.Selection, nil, nil
	}
	p, err := s.engine.Prepare(query)
	if err != nil {
		return sel, nil, bad(err)
	}
	return p.Selection(), func(r *logs.Record) bool {
		_, ok := p.Process(r)
		return ok
	}, nil
}

// deletedTime reads start and end, which is now unless given. The end's second
// is deleted too.
func (s *Server) deletedTime(r *request) (start, end int64, err error) {
	text := r.Form.Get("start")
	if text == "" {
		return 0, 0, failf(http.StatusBadRequest, "start time not set")
	}
	start, ok := secondsOrRFC3339(text)
	if !ok {
		return 0, 0, failf(http.StatusBadRequest, "invalid start time: require unix seconds or RFC3339 format")
	}
	now := s.now()
	end = now.UnixNano()
	if text := r.Form.Get("end"); text != "" {
		if end, ok = secondsOrRFC3339(text); !ok {
			return 0, 0, failf(http.StatusBadRequest, "invalid end time: require unix seconds or RFC3339 format")
		}
	}
	switch {
	case end > now.UnixNano():
		return 0, 0, failf(http.StatusBadRequest, "deletes in the future are not allowed")
	case start >= end:
		return 0, 0, failf(http.StatusBadRequest, "start time can't be greater than or equal to end time")
	}
	if text := r.Form.Get("max_interval"); text != "" {
		// Loki splits requests by it; here one does it all.
		if _, err := time.ParseDuration(text); err != nil {
			return 0, 0, failf(http.StatusBadRequest, "invalid max_interval: valid time units are 's', 'm', 'h'")
		}
	}
	return start, end + 1, nil
}

var wholeSeconds = regexp.MustCompile(`^\d{1,10}$`)

func secondsOrRFC3339(text string) (int64, bool) {
	if wholeSeconds.MatchString(text) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n == 0 || n > (1<<63-1)/int64(time.Second) { // 0 is none, as in Loki
			return 0, false
		}
		return n * int64(time.Second), true
	}
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		return 0, false
	}
	n, err := loki.ParseTime(text)
	return n, err == nil
}

// cancelDeletion says why nothing can be taken back: lines go at once.
func (s *Server) cancelDeletion(w http.ResponseWriter, r *request) error {
	if err := s.form(w, r); err != nil {
		return err
	}
	list, err := s.store.Deletions(r.tenants[0])
	if err != nil {
		return err
	}
	id := r.Form.Get("request_id")
	for _, d := range list {
		if d.ID == id {
			return failf(http.StatusBadRequest, "deletion of request which is in process or already processed is not allowed")
		}
	}
	return &httpError{status: http.StatusNotFound, msg: errNoDeletion.Error()}
}

var errNoDeletion = errors.New("could not find delete request with given id")
