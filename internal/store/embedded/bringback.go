package embedded

import (
	"errors"
	"fmt"

	"github.com/remora-ray/remora/internal/store/journal"
)

// After a kill the journal's tail is judged before the store is open, so that what
// is appended is judged right. Its lines are brought into the engine while pushes are
// taken; questions, checkpoints and deletions wait for them.

// takeUp begins to apply what is appended, and brings back what the journal holds from
// position from on.
func (e *Engine) takeUp(r *replay, from int64) error {
	end := e.journal.End()
	e.back = make(chan struct{})
	if !r.judging || r.deletes || r.records == 0 {
		// What a deletion is to leave must not be there before it.
		defer close(e.back)
		if err := e.bringBack(r, from, end); err != nil {
			return err
		}
		e.progress.start(end)
		e.startWorkers()
		if r.records > 0 && e.cfg.Outgrown == nil {
			e.checkpointSoon() // it waits for the disk, lines are served meanwhile
		}
		return nil
	}
	e.progress.start(from)
	e.progress.begin(end)
	e.startWorkers()
	e.watching.Go(func() {
		defer close(e.back)
		if err := e.bringBack(r, from, end); err != nil {
			e.backErr = fmt.Errorf("bring lines of the journal into the store: %w", err)
			e.log.Error("lines of the journal are not in the store: it answers no questions until it is opened again", "dir", e.cfg.Dir, "error", err)
			e.progress.fail(e.backErr)
			return
		}
		e.progress.done(end)
		e.checkpointSoon()
	})
	return nil
}

// bringBack adds what the engine has not of the records that were judged.
func (e *Engine) bringBack(r *replay, from, end int64) error {
	if err := e.step("bring back"); err != nil {
		return err
	}
	if r.judging {
		records := len(r.judged)
		r.judging, r.records = false, 0
		err := e.journal.Read(from, end, func(rec *journal.Record, end int64) error {
			if r.records == records {
				return errors.New("the journal has more records than before")
			}
			if rec.Kind != kindPush {
				r.judged = r.judged[1:]
			}
			return r.record(rec, end)
		})
		if err != nil {
			return err
		}
		if r.records != records {
			return fmt.Errorf("the journal had %d records and has %d", records, r.records)
		}
	}
	if err := r.finish(); err != nil {
		return err
	}
	if r.records > 0 && e.cfg.Outgrown == nil {
		e.log.Info("lines of the journal are in the store again", "records", r.records, "lines", r.lines, "added", r.added)
	}
	return nil
}

// waitBack returns when the lines of the last process are in the engine, or why they
// are not.
func (e *Engine) waitBack() error {
	<-e.back
	return e.backErr
}
