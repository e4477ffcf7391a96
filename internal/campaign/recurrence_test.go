package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestRecurrence(t *testing.T) {
	t.Parallel()
	good := func() campaign.Recurrence {
		return campaign.Recurrence{Times: []string{"09:00", "21:30"}, Weekdays: []string{"MON", "FRI"}, TimeZone: "Asia/Kolkata"}
	}
	require.NoError(t, good().Validate())
	for name, tt := range map[string]struct {
		change  func(*campaign.Recurrence)
		pointer string
	}{
		"NoTime":                   {func(r *campaign.Recurrence) { r.Times = nil }, "/recurrence/times"},
		"MoreThanOneAnHour":        {func(r *campaign.Recurrence) { r.Times = make([]string, 25) }, "/recurrence/times"},
		"ATimeThatIsNone":          {func(r *campaign.Recurrence) { r.Times = []string{"24:00"} }, "/recurrence/times"},
		"ATimeWithSeconds":         {func(r *campaign.Recurrence) { r.Times = []string{"09:00:00"} }, "/recurrence/times"},
		"TwoTimesWithinAnHour":     {func(r *campaign.Recurrence) { r.Times = []string{"09:00", "09:59"} }, "/recurrence/times"},
		"TheSameTimeTwice":         {func(r *campaign.Recurrence) { r.Times = []string{"09:00", "09:00"} }, "/recurrence/times"},
		"WithinAnHourOverMidnight": {func(r *campaign.Recurrence) { r.Times = []string{"00:10", "23:30"} }, "/recurrence/times"},
		"ADayThatIsNone":           {func(r *campaign.Recurrence) { r.Weekdays = []string{"Monday"} }, "/recurrence/weekdays"},
		"ADayTwice":                {func(r *campaign.Recurrence) { r.Weekdays = []string{"MON", "MON"} }, "/recurrence/weekdays"},
		"TheThirtySecond":          {func(r *campaign.Recurrence) { r.DaysOfMonth = []int{32} }, "/recurrence/days_of_month"},
		"TheZeroth":                {func(r *campaign.Recurrence) { r.DaysOfMonth = []int{0} }, "/recurrence/days_of_month"},
		"NoZone":                   {func(r *campaign.Recurrence) { r.TimeZone = "" }, "/recurrence/time_zone"},
		"TheMachinesZone":          {func(r *campaign.Recurrence) { r.TimeZone = "Local" }, "/recurrence/time_zone"},
		"AZoneThatIsNone":          {func(r *campaign.Recurrence) { r.TimeZone = "Asia/Atlantis" }, "/recurrence/time_zone"},
		"AnEndBeforeTheStart":      {func(r *campaign.Recurrence) { r.StartsAt, r.EndsAt = new(now), new(now.Add(-time.Hour)) }, "/recurrence/ends_at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good()
			tt.change(&r)
			err := r.Validate()
			require.True(t, errs.Is(err, errs.Invalid), err)
			refused, ok := err.(*errs.Error) //nolint:errorlint // as it was made
			require.True(t, ok)
			require.Equal(t, tt.pointer, refused.Fields[0].Pointer)
		})
	}
	hourly := good()
	hourly.Times = nil
	for h := range 24 {
		hourly.Times = append(hourly.Times, time.Date(2026, 1, 1, h, 30, 0, 0, time.UTC).Format("15:04"))
	}
	require.NoError(t, hourly.Validate(), "one an hour is as often as it may be")
}
