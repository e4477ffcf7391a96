package campaign

import (
	"fmt"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// SendWindow is the hours of each day in which a campaign sends, as clients say and rows keep it. Of
// others it means nothing until Hours has read it.
type SendWindow struct {
	// From and To are times of day, as 09:00. A To that is not after From is on the next day.
	From string `json:"from"`
	To   string `json:"to"`
	// TimeZone is a name of the IANA database, as Asia/Kolkata.
	TimeZone string `json:"time_zone"`
}

// clockLayout is how times of day are written, in exactly five characters.
const clockLayout = "15:04"

// Hours is a send window that was read. Nil is open at any time.
type Hours struct {
	from, to time.Duration
	zone     *time.Location
}

// Hours reads the window; it lists every faulty field. The time zones are those of the machine or of the
// binary, so workflow code asks within a side effect.
func (w SendWindow) Hours() (*Hours, error) {
	var fields []errs.Field
	refuse := func(name, text string) {
		fields = append(fields, errs.Field{Pointer: "/send_window/" + name, Message: text})
	}
	h := Hours{}
	var ok bool
	if h.from, ok = timeOfDay(w.From); !ok {
		refuse("from", "must be a time of day from 00:00 to 23:59")
	}
	if h.to, ok = timeOfDay(w.To); !ok {
		refuse("to", "must be a time of day from 00:00 to 23:59")
	}
	if w.From == w.To {
		refuse("to", "must differ from from; leave send_window out to send at any time")
	}
	zone, err := time.LoadLocation(w.TimeZone)
	// "" and "Local" are UTC and the machine's zone: a slip, and another time on each machine.
	if err != nil || w.TimeZone == "" || w.TimeZone == "Local" {
		refuse("time_zone", "must be the IANA name of a time zone, as Asia/Kolkata")
	}
	h.zone = zone
	if len(fields) > 0 {
		return nil, errs.InvalidFields("send_window: "+fields[0].Message, fields)
	}
	return &h, nil
}

// At says whether messages may be sent now, and until when that holds. Nil is open for ever: the zero time.
func (h *Hours) At(now time.Time) (open bool, until time.Time) {
	if h == nil {
		return true, time.Time{}
	}
	y, m, d := now.In(h.zone).Date()
	// From yesterday, whose window may reach into today. A window can vanish where a clock is put forward
	// or back, never on two days in a row: the third day from now has one.
	const before, after = -1, 3
	for day := before; day <= after; day++ {
		opens, closes := h.window(y, m, d+day)
		switch {
		case !opens.Before(closes) || !closes.After(now):
		case opens.After(now):
			return false, opens
		default:
			return true, h.through(y, m, d+day, closes)
		}
	}
	return false, now.AddDate(0, 0, 1) // not reached: see above
}

// through gives when the window of a day closes, with those that follow without a pause: where clocks are put
// forward, the time between two windows may be one that they skip.
func (h *Hours) through(y int, m time.Month, d int, closes time.Time) time.Time {
	for {
		d++
		opens, next := h.window(y, m, d)
		if opens.After(closes) || !opens.Before(next) {
			return closes
		}
		closes = next
	}
}

// After is the moment at which the window has been open for d since start.
func (h *Hours) After(start time.Time, d time.Duration) time.Time {
	// More windows than in a lifetime: nobody plans so long, and the answer comes at once.
	const most = 40_000
	for range most {
		open, until := h.At(start)
		if !open {
			start = until
			continue
		}
		left := until.Sub(start)
		if until.IsZero() || left >= d {
			return start.Add(d)
		}
		start, d = until, d-left
	}
	return start.Add(d)
}

// window gives when the window of a local day opens and closes. Where a clock is put back and shows a time
// twice, it opens at the second and closes at the first: at no reading of the clock is it outside.
func (h *Hours) window(y int, m time.Month, d int) (opens, closes time.Time) {
	_, opens = localTimes(y, m, d, h.from, h.zone)
	if h.to <= h.from {
		d++
	}
	closes, _ = localTimes(y, m, d, h.to, h.zone)
	return opens, closes
}

// localTimes gives the first and the last moment at which the clocks of a zone show a time of day. Where
// they are put forward and never show it, both are the moment at which they skip it.
func localTimes(y int, m time.Month, d int, clock time.Duration, zone *time.Location) (first, last time.Time) {
	wall := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Add(clock)
	t := time.Date(y, m, d, 0, 0, int(clock.Seconds()), 0, zone)
	start, end := t.ZoneBounds()
	switch shown := wallOf(t); {
	case shown.After(wall): // Go chose the zone before the change, so it lies after it
		return start, start
	case shown.Before(wall):
		return end, end
	}
	first, last = t, t
	if !start.IsZero() {
		if other := wall.Add(-offsetOf(start.Add(-1))); other.Before(start) {
			first = other.In(zone)
		}
	}
	if !end.IsZero() {
		if other := wall.Add(-offsetOf(end)); !other.Before(end) {
			last = other.In(zone)
		}
	}
	return first, last
}

// wallOf is what the clock shows, as if it were UTC.
func wallOf(t time.Time) time.Time {
	return t.UTC().Add(offsetOf(t))
}

func offsetOf(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

func timeOfDay(s string) (time.Duration, bool) {
	t, err := time.Parse(clockLayout, s)
	if err != nil || len(s) != len(clockLayout) {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}

// String is how operators read it.
func (w SendWindow) String() string { return fmt.Sprintf("%s-%s %s", w.From, w.To, w.TimeZone) }
