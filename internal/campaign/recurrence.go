package campaign

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// maxTimes is one an hour.
	maxTimes = 24
	// leastApart is between two occurrences: what is sent to people oftener is not a campaign, and a typing
	// error that would make it so is caught.
	leastApart = time.Hour
	day        = 24 * time.Hour
)

// Weekdays are the names of days, from Sunday on as time.Weekday counts.
func Weekdays() []string { return []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"} }

// Recurrence is when a campaign comes again: at each of the times, on days that are of the weekdays and of
// the days of the month, of which none is any.
type Recurrence struct {
	// Times are times of day, as 09:00.
	Times []string `json:"times"`
	// Weekdays are names as MON.
	Weekdays []string `json:"weekdays,omitempty"`
	// DaysOfMonth are from 1 to 31; a month without the day has no occurrence on it.
	DaysOfMonth []int `json:"days_of_month,omitempty"`
	// TimeZone is a name of the IANA database, as Asia/Kolkata. A time that clocks skip on a day does not
	// come on it, and one that they show twice comes once.
	TimeZone string `json:"time_zone"`
	// StartsAt and EndsAt bound it; nil does not.
	StartsAt *time.Time `json:"starts_at,omitempty"`
	EndsAt   *time.Time `json:"ends_at,omitempty"`
}

// Validate lists every faulty field.
func (r Recurrence) Validate() error {
	var fields []errs.Field
	refuse := func(name, text string) {
		fields = append(fields, errs.Field{Pointer: "/recurrence/" + name, Message: text})
	}
	if text := faultOfTimes(r.Times); text != "" {
		refuse("times", text)
	}
	for i, name := range r.Weekdays {
		if !slices.Contains(Weekdays(), name) || slices.Contains(r.Weekdays[:i], name) {
			refuse("weekdays", "must be of "+strings.Join(Weekdays(), ", ")+", each once")
			break
		}
	}
	for i, n := range r.DaysOfMonth {
		const last = 31
		if n < 1 || n > last || slices.Contains(r.DaysOfMonth[:i], n) {
			refuse("days_of_month", "must be from 1 to 31, each once")
			break
		}
	}
	// "" and "Local" are UTC and the machine's zone: a slip, and another time on each machine.
	if _, err := time.LoadLocation(r.TimeZone); err != nil || r.TimeZone == "" || r.TimeZone == "Local" {
		refuse("time_zone", "must be the IANA name of a time zone, as Asia/Kolkata")
	}
	if r.StartsAt != nil && r.EndsAt != nil && !r.StartsAt.Before(*r.EndsAt) {
		refuse("ends_at", "must be after starts_at")
	}
	if len(fields) > 0 {
		return errs.InvalidFields("recurrence: "+fields[0].Message, fields)
	}
	return nil
}

func faultOfTimes(times []string) string {
	if len(times) == 0 || len(times) > maxTimes {
		return fmt.Sprintf("must be 1 to %d times of day, as 09:00", maxTimes)
	}
	offsets := make([]time.Duration, len(times))
	for i, text := range times {
		var ok bool
		if offsets[i], ok = timeOfDay(text); !ok {
			return "must be times of day from 00:00 to 23:59"
		}
	}
	slices.Sort(offsets)
	for i, at := range offsets {
		next := offsets[(i+1)%len(offsets)]
		if i == len(offsets)-1 {
			next += day // the first of the next day
		}
		if next-at < leastApart {
			return "must be an hour apart or more, also over midnight"
		}
	}
	return ""
}

// Names reports whether an occurrence may come at that time: within the bounds, on a day and at a time of day
// that it names. Temporal brings some times besides, next to hours that clocks skip or show twice.
func (r Recurrence) Names(at time.Time) bool {
	zone, err := time.LoadLocation(r.TimeZone)
	if err != nil || r.StartsAt != nil && at.Before(*r.StartsAt) || r.EndsAt != nil && at.After(*r.EndsAt) {
		return false
	}
	local := at.In(zone)
	return slices.Contains(r.Times, local.Format(clockLayout)) &&
		(len(r.Weekdays) == 0 || slices.Contains(r.Weekdays, Weekdays()[local.Weekday()])) &&
		(len(r.DaysOfMonth) == 0 || slices.Contains(r.DaysOfMonth, local.Day()))
}

// Local is the time as people of its zone write it. A time that clocks show twice is written once.
func (r Recurrence) Local(at time.Time) string {
	zone, err := time.LoadLocation(r.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	return at.In(zone).Format("2006-01-02 " + clockLayout)
}
