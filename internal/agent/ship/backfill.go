package ship

import (
	"errors"
	"fmt"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

func (b *Backfill) check() error {
	errs := []error{between("backfill.window", b.Window, time.Minute, 14*24*time.Hour)}
	if b.Label != "" && !logs.ValidName(b.Label) {
		errs = append(errs, fmt.Errorf("backfill.label %q is not a label's name: letters, digits and _, no digit first", b.Label))
	}
	return errors.Join(errs...)
}
