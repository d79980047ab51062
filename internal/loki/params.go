package loki

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-ray/remora/internal/logs"
)

// Parameters of the query endpoints and their defaults, as Loki reads them.
const (
	defaultSince  = time.Hour
	defaultLimit  = 100
	maxStepPoints = 11_000
)

// ParamError is a parameter that cannot be used: a user's mistake. Its text is
// Loki's, as people and programs know it.
type ParamError struct{ Text string }

func (e *ParamError) Error() string { return e.Text }

// ErrEndBeforeStart is a range of time that ends before it begins.
var ErrEndBeforeStart = &ParamError{Text: "end timestamp must not be before or equal to start time"}

func paramError(format string, args ...any) error {
	return &ParamError{Text: fmt.Sprintf(format, args...)}
}

// RangeParams are the parameters of query_range. Times are Unix nanoseconds.
type RangeParams struct {
	Query      string
	Start, End int64
	Step       int64 // ns, > 0
	Interval   int64 // ns, 0: every line
	Limit      int
	Direction  logs.Direction
}

// ParseRangeParams reads the parameters of query_range.
func ParseRangeParams(v url.Values, now time.Time) (RangeParams, error) {
	p := RangeParams{Query: v.Get("query")}
	var err error
	if p.Start, p.End, err = ParseTimeRange(v, now); err != nil {
		return p, err
	}
	if p.Step, err = parseStep(v.Get("step"), p.End-p.Start); err != nil {
		return p, err
	}
	if text := v.Get("interval"); text != "" {
		if p.Interval, err = ParseStep(text); err != nil {
			return p, paramError("%v", err)
		}
		if p.Interval < 0 {
			return p, paramError("interval must be >= 0")
		}
	}
	if p.Limit, err = ParseLimit(v, defaultLimit); err != nil {
		return p, err
	}
	p.Direction, err = ParseDirection(v.Get("direction"))
	return p, err
}

// InstantParams are the parameters of query.
type InstantParams struct {
	Query     string
	Time      int64
	Limit     int
	Direction logs.Direction
}

// ParseInstantParams reads the parameters of query.
func ParseInstantParams(v url.Values, now time.Time) (InstantParams, error) {
	p := InstantParams{Query: v.Get("query"), Time: now.UnixNano()}
	var err error
	if text := v.Get("time"); text != "" {
		if p.Time, err = ParseTime(text); err != nil {
			return p, paramError("%v", err)
		}
	}
	if p.Limit, err = ParseLimit(v, defaultLimit); err != nil {
		return p, err
	}
	p.Direction, err = ParseDirection(v.Get("direction"))
	return p, err
}

// ParseTimeRange reads start, end and since: end is now unless given, start is
// since (an hour) before end, or before now where end lies in the future.
func ParseTimeRange(v url.Values, now time.Time) (start, end int64, err error) {
	end = now.UnixNano()
	if text := v.Get("end"); text != "" {
		if end, err = ParseTime(text); err != nil {
			return 0, 0, paramError("could not parse 'end' parameter: %v", err)
		}
	}
	since := int64(defaultSince)
	if text := v.Get("since"); text != "" {
		if since, err = ParseDuration(text); err != nil {
			return 0, 0, paramError("could not parse 'since' parameter: %s", durationFault(text))
		}
	}
	start = min(end, now.UnixNano()) - since
	if text := v.Get("start"); text != "" {
		if start, err = ParseTime(text); err != nil {
			return 0, 0, paramError("could not parse 'start' parameter: %v", err)
		}
	}
	if end < start {
		return 0, 0, ErrEndBeforeStart
	}
	if end-start < 0 {
		return 0, 0, paramError("start and end are further apart than 292 years")
	}
	return start, end, nil
}

// ParseLimit reads limit.
func ParseLimit(v url.Values, byDefault int) (int, error) { return ParseCount(v, "limit", byDefault) }

