package loki

import "github.com/remora-ray/remora/internal/logs"

// metadataOf makes a set of pairs in the order in which they were sent; it is made in
// their place. Of several names that become one when they are cleaned
// (logs.CleanName), the last counts; where that is empty, a pair that has the name
// already is not there either. So it is in Loki.
func metadataOf(pairs []logs.Label) logs.Labels {
	var last map[string]int // by the name that it becomes
	for i, l := range pairs {
		if name := logs.CleanName(l.Name); name != l.Name {
			if last == nil {
				last = make(map[string]int)
			}
			last[name] = i
		}
	}
	if last == nil {
		return logs.Normalize(pairs)
	}
	empty := make(map[string]bool)
	for name, i := range last {
		empty[name] = pairs[i].Value == ""
	}
	kept := pairs[:0]
	for i, l := range pairs {
		name := logs.CleanName(l.Name)
		if name == l.Name && !empty[name] || name != l.Name && last[name] == i {
			kept = append(kept, l)
		}
	}
	return logs.Normalize(kept)
}
