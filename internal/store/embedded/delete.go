package embedded

import (
	"context"
	"errors"

	"github.com/remora-ray/remora/internal/logs"
	"github.com/remora-ray/remora/internal/store/journal"
)

// Delete is not supported yet.
func (e *Engine) Delete(context.Context, string, logs.Selection) error {
	return errors.New("deleting lines is not supported yet")
}

func (e *Engine) replayDelete(*journal.Record) error {
	return errors.New("deleting lines is not supported yet")
}

// Snapshot is not supported yet.
func (e *Engine) Snapshot(context.Context, string) error {
	return errors.New("a snapshot of the store is not supported yet")
}

func (e *Engine) scanParts() error { return nil }
