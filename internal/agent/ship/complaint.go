package ship

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Fault is a sort of reason for which a Loki refuses an entry; it labels metrics.
type Fault string

// The faults.
const (
	FaultFarBehind  Fault = "too-far-behind" // of the newest line of its stream
	FaultTooOld     Fault = "too-old"
	FaultTooNew     Fault = "too-new"
	FaultOutOfOrder Fault = "out-of-order"
	FaultLine       Fault = "line-too-long"
	FaultMetadata   Fault = "metadata"
	FaultLabels     Fault = "labels"
	FaultTenant     Fault = "tenant" // the tenant is not the agent's to name
	FaultOther      Fault = "other"

	faultRate Fault = "rate" // not a refusal for good
)

// faults are told apart by what Loki's messages say; the first that fits counts.
var faults = []struct {
	says  string
	fault Fault
}{
	{"rate limit", faultRate},
	{"active stream limit", faultRate},
	{"stream limit exceeded", faultRate},
	{"too far behind", FaultFarBehind},
	{"timestamp too old", FaultTooOld},
	{"timestamp too new", FaultTooNew},
	{"too far in the future", FaultTooNew},
	{"out of order", FaultOutOfOrder},
	{"max entry size", FaultLine},
	{"max line size", FaultLine},
	{"line too long", FaultLine},
	{"structured metadata", FaultMetadata},
	{"label", FaultLabels},
}

func faultOf(reason string) Fault {
	reason = strings.ToLower(reason)
	for _, f := range faults {
		if strings.Contains(reason, f.says) {
			return f.fault
		}
	}
	return FaultOther
}

// complaint is what a Loki wrote about a push of one stream, of which it took the
// rest.
type complaint struct {
	accounts []account
	reasons  []reason // of all accounts, and those that stand alone
}

// reason is one sentence about an entry, or about the stream.
type reason struct {
	text   string
	fault  Fault
	time   int64 // of the entry; 0 where it is not told
	oldest int64 // acceptable; 0 where it is not told
	limit  int   // longest line taken; 0 where it is not told
}

// account says that of so many entries so many were refused, and lists some.
type account struct {
	refused, total int
	listed         []reason
}

// Forms of Loki's messages. Entries that their stream does not take are told as
//
//	entry with timestamp T ignored, reason: 'R',
//	user 'u', total ignored: N out of M for stream: {a="b"}
//
// with ten of them listed at most. What is wrong with entries before they get to their
// stream is told as R alone, or as below, and then nothing is said of the former.
//
//	1 errors like: R; 2 errors like: R
const (
	markEntry  = "entry with timestamp "
	markReason = " ignored, reason: '"
	markTotal  = "total ignored: "
	markOutOf  = " out of "
	markStream = " for stream: "
)

// manyErrors stands before each reason of several.
var manyErrors = regexp.MustCompile(`(?:^|; )\d+ errors like: `)

// Bounds of what is read of a complaint.
const (
	maxReasons        = 256
	maxComplaintLines = 4096
	maxReason         = 1024
)

func readComplaint(text string) complaint {
	var c complaint
	var open []reason
	n := 0
	for line := range strings.Lines(text) {
		if n++; n > maxComplaintLines {
			break
		}
		line = strings.TrimSpace(line)
		if r, ok := readListed(line); ok {
			open = append(open, r)
			continue
		}
		if a, ok := readTotal(line); ok {
			a.listed, open = open, nil
			c.accounts, c.reasons = append(c.accounts, a), append(c.reasons, a.listed...)
			continue
		}
		for _, text := range manyErrors.Split(line, maxReasons) {
			if text != "" {
				c.reasons = append(c.reasons, readReason(text))
			}
		}
	}
	c.reasons = append(c.reasons, open...)
	return c
}

func readListed(line string) (reason, bool) {
	_, behind, ok := strings.Cut(line, markEntry)
	if !ok {
		return reason{}, false
	}
	stamp, text, ok := strings.Cut(behind, markReason)
	if !ok {
		return reason{}, false
	}
	r := readReason(strings.TrimSuffix(strings.TrimSuffix(text, ","), "'"))
	r.time = readTime(stamp)
	return r, true
}

func readTotal(line string) (a account, ok bool) {
	_, behind, ok := strings.Cut(line, markTotal)
	if !ok {
		return a, false
	}
	refused, behind, ok1 := strings.Cut(behind, markOutOf)
	total, _, ok2 := strings.Cut(behind, markStream)
	n, err1 := strconv.Atoi(refused)
	m, err2 := strconv.Atoi(total)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || n < 0 || n > m {
		return a, false
	}
	return account{refused: n, total: m}, true
}

func readReason(text string) reason {
	r := reason{text: strings.ToValidUTF8(text[:min(len(text), maxReason)], "?"), fault: faultOf(text)}
	r.oldest = timeAfter(text, "oldest acceptable timestamp is: ")
	for _, mark := range []string{"entry timestamp is: ", "timestamp too old: ", "timestamp too new: "} {
		if r.time == 0 {
			r.time = timeAfter(text, mark)
		}
	}
	if r.fault == FaultLine {
		r.limit = quotedNumber(text)
	}
	return r
}

// timeAfter reads the time that follows a mark, 0 where there is none.
func timeAfter(text, mark string) int64 {
	_, behind, ok := strings.Cut(text, mark)
	if !ok {
		return 0
	}
	if end := strings.IndexAny(behind, ",'\""); end >= 0 {
		behind = behind[:end]
	}
	return readTime(behind)
}

// readTime reads a time as Go prints it, or of RFC 3339; 0 where it is neither.
func readTime(s string) int64 {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02 15:04:05.999999999 -0700"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 1677 && t.Year() < 2262 {
			return t.UnixNano()
		}
	}
	return 0
}

// quotedNumber is the first number in single quotes, 0 where there is none.
func quotedNumber(text string) int {
	for {
		_, behind, ok := strings.Cut(text, "'")
		if !ok {
			return 0
		}
		digits, _, ok := strings.Cut(behind, "'")
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 {
			return n
		}
		text = behind
	}
}

// hits reports whether an entry of the same stream must have the fault that r tells
// of: it is as old, as new or as long, or it is the stream that is at fault.
func (r *reason) hits(it *item) bool {
	switch r.fault {
	case FaultFarBehind, FaultTooOld:
		return r.oldest != 0 && it.time < r.oldest || r.time != 0 && it.time <= r.time
	case FaultTooNew:
		return r.time != 0 && it.time >= r.time
	case FaultLine:
		return r.limit > 0 && it.lineLen() > r.limit
	case FaultLabels:
		return true
	}
	return false
}

func (r *reason) why() *EntryError { return &EntryError{r.fault, r.text} }
