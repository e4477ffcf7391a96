package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/workflows"
)

// kolkata is half past five ahead of UTC and changes no clocks.
var kolkata = time.FixedZone("IST", 19_800)

// windowed gives a campaign that sends from 09:00 to 20:00 in Kolkata and starts at a time of 1 March.
func windowed(t *testing.T, w *world, hour, minute int) (*testsuite.TestWorkflowEnvironment, workflows.CampaignInput) {
	t.Helper()
	env := w.env(t)
	env.SetStartTime(time.Date(2026, 3, 1, hour, minute, 0, 0, kolkata))
	in := input()
	in.Window = &campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "Asia/Kolkata"}
	return env, in
}

// requireWithin requires that everything was sent within the window.
func requireWithin(t *testing.T, sent []time.Time) {
	t.Helper()
	for _, at := range sent {
		hour := at.In(kolkata).Hour()
		require.True(t, 9 <= hour && hour < 20, "sent at %s", at.In(kolkata))
	}
}

// clocked keeps when each message is sent.
func clocked(w *world, env *testsuite.TestWorkflowEnvironment) *[]time.Time {
	sent := &[]time.Time{}
	w.settle = true
	w.onSend = func(int) (campaign.MessageState, error) { // under the world's lock
		*sent = append(*sent, env.Now())
		return campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true, Attempts: 1}, nil
	}
	return sent
}

func progressOf(t *testing.T, env *testsuite.TestWorkflowEnvironment) campaign.Progress {
	t.Helper()
	value, err := env.QueryWorkflow(workflows.ProgressQuery)
	require.NoError(t, err)
	var p campaign.Progress
	require.NoError(t, value.Get(&p))
	return p
}

func TestSendWindow(t *testing.T) {
	t.Parallel()

	t.Run("AtNightItWaitsForTheMorning", func(t *testing.T) {
		t.Parallel()
		w := newWorld(60)
		env, in := windowed(t, w, 22, 0)
		sent := clocked(w, env)
		env.RegisterDelayedCallback(func() {
			require.Empty(t, w.sends)
			p := progressOf(t, env)
			require.Equal(t, string(workflows.PhaseScheduled), p.Phase, "the audience is that of the morning")
			require.False(t, p.Paused, "that is the operator's")
			require.True(t, time.Date(2026, 3, 2, 9, 0, 0, 0, kolkata).Equal(*p.WaitsUntil))
		}, 5*time.Hour)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 60, result(t, env).Totals.Delivered)
		requireWithin(t, *sent)
		require.WithinDuration(t, time.Date(2026, 3, 2, 9, 0, 0, 0, kolkata), (*sent)[0], time.Second)
	})

	t.Run("WhatIsScheduledForTheNightWaitsToo", func(t *testing.T) {
		t.Parallel()
		w := newWorld(5)
		env, in := windowed(t, w, 12, 0)
		in.StartAt = time.Date(2026, 3, 5, 3, 0, 0, 0, kolkata)
		sent := clocked(w, env)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 5, result(t, env).Totals.Delivered)
		require.WithinDuration(t, time.Date(2026, 3, 5, 9, 0, 0, 0, kolkata), (*sent)[0], time.Second)
	})

	t.Run("CancelInTheNightEndsIt", func(t *testing.T) {
		t.Parallel()
		w := newWorld(60)
		env, in := windowed(t, w, 22, 0)
		env.RegisterDelayedCallback(func() { update(t, env, workflows.CancelUpdate) }, time.Hour)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, campaign.Cancelled, result(t, env).Status)
		require.Empty(t, w.sends)
		require.Less(t, env.Now().In(kolkata).Day(), 2, "it does not wait for the morning")
	})

	t.Run("AWindowThatCannotBeReadIsClosed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(5)
		env, in := windowed(t, w, 12, 0)
		in.Window.TimeZone = "Mars/Olympus"
		env.RegisterDelayedCallback(func() {
			require.Empty(t, w.sends)
			update(t, env, workflows.CancelUpdate)
		}, 3*time.Hour)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, campaign.Cancelled, result(t, env).Status)
	})

	t.Run("ReceiptsAreTakenAtNight", func(t *testing.T) {
		t.Parallel()
		w := newWorld(10)
		env, in := windowed(t, w, 19, 59)
		env.RegisterDelayedCallback(func() {
			require.Nil(t, progressOf(t, env).WaitsUntil, "nothing is left to send")
			w.deliverAll()
			env.SignalWorkflow(workflows.ReceiptsSignal, w.totals())
		}, 2*time.Hour)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 10, result(t, env).Totals.Delivered)
		require.Less(t, env.Now().In(kolkata).Day(), 2, "it closes without waiting for the morning")
	})
}

