package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/vendor"
)

// byDay opens the window of a bench from 09:00 to 20:00 UTC and sets its clock.
func byDay(t *testing.T, b *bench, hour int) {
	t.Helper()
	var err error
	b.hours, err = campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "UTC"}.Hours()
	require.NoError(t, err)
	b.now = func() time.Time { return time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC) }
}

func TestSendsKeepTheWindow(t *testing.T) {
	t.Parallel()

	t.Run("WhatWasHandedOutBeforeTheCloseWaitsForTheOpening", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 3)
		byDay(t, b, 22)
		_, err := b.run(t, 1)
		wait := requireType(t, err, activities.ErrClosed, true)
		require.GreaterOrEqual(t, wait, 11*time.Hour)
		require.Less(t, wait, 11*time.Hour+10*time.Second)
		_, err = runPage(t, b)
		requireType(t, err, activities.ErrClosed, true)
		require.Empty(t, b.requests)
		require.Empty(t, b.answers, "a closed window is no answer of the vendor")
	})

	t.Run("ByDayItSends", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 3)
		byDay(t, b, 9)
		res, err := b.run(t, 1)
		require.NoError(t, err)
		require.Equal(t, campaign.MessageSent, res.Status)
	})

	t.Run("TheNightDoesNotCountForTheSendDeadline", func(t *testing.T) {
		t.Parallel()
		b := setup(t, 1)
		b.send = func(vendor.Request) (vendor.Result, error) {
			return vendor.Result{}, &vendor.Error{Kind: vendor.Ambiguous, Code: vendor.NoAnswer, Text: "no answer"}
		}
		// The test environment schedules at the time of the machine, so the window is laid around that.
		scheduled := time.Now().UTC()
		var err error
		b.hours, err = campaign.SendWindow{
			From: scheduled.Add(-time.Hour).Format("15:04"), To: scheduled.Add(2 * time.Minute).Format("15:04"), TimeZone: "UTC",
		}.Hours()
		require.NoError(t, err)
		b.deadline = time.Hour
		b.now = func() time.Time { return scheduled.Add(23*time.Hour + 30*time.Minute) }
		_, err = b.run(t, 1)
		requireType(t, err, activities.ErrVendorUnanswered, true)
		b.now = func() time.Time { return scheduled.Add(24 * time.Hour) }
		res, err := b.run(t, 1)
		require.NoError(t, err)
		require.Equal(t, campaign.CodeSendDeadline, res.Code)
	})
}

// runPage executes the page of all messages of a bench.
func runPage(t *testing.T, b *bench) (activities.PageResult, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(b.acts)
	value, err := env.ExecuteActivity(b.acts.SendPage, activities.PageInput{CampaignID: campaignID, First: 1, Last: len(b.messages)})
	if err != nil {
		return activities.PageResult{}, err
	}
	var res activities.PageResult
	return res, value.Get(&res)
}
