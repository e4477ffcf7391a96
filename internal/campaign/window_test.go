package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

func hours(t require.TestingT, from, to, zone string) *campaign.Hours {
	h, err := campaign.SendWindow{From: from, To: to, TimeZone: zone}.Hours()
	require.NoError(t, err)
	return h
}

// at reads a moment with its offset from UTC.
func at(t require.TestingT, s string) time.Time {
	moment, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return moment
}

func TestSendWindow(t *testing.T) {
	t.Parallel()
	const kolkata, newYork, berlin, lordHowe = "Asia/Kolkata", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"
	tests := []struct {
		name, from, to, zone, now string
		open                      bool
		until                     string
	}{
		{"Before", "09:00", "20:00", kolkata, "2026-03-01T08:59:59+05:30", false, "2026-03-01T09:00:00+05:30"},
		{"AtTheOpening", "09:00", "20:00", kolkata, "2026-03-01T09:00:00+05:30", true, "2026-03-01T20:00:00+05:30"},
		{"Within", "09:00", "20:00", kolkata, "2026-03-01T14:00:00Z", true, "2026-03-01T20:00:00+05:30"},
		{"AtTheClosing", "09:00", "20:00", kolkata, "2026-03-01T20:00:00+05:30", false, "2026-03-02T09:00:00+05:30"},
		{"AfterTheLastOfTheMonth", "09:00", "20:00", kolkata, "2026-02-28T23:00:00+05:30", false, "2026-03-01T09:00:00+05:30"},
		{"OverMidnightInTheEvening", "22:00", "02:00", kolkata, "2026-03-01T23:00:00+05:30", true, "2026-03-02T02:00:00+05:30"},
		{"OverMidnightInTheNight", "22:00", "02:00", kolkata, "2026-03-02T01:00:00+05:30", true, "2026-03-02T02:00:00+05:30"},
		{"OverMidnightAtNoon", "22:00", "02:00", kolkata, "2026-03-02T12:00:00+05:30", false, "2026-03-02T22:00:00+05:30"},
		{"UntilMidnight", "09:00", "00:00", kolkata, "2026-03-01T23:59:00+05:30", true, "2026-03-02T00:00:00+05:30"},

		// 8 March 2026: from 02:00 -05:00 to 03:00 -04:00.
		{"TheNightBeforeTheShortDay", "09:00", "20:00", newYork, "2026-03-07T21:00:00-05:00", false, "2026-03-08T09:00:00-04:00"},
		{"TheNightAfterTheShortDay", "09:00", "20:00", newYork, "2026-03-08T21:00:00-04:00", false, "2026-03-09T09:00:00-04:00"},
		{"AnOpeningThatIsSkipped", "02:30", "20:00", newYork, "2026-03-08T01:59:00-05:00", false, "2026-03-08T03:00:00-04:00"},
		{"AClosingThatIsSkipped", "00:00", "02:30", newYork, "2026-03-08T01:30:00-05:00", true, "2026-03-08T03:00:00-04:00"},
		{"AWindowThatIsSkipped", "02:15", "02:45", newYork, "2026-03-08T01:30:00-05:00", false, "2026-03-09T02:15:00-04:00"},
		{"OverTheShortNight", "22:00", "06:00", newYork, "2026-03-07T22:00:00-05:00", true, "2026-03-08T06:00:00-04:00"},

		// 25 October 2026: from 03:00 +02:00 back to 02:00 +01:00.
		{"AnOpeningThatComesTwice", "02:30", "20:00", berlin, "2026-10-25T02:45:00+02:00", false, "2026-10-25T02:30:00+01:00"},
		{"AClosingThatComesTwice", "00:00", "02:30", berlin, "2026-10-25T02:15:00+02:00", true, "2026-10-25T02:30:00+02:00"},
		{"AfterTheFirstClosing", "00:00", "02:30", berlin, "2026-10-25T02:15:00+01:00", false, "2026-10-26T00:00:00+01:00"},
		{"AWindowThatComesTwice", "02:15", "02:45", berlin, "2026-10-25T00:00:00+02:00", false, "2026-10-26T02:15:00+01:00"},
		{"TheLongDay", "09:00", "20:00", berlin, "2026-10-24T21:00:00+02:00", false, "2026-10-25T09:00:00+01:00"},

		// Half an hour: 4 October 2026 from 02:00 +10:30 to 02:30 +11:00.
		{"HalfAnHourForward", "02:15", "20:00", lordHowe, "2026-10-04T01:59:00+10:30", false, "2026-10-04T02:30:00+11:00"},
		// The only closed minute of the day is skipped: 1 April 2011 from 00:01 to 01:01.
		{"ClosedForATimeThatIsSkipped", "00:02", "00:01", "Asia/Gaza", "2011-03-31T12:00:00+02:00", true, "2011-04-02T00:01:00+03:00"},
		// 30 December 2011 did not take place in Samoa.
		{"ADayThatIsSkipped", "09:00", "20:00", "Pacific/Apia", "2011-12-29T21:00:00-10:00", false, "2011-12-31T09:00:00+14:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			open, until := hours(t, tt.from, tt.to, tt.zone).At(at(t, tt.now))
			require.Equal(t, tt.open, open)
			require.True(t, at(t, tt.until).Equal(until), "until %s", until)
		})
	}
}

