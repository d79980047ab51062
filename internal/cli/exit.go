package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remora-ray/remora/internal/client"
)

// The exit statuses of every command.
const (
	statusDone     = 0
	statusFailed   = 1
	statusUsage    = 2
	statusNotFound = 3
)

// usageError is a mistake in how the command was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// notFoundError says that what was asked for by name is not there.
type notFoundError struct{ err error }

func (e *notFoundError) Error() string { return e.err.Error() }
func (e *notFoundError) Unwrap() error { return e.err }

func notFoundf(format string, args ...any) error { return &notFoundError{fmt.Errorf(format, args...)} }

// hinted is an error with the way out on lines of its own.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

// exitStatus is the one map from errors to exit statuses.
func exitStatus(err error) int {
	var usage *usageError
	var missing *notFoundError
	var status *client.StatusError
	switch {
	case err == nil:
		return statusDone
	case errors.As(err, &usage):
		return statusUsage
	case errors.As(err, &missing):
		return statusNotFound
	case errors.As(err, &status) && status.Status == http.StatusBadRequest:
		return statusUsage // the server says that the question is wrong
	default:
		return statusFailed
	}
}

// hint says what to do about an error, or "".
func hint(cmd *cobra.Command, err error) string {
	var own *hinted
	var usage *usageError
	var unreachable *client.UnreachableError
	var status *client.StatusError
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.As(err, &usage):
		return fmt.Sprintf("see %q", cmd.CommandPath()+" --help")
	case errors.As(err, &unreachable):
		return "is a server running there? start one with \"remora up\", or name another with --addr or REMORA_ADDR"
	case errors.As(err, &status) && status.Status == http.StatusUnauthorized:
		return "give the token of a user with --token-file or REMORA_TOKEN"
	case errors.As(err, &status) && status.Status == http.StatusForbidden:
		return "the token may not name this tenant: see --tenant"
	case errors.As(err, &status) && status.Status == http.StatusNotFound:
		return "is this the address of a Remora server? see --addr"
	}
	return ""
}

// report tells the user about err and returns the exit status.
func (a *app) report(cmd *cobra.Command, err error) int {
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		a.notice("%s: interrupted", cmd.CommandPath())
	default:
		a.notice("%s: %s", cmd.CommandPath(), strings.TrimSpace(err.Error()))
		if h := hint(cmd, err); h != "" {
			a.notice("  %s", h)
		}
	}
	return exitStatus(err)
}

// exactly, atLeast check the count of arguments and name what is missing.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < n:
			return usagef("needs %s", what)
		case len(args) > n:
			return usagef("takes %s and nothing else, but got also %q", what, args[n])
		}
		return nil
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef("needs %s", what)
		}
		return nil
	}
}
