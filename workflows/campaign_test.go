package workflows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/workflows"
)

func input() workflows.CampaignInput {
	return workflows.CampaignInput{CampaignID: uuid.MustParse("018f0000-0000-7000-8000-000000000001"), ReceiptDeadline: 72 * time.Hour}
}

func result(t *testing.T, env *testsuite.TestWorkflowEnvironment) workflows.CampaignResult {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var res workflows.CampaignResult
	require.NoError(t, env.GetWorkflowResult(&res))
	return res
}

func (w *world) requireEachSentOnce(t *testing.T) {
	t.Helper()
	require.Len(t, w.sends, len(w.states))
	for seq, n := range w.sends {
		require.Equal(t, 1, n, "message %d", seq)
	}
}

// update sends an update and requires that it is accepted and completed without error.
func update(t *testing.T, env *testsuite.TestWorkflowEnvironment, name string, args ...any) {
	t.Helper()
	env.UpdateWorkflow(name, uuid.NewString(), &testsuite.TestUpdateCallback{
		OnAccept:   func() {},
		OnReject:   func(err error) { t.Errorf("%s rejected: %v", name, err) },
		OnComplete: func(_ any, err error) { require.NoError(t, err) },
	}, args...)
}

func TestCampaignWorkflow(t *testing.T) {
	t.Parallel()

	t.Run("SendsEveryMessageOnceAndClosesTheBooks", func(t *testing.T) {
		t.Parallel()
		for _, audience := range []int{0, 1, 45, 46, 500, 501, 2300} {
			w := newWorld(audience)
			w.settle = true
			env := w.env(t)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
			res := result(t, env)
			require.Equal(t, campaign.Completed, res.Status, "audience %d", audience)
			require.Equal(t, campaign.Completed, w.status)
			require.Equal(t, audience, res.Totals.Delivered)
			w.requireEachSentOnce(t)
		}
	})

	t.Run("WaitsForReceiptSignalsBeforeClosing", func(t *testing.T) {
		t.Parallel()
		w := newWorld(10)
		env := w.env(t)
		var signalledAt time.Time
		env.RegisterDelayedCallback(func() {
			require.False(t, env.IsWorkflowCompleted())
			w.deliverAll()
			signalledAt = env.Now()
			env.SignalWorkflow(workflows.ReceiptsSignal, w.totals())
		}, 5*time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, 10, result(t, env).Totals.Delivered)
		require.WithinDuration(t, signalledAt, env.Now(), time.Second)
	})

	t.Run("IgnoresStaleAndRepeatedSignals", func(t *testing.T) {
		t.Parallel()
		w := newWorld(10)
		env := w.env(t)
		env.RegisterDelayedCallback(func() {
			stale := w.totals()
			w.deliverAll()
			final := w.totals()
			for _, totals := range []campaign.Totals{final, stale, final, stale} {
				env.SignalWorkflow(workflows.ReceiptsSignal, totals)
			}
		}, 5*time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, 10, result(t, env).Totals.Delivered)
	})

	t.Run("ReadsTheTotalsAgainWhenEverySignalIsLost", func(t *testing.T) {
		t.Parallel()
		w := newWorld(10)
		env := w.env(t)
		env.RegisterDelayedCallback(w.deliverAll, 5*time.Second)
		start := env.Now()
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, 10, result(t, env).Totals.Delivered)
		require.Less(t, env.Now().Sub(start), time.Minute)
	})

	t.Run("ClosesAtTheReceiptDeadlineWithMessagesInFlight", func(t *testing.T) {
		t.Parallel()
		w := newWorld(10)
		env := w.env(t)
		start := env.Now()
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		res := result(t, env)
		require.Equal(t, campaign.Completed, res.Status)
		require.Equal(t, 10, res.Totals.InFlight)
		require.True(t, res.Totals.Balanced())
		require.GreaterOrEqual(t, env.Now().Sub(start), 72*time.Hour)
	})

	t.Run("FailedRecipientIsAResult", func(t *testing.T) {
		t.Parallel()
		w := newWorld(600)
		w.onSend = func(seq int) (campaign.MessageState, error) {
			if seq%2 == 0 {
				return campaign.MessageState{Status: campaign.MessageFailed, HandedOver: true}, nil
			}
			return campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}, nil
		}
		env := w.env(t)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		res := result(t, env)
		require.Equal(t, 300, res.Totals.Delivered)
		require.Equal(t, 300, res.Totals.Failed)
	})

	t.Run("RefusesToCloseWithPendingMessages", func(t *testing.T) {
		t.Parallel()
		w := newWorld(3)
		w.onSend = func(int) (campaign.MessageState, error) {
			return campaign.MessageState{}, temporal.NewNonRetryableApplicationError("gone", activities.ErrRefused, nil)
		}
		in := input()
		in.ReceiptDeadline = time.Second
		env := w.env(t)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Error(t, env.GetWorkflowError())
		require.Equal(t, campaign.Failed, w.status)
		require.Contains(t, w.failed, "pending")
	})

	t.Run("RetryRoundSendsOnlyWhatIsPending", func(t *testing.T) {
		t.Parallel()
		w := newWorld(1200)
		w.settle = true
		for seq := range w.states {
			if seq%100 != 0 {
				w.states[seq] = campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}
			}
		}
		in := input()
		in.Round = 1
		env := w.env(t)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 1200, result(t, env).Totals.Delivered)
		require.Len(t, w.sends, 12)
	})
}