// TestSendWindowAgreesWithTheClock: whatever the zone and the moment, nothing is sent while the clock on the
// wall shows a time outside, and what At says holds until it says, and changes then.
func TestSendWindowAgreesWithTheClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{
			"UTC", "Asia/Kolkata", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns",
			"Pacific/Apia", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Gaza", "Antarctica/Troll",
		}).Draw(t, "zone")
		minute := rapid.IntRange(0, 24*60-1)
		from, to := minute.Draw(t, "from"), minute.Filter(func(n int) bool { return n%60 != 59 }).Draw(t, "to")
		if from == to {
			to = (to + 1) % (24 * 60)
		}
		text := func(n int) string { return time.Date(2000, 1, 1, 0, n, 0, 0, time.UTC).Format("15:04") }
		h := hours(t, text(from), text(to), zone)
		moment := time.Unix(rapid.Int64Range(1_300_000_000, 1_900_000_000).Draw(t, "moment"), 0)
		open, until := h.At(moment)
		require.True(t, until.After(moment))
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		if open {
			local := moment.In(loc)
			clock := local.Hour()*60 + local.Minute()
			within := from <= clock && clock < to
			if to < from {
				within = clock >= from || clock < to
			}
			require.True(t, within, "the clock shows %s", local)
		}
		still, same := h.At(until.Add(-1))
		require.Equal(t, open, still)
		require.True(t, until.Equal(same))
		// Windows that touch are one: the state changes.
		changed, _ := h.At(until)
		require.NotEqual(t, open, changed)
	})
}

func TestSendWindowRefuses(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]campaign.SendWindow{
		"/send_window/from":      {From: "9:00", To: "20:00", TimeZone: "UTC"},
		"/send_window/to":        {From: "09:00", To: "24:00", TimeZone: "UTC"},
		"/send_window/time_zone": {From: "09:00", To: "20:00", TimeZone: "Mars/Olympus"},
	} {
		_, err := w.Hours()
		var coded *errs.Error
		require.ErrorAs(t, err, &coded)
		require.Len(t, coded.Fields, 1)
		require.Equal(t, name, coded.Fields[0].Pointer)
	}
	for _, w := range []campaign.SendWindow{
		{},
		{From: "09:00", To: "09:00", TimeZone: "UTC"},
		{From: "09:00", To: "20:00"},
		{From: "09:00", To: "20:00", TimeZone: "Local"},
		{From: "09:00", To: "20:00", TimeZone: "../../etc/passwd"},
		{From: "09:00:00", To: "20:00", TimeZone: "UTC"},
		{From: "-1:00", To: "20:00", TimeZone: "UTC"},
	} {
		_, err := w.Hours()
		require.True(t, errs.Is(err, errs.Invalid), "%s: %v", w, err)
	}
}

func TestHoursAfter(t *testing.T) {
	t.Parallel()
	h := hours(t, "09:00", "20:00", "America/New_York")
	tests := []struct {
		name, start string
		d           time.Duration
		want        string
	}{
		{"WithinOneDay", "2026-03-07T10:00:00-05:00", time.Hour, "2026-03-07T11:00:00-05:00"},
		{"FromTheNight", "2026-03-07T03:00:00-05:00", time.Hour, "2026-03-07T10:00:00-05:00"},
		{"ToTheLastSecond", "2026-03-07T10:00:00-05:00", 10 * time.Hour, "2026-03-07T20:00:00-05:00"},
		{"OverTheShortNight", "2026-03-07T10:00:00-05:00", 11 * time.Hour, "2026-03-08T10:00:00-04:00"},
		{"ManyDays", "2026-03-09T09:00:00-04:00", 33 * time.Hour, "2026-03-11T20:00:00-04:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.True(t, at(t, tt.want).Equal(h.After(at(t, tt.start), tt.d)))
		})
	}
	var always *campaign.Hours
	require.Equal(t, now.Add(time.Hour), always.After(now, time.Hour))
	require.True(t, h.After(now, 290*365*24*time.Hour).After(now), "even nonsense has an answer")
}
