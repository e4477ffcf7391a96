package customer

import (
	"time"
)

// layouts are what JavaScript's Date reads and people send. Those without a zone are UTC, as dates
// are in JavaScript; the reference took date-times without one for its server's local time.
func layouts() []string {
	return []string{
		time.RFC3339Nano, "2006-01-02", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04",
		"2006-01-02T15:04Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02 15:04", "2006-01", "2006/01/02", "01/02/2006", time.RFC1123, time.RFC1123Z,
		"2 Jan 2006", "Jan 2, 2006", "January 2, 2006", "2 January 2006",
	}
}

// date reads an optional time: text, or milliseconds since 1970 as a number or in a string. Future
// ones are accepted, as in the reference.
func (o *object) date(field string) *time.Time {
	if !o.has(field, false) {
		return nil
	}
	s, ok := o.text(field)
	if ok {
		s = trim(s)
	} else {
		s = string(o.values[field])
	}
	t, found := parseDate(s)
	if !found || !storableTime(t) {
		o.fault(field, "must be a valid date")
		return nil
	}
	return &t
}

func parseDate(s string) (time.Time, bool) {
	if ms, ok := epochMillis(s); ok {
		return time.UnixMilli(ms).UTC(), true
	}
	const longest = 64
	if len(s) > longest {
		return time.Time{}, false
	}
	for _, layout := range layouts() {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// storableTime bounds years to what JSON can carry.
func storableTime(t time.Time) bool {
	const first, last = 1, 9999
	return t.Year() >= first && t.Year() <= last
}

// maxAhead is how far an order's time may lie in the future: a day covers every mistaken time zone.
const maxAhead = 24 * time.Hour

// instant reads an optional RFC 3339 time that is not, but for maxAhead, in the future.
func (o *object) instant(field string, now time.Time) *time.Time {
	if !o.has(field, false) {
		return nil
	}
	s, ok := o.text(field)
	t, err := time.Parse(time.RFC3339Nano, s)
	t = t.UTC()
	switch {
	case !ok || err != nil || !storableTime(t):
		o.fault(field, "must be a valid date with a time zone (RFC 3339)")
	case t.After(now.Add(maxAhead)):
		o.fault(field, "must not be more than 24 hours in the future")
	default:
		return &t
	}
	return nil
}