func TestSchedule(t *testing.T) {
	t.Parallel()

	t.Run("StartsAtTheScheduledTime", func(t *testing.T) {
		t.Parallel()
		w := newWorld(5)
		w.settle = true
		env := w.env(t)
		in := input()
		in.StartAt = env.Now().Add(6 * time.Hour)
		env.RegisterDelayedCallback(func() { require.Empty(t, w.sends) }, 6*time.Hour-time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 5, result(t, env).Totals.Delivered)
		require.False(t, env.Now().Before(in.StartAt))
	})

	t.Run("CancelBeforeTheStartSendsNothing", func(t *testing.T) {
		t.Parallel()
		w := newWorld(0)
		env := w.env(t)
		in := input()
		in.StartAt = env.Now().Add(6 * time.Hour)
		env.RegisterDelayedCallback(func() { update(t, env, workflows.CancelUpdate) }, time.Hour)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, campaign.Cancelled, result(t, env).Status)
		require.Empty(t, w.sends)
		require.True(t, env.Now().Before(in.StartAt))
	})

	t.Run("PausedBeforeTheStartWaitsForResume", func(t *testing.T) {
		t.Parallel()
		w := newWorld(5)
		w.settle = true
		env := w.env(t)
		in := input()
		in.StartAt = env.Now().Add(time.Hour)
		env.RegisterDelayedCallback(func() { update(t, env, workflows.PauseUpdate) }, time.Minute)
		env.RegisterDelayedCallback(func() {
			require.Empty(t, w.sends)
			update(t, env, workflows.ResumeUpdate)
		}, 3*time.Hour)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 5, result(t, env).Totals.Delivered)
		require.Equal(t, campaign.Completed, w.status)
	})
}

