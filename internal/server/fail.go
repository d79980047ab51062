package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/remora-ray/remora/internal/logql/exec"
	"github.com/remora-ray/remora/internal/logql/plan"
	"github.com/remora-ray/remora/internal/logql/syntax"
	"github.com/remora-ray/remora/internal/loki"
	"github.com/remora-ray/remora/internal/store"
)

// statusClientGone is what Loki answers, and logs show, where the client went
// away first.
const statusClientGone = 499

// httpError is an answer that a handler has decided on.
type httpError struct {
	status int
	msg    string
	retry  time.Duration // for Retry-After; 0: none
}

func (e *httpError) Error() string { return e.msg }

func failf(status int, format string, args ...any) error {
	return &httpError{status: status, msg: fmt.Sprintf(format, args...)}
}

func busyf(retry time.Duration, format string, args ...any) error {
	return &httpError{status: http.StatusServiceUnavailable, msg: fmt.Sprintf(format, args...), retry: retry}
}

// timeoutText is Loki's, to its first clause.
const timeoutText = "request timed out, decrease the duration of the request or add more label matchers, so that less is read"

// answerOf is the one map from errors to answers.
func answerOf(ctx context.Context, err error) *httpError {
	var (
		decided  *httpError
		syntaxed *syntax.Error
		planned  *plan.Error
		limited  *exec.LimitError
		param    *loki.ParamError
		large    *store.TooLargeError
		invalid  *store.InvalidError
		memory   *store.MemoryError
		body     *http.MaxBytesError
	)
	bad := func(msg string) *httpError { return &httpError{status: http.StatusBadRequest, msg: msg} }
	switch {
	case errors.As(err, &decided):
		return decided
	case errors.As(err, &syntaxed), errors.As(err, &planned), errors.As(err, &limited), errors.As(err, &param):
		return bad(err.Error())
	case errors.As(err, &large), errors.As(err, &invalid), errors.As(err, &memory), malformed(err):
		return bad(err.Error())
	case errors.As(err, &body):
		return &httpError{
			status: http.StatusRequestEntityTooLarge,
			msg:    fmt.Sprintf("request body is larger than the %d bytes allowed: send less at a time", body.Limit),
		}
	case errors.Is(err, store.ErrDiskFull):
		return &httpError{
			status: http.StatusServiceUnavailable, retry: 10 * time.Second,
			msg: err.Error() + ": nothing of this push was stored, send it again when there is room",
		}
	case errors.Is(err, store.ErrReadOnly):
		return &httpError{
			status: http.StatusServiceUnavailable, retry: 10 * time.Second,
			msg: err.Error() + ": nothing of this push was stored",
		}
	case errors.Is(ctx.Err(), context.Canceled):
		if errors.Is(context.Cause(ctx), errClosing) {
			return &httpError{status: http.StatusServiceUnavailable, msg: "server is shutting down", retry: time.Second}
		}
		return &httpError{status: statusClientGone, msg: "the request was cancelled by the client"}
	case errors.Is(err, context.DeadlineExceeded):
		return &httpError{status: http.StatusGatewayTimeout, msg: timeoutText}
	}
	return &httpError{status: http.StatusInternalServerError, msg: err.Error()}
}

var errClosing = errors.New("server is shutting down")

// fail writes the answer to an error: plain text, as Loki does.
func fail(w http.ResponseWriter, e *httpError) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	setRetry(w, e)
	w.WriteHeader(e.status)
	_, _ = w.Write(append([]byte(e.msg), '\n')) // the client may be gone
}

func setRetry(w http.ResponseWriter, e *httpError) {
	if e.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retry+time.Second-1)/time.Second)))
	}
}

// refuse answers 409 with the files that must go on from elsewhere.
func refuse(w http.ResponseWriter, e *store.RefusedError) error {
	body, err := json.Marshal(loki.Refused{Files: e.Files})
	if err != nil {
		return fmt.Errorf("encode refused files: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusConflict)
	_, _ = w.Write(body)
	return nil
}