// TestSendWindowCloses is about campaigns that are not done in one day: inline, in lanes, in pages.
func TestSendWindowCloses(t *testing.T) {
	t.Parallel()
	morning := time.Date(2026, 3, 2, 9, 0, 0, 0, kolkata)
	for _, tt := range []struct {
		name               string
		audience, pageSize int
	}{{"Inline", 400, 0}, {"Lanes", 1500, 0}, {"Pages", 1500, 100}} {
		setup := func(t *testing.T) (*world, *testsuite.TestWorkflowEnvironment, workflows.CampaignInput, *[]time.Time) {
			t.Helper()
			w := newWorld(tt.audience)
			w.pageSize = tt.pageSize
			env, in := windowed(t, w, 19, 59)
			in.Rate = float64(tt.audience) / 120 // half of it in the last minute of the day
			return w, env, in, clocked(w, env)
		}

		t.Run(tt.name+"StopsAtTheCloseAndGoesOnAtTheOpening", func(t *testing.T) {
			t.Parallel()
			w, env, in, sent := setup(t)
			var atNight int
			env.RegisterDelayedCallback(func() { atNight = len(w.sends) }, 2*time.Minute)
			env.RegisterDelayedCallback(func() {
				require.Len(t, w.sends, atNight)
				require.Equal(t, campaign.Active, w.status, "nobody has paused it")
				require.True(t, morning.Equal(*progressOf(t, env).WaitsUntil))
			}, 12*time.Hour)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
			require.Equal(t, tt.audience, result(t, env).Totals.Delivered)
			require.Positive(t, atNight)
			require.Less(t, atNight, tt.audience)
			w.requireEachSentOnce(t)
			requireWithin(t, *sent)
		})

		t.Run(tt.name+"ResumeInTheNightSendsNothing", func(t *testing.T) {
			t.Parallel()
			w, env, in, sent := setup(t)
			env.RegisterDelayedCallback(func() { update(t, env, workflows.PauseUpdate) }, time.Hour)
			env.RegisterDelayedCallback(func() { update(t, env, workflows.ResumeUpdate) }, 2*time.Hour)
			env.RegisterDelayedCallback(func() { require.Equal(t, campaign.Active, w.status) }, 3*time.Hour)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
			require.Equal(t, tt.audience, result(t, env).Totals.Delivered)
			requireWithin(t, *sent)
		})

		t.Run(tt.name+"APauseOutlastsTheOpening", func(t *testing.T) {
			t.Parallel()
			_, env, in, sent := setup(t)
			env.RegisterDelayedCallback(func() { update(t, env, workflows.PauseUpdate) }, time.Hour)
			env.RegisterDelayedCallback(func() { update(t, env, workflows.ResumeUpdate) }, 15*time.Hour)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
			require.Equal(t, tt.audience, result(t, env).Totals.Delivered)
			requireWithin(t, *sent)
			resumed := time.Date(2026, 3, 2, 10, 59, 0, 0, kolkata)
			for _, at := range *sent {
				require.False(t, at.After(morning) && at.Before(resumed), "sent at %s while paused", at)
			}
		})
	}
}

// nextMinute is a time of day in UTC, at least so far away.
func nextMinute(least time.Duration) string {
	return time.Now().UTC().Add(least + time.Minute).Format("15:04")
}

// windowScenarios are recorded alone: a window has whole minutes.
func windowScenarios() []scenario {
	return []scenario{
		{
			name: "send_window_opens", audience: 60, slow: true, world: func(w *world) { w.settle = true },
			input: func(in *workflows.CampaignInput) {
				in.Window = &campaign.SendWindow{From: nextMinute(0), To: nextMinute(time.Hour), TimeZone: "UTC"}
			},
		},
		{
			name: "send_window_closes", audience: 520, slow: true, world: func(w *world) { w.settle = true },
			input: func(in *workflows.CampaignInput) {
				in.Rate = 2
				in.Window = &campaign.SendWindow{From: nextMinute(time.Hour), To: nextMinute(10 * time.Second), TimeZone: "UTC"}
			},
			drive: func(t *testing.T, w *world, s *session) {
				t.Helper()
				require.Eventually(t, func() bool { return s.progress(t).WaitsUntil != nil }, 3*time.Minute, time.Second)
				s.awaitSends(t, w, 1)
				s.update(t, workflows.CancelUpdate)
			},
		},
	}
}

func (s *session) progress(t *testing.T) campaign.Progress {
	t.Helper()
	value, err := s.client.QueryWorkflow(t.Context(), s.id, "", workflows.ProgressQuery)
	require.NoError(t, err, "progress of %s", s.id)
	var p campaign.Progress
	require.NoError(t, value.Get(&p))
	return p
}