func TestControl(t *testing.T) {
	t.Parallel()
	for _, audience := range []int{400, 1500} {
		name := func(what string) string { return fmt.Sprintf("%sWith%d", what, audience) }

		t.Run(name("PauseStopsNewSendsAndResumeGoesOn"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(audience)
			w.settle = true
			env := w.env(t)
			in := input()
			in.Rate = 100
			var paused int
			env.RegisterDelayedCallback(func() { update(t, env, workflows.PauseUpdate) }, time.Second)
			env.RegisterDelayedCallback(func() { paused = len(w.sends) }, 2*time.Second)
			env.RegisterDelayedCallback(func() {
				require.Len(t, w.sends, paused, "sends while paused")
				require.Equal(t, campaign.Paused, w.status)
				update(t, env, workflows.ResumeUpdate)
			}, time.Hour)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
			require.Equal(t, audience, result(t, env).Totals.Delivered)
			require.Positive(t, paused)
			require.Less(t, paused, audience)
			w.requireEachSentOnce(t)
		})

		t.Run(name("CancelMarksTheRest"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(audience)
			w.settle = true
			env := w.env(t)
			in := input()
			in.Rate = 50
			env.RegisterDelayedCallback(func() { update(t, env, workflows.CancelUpdate) }, 2*time.Second)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
			res := result(t, env)
			require.Equal(t, campaign.Cancelled, res.Status)
			require.Positive(t, res.Totals.Delivered)
			require.Positive(t, res.Totals.Cancelled)
			require.Equal(t, audience, res.Totals.Delivered+res.Totals.Cancelled)
			require.Equal(t, len(w.sends), res.Totals.Delivered)
		})

		t.Run(name("HoldsTheRateAndChangesIt"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(audience)
			w.settle = true
			env := w.env(t)
			in := input()
			in.Rate = 20
			begin := env.Now()
			at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
			env.RegisterDelayedCallback(func() {
				update(t, env, workflows.SetRateUpdate, workflows.SetRateInput{PerSecond: 10})
			}, 10*time.Second)
			env.RegisterDelayedCallback(func() {
				update(t, env, workflows.SetRateUpdate, workflows.SetRateInput{})
			}, 22*time.Second)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
			require.Equal(t, audience, result(t, env).Totals.Delivered)
			// Lanes begin a second after they were started, all at once; one message a lane may be early or late at
			// each border.
			require.InDelta(t, 180, w.dueWithin(at(1), at(10)), 11)
			ahead := activities.MostAhead.Seconds() // what was planned at the old rate
			require.InDelta(t, 100, w.dueWithin(at(10+ahead), at(20+ahead)), 11)
			require.Equal(t, []float64{10, 0}, w.rates)
		})
	}

	// Sixteen lanes of a slow campaign would otherwise send a message each when they begin, and when they go on.
	t.Run("LanesTakeTurnsFromTheStartAndAfterAPause", func(t *testing.T) {
		t.Parallel()
		w := newWorld(10_000)
		env := w.env(t)
		in := input()
		in.Rate = 2
		begin := env.Now()
		at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
		env.RegisterDelayedCallback(func() { update(t, env, workflows.PauseUpdate) }, time.Minute)
		env.RegisterDelayedCallback(func() { update(t, env, workflows.ResumeUpdate) }, 5*time.Minute)
		env.RegisterDelayedCallback(func() { update(t, env, workflows.CancelUpdate) }, 6*time.Minute)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, campaign.Cancelled, result(t, env).Status)
		const tenSeconds = 10
		for _, from := range []int{0, 1, 2, 40, 300, 301, 302, 340} {
			require.LessOrEqual(t, w.dueWithin(at(from), at(from+tenSeconds)), 2*tenSeconds+1, "from second %d", from)
		}
		require.Zero(t, w.dueWithin(at(62), at(300)), "paused")
		require.InDelta(t, 240, w.dueWithin(at(0), at(360)), 12)
	})

	t.Run("RefusesUpdatesThatComeTooLate", func(t *testing.T) {
		t.Parallel()
		w := newWorld(5)
		env := w.env(t)
		var rejected error
		env.RegisterDelayedCallback(func() {
			update(t, env, workflows.CancelUpdate)
			env.UpdateWorkflow(workflows.PauseUpdate, "late", &testsuite.TestUpdateCallback{
				OnAccept: func() { t.Error("accepted") }, OnReject: func(err error) { rejected = err }, OnComplete: func(any, error) {},
			})
		}, 5*time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, campaign.Cancelled, result(t, env).Status)
		require.ErrorContains(t, rejected, "ended")
	})

	t.Run("RefusesNonsenseRates", func(t *testing.T) {
		t.Parallel()
		w := newWorld(1)
		env := w.env(t)
		var rejected error
		env.RegisterDelayedCallback(func() {
			env.UpdateWorkflow(workflows.SetRateUpdate, "bad", &testsuite.TestUpdateCallback{
				OnAccept: func() { t.Error("accepted") }, OnReject: func(err error) { rejected = err }, OnComplete: func(any, error) {},
			}, workflows.SetRateInput{PerSecond: -1})
			w.deliverAll()
		}, time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.ErrorContains(t, rejected, "rate must be")
	})

	t.Run("AnswersTheProgressQuery", func(t *testing.T) {
		t.Parallel()
		w := newWorld(7)
		env := w.env(t)
		var p campaign.Progress
		env.RegisterDelayedCallback(func() {
			v, err := env.QueryWorkflow(workflows.ProgressQuery)
			require.NoError(t, err)
			require.NoError(t, v.Get(&p))
			w.deliverAll()
		}, time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, string(workflows.PhaseReceipts), p.Phase)
		require.Equal(t, 7, p.Totals.InFlight)
	})
}

