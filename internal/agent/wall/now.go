//go:build !clockstep

package wall

import "time"

// Now is the current time.
func Now() time.Time { return time.Now() }
