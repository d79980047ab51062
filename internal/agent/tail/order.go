package tail

import "slices"

// Sighting is one name of a stream and the file it led to.
type Sighting struct {
	Path     string
	Rotation int // of the name: 0 is being written, 1 the generation before it, …
	Stat     Stat
	Head     []byte // first bytes, for files not known yet
}

// Known is a generation of the stream's chain, as Order needs it.
type Known struct {
	Key      Key
	Rotation int // of the name it was last seen by
	Begun    bool
	Cut      bool // it was cut: what it held is only in copies
	Head     Head
}

// Place is where a new file belongs in a chain.
type Place struct {
	Sighting int // index of the new file
	Before   int // insert before the known generation of that index; len(known) appends
	Copy     int // index of the known generation that it is a copy of, -1 for none
	Stray    bool
}

// Order tells where the new files among the sightings of one stream belong. A
// chain is oldest first, and the higher the rotation number the older the file:
//
//	older than generations none of which is begun → before the first such
//	older than a begun one, beginning with the same bytes → its copy (copy-truncate)
//	beginning as one that was cut did → its copy, seen late
//	older than a begun one, other bytes → a stray: a stream of its own
//	else → at the end
//
// A file seen by two names (it was renamed while we looked) counts by the older
// one. Empty files wait until they have bytes.
func Order(known []Known, seen []Sighting) []Place {
	var places []Place
	for i, s := range seen {
		if s.Stat.Size == 0 || isKnown(known, s.Stat.Key) || seenAgain(seen, i) {
			continue
		}
		places = append(places, place(known, s, i))
	}
	slices.SortStableFunc(places, func(a, b Place) int {
		if a.Before != b.Before {
			return a.Before - b.Before
		}
		return seen[b.Sighting].Rotation - seen[a.Sighting].Rotation
	})
	return places
}

func isKnown(known []Known, k Key) bool {
	return slices.ContainsFunc(known, func(g Known) bool { return g.Key == k })
}

func seenAgain(seen []Sighting, i int) bool {
	return slices.ContainsFunc(seen[i+1:], func(s Sighting) bool { return s.Stat.Key == seen[i].Stat.Key })
}

func place(known []Known, s Sighting, i int) Place {
	p := Place{Sighting: i, Before: len(known), Copy: -1}
	for j, g := range known {
		if g.Cut && g.Head.Len > 0 && g.Head.Matches(s.Head) {
			p.Copy = j
			continue
		}
		if g.Rotation >= s.Rotation {
			continue
		}
		switch {
		case g.Head.Len > 0 && g.Head.Matches(s.Head):
			p.Copy = j
		case g.Begun:
			p.Stray = true
		case p.Before == len(known):
			p.Before = j
		}
	}
	if p.Copy >= 0 {
		p.Stray = false
	}
	return p
}