func TestContinueAsNew(t *testing.T) {
	t.Parallel()

	t.Run("LaneGoesOnWhereItStopped", func(t *testing.T) {
		t.Parallel()
		w := newWorld(300)
		env := w.env(t)
		fillHistoryAt(env, "SendMessage", 100)
		in := workflows.LaneInput{CampaignID: input().CampaignID, Range: workflows.Range{First: 1, Last: 300}, Control: workflows.Control{Revision: 1}}
		env.ExecuteWorkflow(workflows.LaneWorkflow, in)
		next := requireContinued[workflows.LaneInput](t, env)
		require.Equal(t, 300, next.Range.Last)
		require.Len(t, w.sends, next.Range.First-1, "everything before the cursor was sent, nothing after it")
		require.Equal(t, next.Range.First-1, next.Tally.Sent)
	})

	t.Run("CampaignDrainsItsLanesAndCarriesTheRest", func(t *testing.T) {
		t.Parallel()
		w := newWorld(1500)
		env := w.env(t)
		in := input()
		in.Rate = 100
		env.RegisterDelayedCallback(func() {
			env.SetCurrentHistoryLength(3001)
			env.SignalWorkflow(workflows.ReceiptsSignal, w.totals())
		}, 3*time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		next := requireContinued[workflows.CampaignInput](t, env)
		require.NotNil(t, next.Carried)
		require.Equal(t, workflows.PhaseSending, next.Carried.Phase)
		rest := 0
		for _, r := range next.Carried.Ranges {
			for seq := r.First; seq <= r.Last; seq++ {
				require.Zero(t, w.sends[seq], "message %d is in the rest and was sent", seq)
				rest++
			}
		}
		require.Equal(t, 1500, rest+len(w.sends))

		second := w.env(t)
		w.settle = true
		second.RegisterDelayedCallback(w.deliverAll, time.Second)
		second.ExecuteWorkflow(workflows.CampaignWorkflow, next)
		require.Equal(t, 1500, result(t, second).Totals.Delivered)
		w.requireEachSentOnce(t)
	})
}

// fillHistoryAt makes the history full when the nth execution of an activity starts. It does so on the environment's
// own loop: an activity runs beside the workflow, which reads the length.
func fillHistoryAt(env *testsuite.TestWorkflowEnvironment, name string, nth int) {
	started := 0
	env.SetOnActivityStartedListener(func(info *activityInfo, _ context.Context, _ args) {
		if info.ActivityType.Name != name {
			return
		}
		if started++; started == nth {
			env.SetCurrentHistoryLength(3001)
		}
	})
}

// requireContinued gives the input of the next run.
func requireContinued[T any](t *testing.T, env *testsuite.TestWorkflowEnvironment) T {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	var can *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &can)
	var in T
	require.NoError(t, converterOf().FromPayloads(can.Input, &in))
	return in
}