// ParseCount reads a positive number by the name that it has.
func ParseCount(v url.Values, name string, byDefault int) (int, error) {
	text := v.Get(name)
	if text == "" {
		return byDefault, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil {
		return 0, paramError("strconv.Atoi: parsing %s: %v", quoteShort(text), errors.Unwrap(err))
	}
	if limit <= 0 {
		return 0, paramError("limit must be a positive value")
	}
	return limit, nil
}

// ParseDirection reads forward or backward in any case; "" is backward.
func ParseDirection(text string) (logs.Direction, error) {
	switch strings.ToLower(text) {
	case "", "backward":
		return logs.Backward, nil
	case "forward":
		return logs.Forward, nil
	}
	return 0, paramError("invalid direction '%s'", short(text))
}

// ParseTime reads a time: seconds with a point (the fraction to the millisecond),
// seconds of at most ten digits, nanoseconds, or RFC 3339. It returns Unix
// nanoseconds.
func ParseTime(text string) (int64, error) {
	if strings.Contains(text, ".") {
		if sec, err := strconv.ParseFloat(text, 64); err == nil {
			whole, frac := math.Modf(sec)
			// The negation refuses NaN as well.
			if !(math.Abs(whole) < math.MaxInt64/1e9) {
				return 0, outOfRange(text)
			}
			return int64(whole)*1e9 + int64(math.Round(frac*1000))*1e6, nil
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		if len(text) <= 10 {
			if n > math.MaxInt64/int64(time.Second) {
				return 0, outOfRange(text)
			}
			return n * 1e9, nil
		}
		return n, nil
	}
	if errors.Is(err, strconv.ErrRange) {
		return 0, outOfRange(text)
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, fmt.Errorf("strconv.ParseInt: parsing %s: invalid syntax", quoteShort(text))
	}
	if sec := t.Unix(); sec < -9_223_372_035 || sec > 9_223_372_035 {
		return 0, outOfRange(text)
	}
	return t.UnixNano(), nil
}

func outOfRange(text string) error {
	return fmt.Errorf("strconv.ParseInt: parsing %s: value out of range", quoteShort(text))
}

// ParseQueryStep reads the step of a query over a range of so many nanoseconds.
func ParseQueryStep(v url.Values, rangeNS int64) (int64, error) {
	return parseStep(v.Get("step"), rangeNS)
}

// parseStep reads the step of a range query that is rangeNS long.
func parseStep(text string, rangeNS int64) (int64, error) {
	step := max(rangeNS/int64(250*time.Second), 1) * int64(time.Second)
	if text != "" {
		var err error
		if step, err = ParseStep(text); err != nil {
			return 0, paramError("%v", err)
		}
	}
	if step <= 0 {
		return 0, paramError("zero or negative query resolution step widths are not accepted. Try a positive integer")
	}
	if rangeNS/step > maxStepPoints {
		return 0, paramError("exceeded maximum resolution of 11,000 points per time series. " +
			"Try increasing the value of the step parameter")
	}
	return step, nil
}

// ParseStep reads seconds such as 1.5 or a duration such as 5m, in nanoseconds.
func ParseStep(text string) (int64, error) {
	if sec, err := strconv.ParseFloat(text, 64); err == nil {
		ns := sec * float64(time.Second)
		if !(math.Abs(ns) < math.MaxInt64) {
			return 0, fmt.Errorf("cannot parse %s to a valid duration. It overflows int64", quoteShort(text))
		}
		return int64(ns), nil
	}
	return ParseDuration(text)
}

type durationUnit struct {
	unit string
	ns   int64
}

var durationUnits = []durationUnit{
	{"y", int64(365 * 24 * time.Hour)},
	{"w", int64(7 * 24 * time.Hour)},
	{"d", int64(24 * time.Hour)},
	{"h", int64(time.Hour)},
	{"m", int64(time.Minute)},
	{"s", int64(time.Second)},
	{"ms", int64(time.Millisecond)},
}

// ParseDuration reads a duration as Prometheus writes it: whole numbers with the
// units y w d h m s ms, each at most once and in this order; or a plain 0.
func ParseDuration(text string) (int64, error) {
	if text == "0" {
		return 0, nil
	}
	rest, total, units := text, int64(0), durationUnits
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		letters := len(rest[digits:]) - len(strings.TrimLeft(rest[digits:], "ywdhms"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		unit := rest[digits : digits+letters]
		for len(units) > 0 && units[0].unit != unit {
			units = units[1:]
		}
		if err != nil || len(units) == 0 {
			return 0, notADuration(text)
		}
		if n > (math.MaxInt64-total)/units[0].ns {
			return 0, notADuration(text)
		}
		total += n * units[0].ns
		units, rest = units[1:], rest[digits+letters:]
	}
	if text == "" {
		return 0, notADuration(text)
	}
	return total, nil
}

// durationFault says in Prometheus' words what is wrong with a duration: a number,
// then all that is no digit as its unit.
func durationFault(text string) string {
	for rest := text; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		end := digits
		for end < len(rest) && (rest[end] < '0' || rest[end] > '9') {
			end++
		}
		unit := rest[digits:end]
		if digits == 0 || unit == "" {
			break
		}
		if !slices.ContainsFunc(durationUnits, func(u durationUnit) bool { return u.unit == unit }) {
			return fmt.Sprintf("unknown unit %s in duration %s", quoteShort(unit), quoteShort(text))
		}
		rest = rest[end:]
	}
	return "not a valid duration string: " + quoteShort(text)
}

func notADuration(text string) error {
	return fmt.Errorf("cannot parse %s to a valid duration", quoteShort(text))
}

// short cuts text for an error message.
func short(text string) string {
	if len(text) > 64 {
		return strings.ToValidUTF8(text[:64], "") + "…"
	}
	return text
}
