package ray

import "time"

// clock reads time stamps in one zone. Ray writes the naive local time of its
// container; the start of the hour read last is kept, as nearly every line shares it.
type clock struct {
	zone     *time.Location
	hour     [13]byte // "2026-11-21 05"
	hourNano int64
	year     int // of the session; glog stamps have none
	month    time.Month
	earliest int64 // an earlier stamp is user text
}

// clockSlack is more than zones can differ: the session's name is in the head's
// zone, lines are in that of their node.
const clockSlack = 48 * time.Hour

func newClock(c Context) clock {
	k := clock{zone: c.Location}
	if k.zone == nil {
		k.zone = time.UTC
	}
	if s, ok := ParseSession(c.Session); ok {
		k.year, k.month = s.Started.Year(), s.Started.Month()
		k.earliest = s.Started.Add(-clockSlack).UnixNano()
	}
	return k
}

// stamp reads "2026-11-21 05:06:01,604" (also with T, a point, up to nine
// decimals, none, and a zone) at the start of b. n is the length read, 0 if b
// begins with no time.
func (k *clock) stamp(b []byte) (nano int64, n int) {
	if len(b) < 19 || b[4] != '-' || b[7] != '-' || (b[10] != ' ' && b[10] != 'T') || b[13] != ':' || b[16] != ':' {
		return 0, 0
	}
	minute, ok1 := twoDigits(b[14], b[15])
	second, ok2 := twoDigits(b[17], b[18])
	if !ok1 || !ok2 || minute > 59 || second > 60 {
		return 0, 0
	}
	frac, n := fraction(b)
	off, zoned, m := zoneSuffix(b[n:])
	if zoned {
		hour, ok := k.hourIn(b, time.UTC)
		if !ok {
			return 0, 0
		}
		return hour + int64(minute*60+second-off)*int64(time.Second) + frac, n + m
	}
	if string(k.hour[:10]) != string(b[:10]) || k.hour[11] != b[11] || k.hour[12] != b[12] || k.hour[0] == 0 {
		hour, ok := k.hourIn(b, k.zone)
		if !ok {
			return 0, 0
		}
		copy(k.hour[:], b[:13])
		k.hourNano = hour
	}
	return k.hourNano + int64(minute*60+second)*int64(time.Second) + frac, n
}

// hourIn is the start of the hour that b names.
func (k *clock) hourIn(b []byte, zone *time.Location) (int64, bool) {
	century, ok1 := twoDigits(b[0], b[1])
	year, ok2 := twoDigits(b[2], b[3])
	month, ok3 := twoDigits(b[5], b[6])
	day, ok4 := twoDigits(b[8], b[9])
	hour, ok5 := twoDigits(b[11], b[12])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || century < 19 || century > 21 ||
		month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 {
		return 0, false
	}
	return time.Date(century*100+year, time.Month(month), day, hour, 0, 0, 0, zone).UnixNano(), true
}

// glog reads gRPC's "1121 05:43:37.742374091" after the level letter. The year
// is the session's, or the next one after a New Year.
func (k *clock) glog(b []byte) (nano int64, n int) {
	if k.year == 0 || len(b) < 13 || b[4] != ' ' || b[7] != ':' || b[10] != ':' {
		return 0, 0
	}
	month, ok1 := twoDigits(b[0], b[1])
	day, ok2 := twoDigits(b[2], b[3])
	hour, ok3 := twoDigits(b[5], b[6])
	minute, ok4 := twoDigits(b[8], b[9])
	second, ok5 := twoDigits(b[11], b[12])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || month < 1 || month > 12 || day < 1 || day > 31 ||
		hour > 23 || minute > 59 || second > 60 {
		return 0, 0
	}
	year := k.year
	if time.Month(month) < k.month {
		year++
	}
	frac, n := decimals(b, 13)
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, k.zone).UnixNano() + frac, n
}

// plausible tells whether a stamp can be of this session.
func (k *clock) plausible(nano int64) bool { return nano > 0 && nano >= k.earliest }

func twoDigits(a, b byte) (int, bool) {
	a, b = a-'0', b-'0'
	return int(a)*10 + int(b), a < 10 && b < 10
}

// fraction reads what follows the seconds at b[19].
func fraction(b []byte) (nano int64, n int) { return decimals(b, 19) }

// decimals reads ",604" or ".742374091" at b[i:] as nanoseconds and returns the
// index behind it.
func decimals(b []byte, i int) (nano int64, n int) {
	if i+1 >= len(b) || (b[i] != ',' && b[i] != '.') || b[i+1]-'0' > 9 {
		return 0, i
	}
	unit := int64(time.Second)
	for i++; i < len(b) && b[i]-'0' <= 9; i++ {
		if unit > 1 {
			unit /= 10
			nano += int64(b[i]-'0') * unit
		}
	}
	return nano, i
}

// zoneSuffix reads "Z" or "+01:00" and gives the offset in seconds.
func zoneSuffix(b []byte) (seconds int, ok bool, n int) {
	if len(b) == 0 {
		return 0, false, 0
	}
	if b[0] == 'Z' && (len(b) == 1 || b[1] < 'A') {
		return 0, true, 1
	}
	if (b[0] != '+' && b[0] != '-') || len(b) < 6 || b[3] != ':' {
		return 0, false, 0
	}
	h, ok1 := twoDigits(b[1], b[2])
	m, ok2 := twoDigits(b[4], b[5])
	if !ok1 || !ok2 || h > 15 {
		return 0, false, 0
	}
	seconds = h*3600 + m*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, true, 6
}
