// Package tail decides what to do next with a file that is being followed, and
// knows by what a file is recognised again.
//
// Invariant: the decisions (Next, Order) are pure functions of what was seen;
// only file.go touches the disk.
package tail

// Cursor is where reading of one generation of a file stands.
type Cursor struct {
	Offset int64 // bytes taken: whole lines, or pieces of a split one
	Seen   int64 // bytes looked at, ≥ Offset: what lies between is a half line
}

// State is what was last seen of the generation.
type State struct {
	Size    int64
	Open    bool // a descriptor is held
	Lost    bool // no descriptor is held and no name leads to it any more
	Changed bool // the bytes before Offset are no longer the ones that were read
	Ended   bool // its writer has ended: renamed and succeeded, deleted, session closed, or we stop
}

// Action is what to do next.
type Action uint8

// The actions.
const (
	Wait    Action = iota // nothing to do until something happens
	Open                  // get a descriptor
	Read                  // read from Offset on
	Flush                 // take the half line as a line: its end will not come
	Advance               // all taken: go on with the next generation
	Restart               // the file was cut and begun anew: what is there now is another generation
	Abandon               // the bytes from Offset on cannot be had: tell the gap and go on
)

func (a Action) String() string {
	return [...]string{"wait", "open", "read", "flush", "advance", "restart", "abandon"}[a]
}

// Next decides. The first row that matches counts:
//
//	Changed or Size < Offset | Size > Seen | Offset < Seen | Lost | Ended | Open | action
//	-------------------------+-------------+---------------+------+-------+------+--------
//	yes                      |             |               |      |       |      | Restart
//	                         | yes         |               | yes  |       |      | Abandon
//	                         | yes         |               |      |       | no   | Open
//	                         | yes         |               |      |       | yes  | Read
//	                         |             | yes           | yes  |       |      | Abandon
//	                         |             | yes           |      | yes   | no   | Open
//	                         |             | yes           |      | yes   | yes  | Flush
//	                         |             | no            | yes  |       |      | Advance
//	                         |             | no            |      | yes   |      | Advance
//	otherwise                |             |               |      |       |      | Wait
func Next(c Cursor, s State) Action {
	more, half := s.Size > c.Seen, c.Offset < c.Seen
	switch {
	case s.Changed || s.Size < c.Offset:
		return Restart
	case (more || half) && s.Lost:
		return Abandon
	case more && !s.Open, half && s.Ended && !s.Open:
		return Open
	case more:
		return Read
	case half && s.Ended:
		return Flush
	case !half && (s.Lost || s.Ended):
		return Advance
	default:
		return Wait
	}
}
