package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/workflows"
)

func newPagedWorld(audience, pageSize int) *world {
	w := newWorld(audience)
	w.settle, w.pageSize = true, pageSize
	return w
}

// refuseFirst makes the first attempt of every nth message fail retryably.
func refuseFirst(w *world, n int) {
	w.onSend = func(seq int) (campaign.MessageState, error) {
		if seq%n == 0 && w.sends[seq] == 1 {
			return campaign.MessageState{}, temporal.NewApplicationError("RATE_LIMITED", activities.ErrVendorRefused)
		}
		return campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}, nil
	}
}

func TestPagedCampaign(t *testing.T) {
	t.Parallel()

	t.Run("SendsEveryMessageOnceInPages", func(t *testing.T) {
		t.Parallel()
		for _, audience := range []int{0, 1, 500, 501, 1030, 5000} {
			w := newPagedWorld(audience, 100)
			env := w.env(t)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
			require.Equal(t, audience, result(t, env).Totals.Delivered)
			require.Len(t, w.sends, audience)
			w.requireEachSentOnce(t)
			for _, p := range w.pages {
				require.LessOrEqual(t, p.Last-p.First, 99)
			}
		}
	})

	t.Run("WhoIsRefusedGetsAnActivityOfItsOwn", func(t *testing.T) {
		t.Parallel()
		w := newPagedWorld(1500, 100)
		refuseFirst(w, 10)
		env := w.env(t)
		var mu sync.Mutex
		own := 0
		env.SetOnActivityStartedListener(func(info *activityInfo, _ context.Context, _ args) {
			mu.Lock()
			defer mu.Unlock()
			if info.ActivityType.Name == "SendMessage" {
				own++
			}
		})
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, 1500, result(t, env).Totals.Delivered)
		require.Equal(t, 150, own)
		require.Equal(t, 2, w.sends[10])
		require.Equal(t, 1, w.sends[11])
	})

	t.Run("VendorThatRefusesEverybodyStopsNewPages", func(t *testing.T) {
		t.Parallel()
		w := newPagedWorld(20_000, 500)
		env := w.env(t)
		w.onSend = func(int) (campaign.MessageState, error) {
			return campaign.MessageState{}, temporal.NewApplicationErrorWithOptions("NO_ANSWER", activities.ErrVendorUnanswered,
				temporal.ApplicationErrorOptions{NextRetryDelay: time.Minute})
		}
		var begun int
		env.RegisterDelayedCallback(func() {
			w.mu.Lock()
			begun = len(w.pages)
			w.mu.Unlock()
			refuseFirst(w, 1<<30) // it is back
		}, 5*time.Minute)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, 20_000, result(t, env).Totals.Delivered)
		require.LessOrEqual(t, begun, 8*2, "two pages of each of eight lanes")
	})

	t.Run("PageThatIsRefusedForGoodLeavesItsMessagesToTheNextPass", func(t *testing.T) {
		t.Parallel()
		w := newPagedWorld(1000, 100)
		env := w.env(t)
		w.pageErr = temporal.NewNonRetryableApplicationError("gone", activities.ErrRefused, nil)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, 1000, result(t, env).Totals.Delivered)
		require.NoError(t, w.pageErr, "the page was refused")
		w.requireEachSentOnce(t)
	})

	t.Run("RetryRoundIsPerCustomer", func(t *testing.T) {
		t.Parallel()
		w := newPagedWorld(1000, 100)
		for seq := range w.states {
			if seq%100 != 0 {
				w.states[seq] = campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}
			}
		}
		env := w.env(t)
		in := input()
		in.Round = 1
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 1000, result(t, env).Totals.Delivered)
		require.Empty(t, w.pages)
		require.Len(t, w.sends, 10)
	})
}

func TestPagedControl(t *testing.T) {
	t.Parallel()

	t.Run("HoldsTheRate", func(t *testing.T) {
		t.Parallel()
		w := newPagedWorld(1000, 100)
		refuseFirst(w, 10)
		env := w.env(t)
		in := input()
		in.Rate = 20
		begin := env.Now()
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 1000, result(t, env).Totals.Delivered)
		// 1,000 first attempts and 100 second ones at 20/s; the pages here end as soon as they begin, so
		// that the last one is early by its ten seconds.
		require.InDelta(t, 55, env.Now().Sub(begin).Seconds(), 12)
		for _, p := range w.pages {
			require.InDelta(t, 10, p.Rate, 10.1, "the share of a lane of two, all when the other has ended")
			require.LessOrEqual(t, float64(p.Last-p.First+1), p.Rate*10)
		}
	})

	t.Run("PauseStopsThePagesAndResumeSendsTheirRests", func(t *testing.T) {
		t.Parallel()
		w := newPagedWorld(1000, 100)
		env := w.env(t)
		in := input()
		in.Rate = 20
		var paused int
		env.RegisterDelayedCallback(func() { update(t, env, workflows.PauseUpdate) }, 15*time.Second)
		env.RegisterDelayedCallback(func() { paused = len(w.sends) }, 16*time.Second)
		env.RegisterDelayedCallback(func() {
			require.Len(t, w.sends, paused, "sends while paused")
			update(t, env, workflows.ResumeUpdate)
		}, time.Hour)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 1000, result(t, env).Totals.Delivered)
		require.Positive(t, paused)
		require.Less(t, paused, 1000)
		w.requireEachSentOnce(t)
	})

	t.Run("CancelMarksTheRest", func(t *testing.T) {
		t.Parallel()
		w := newPagedWorld(1000, 100)
		env := w.env(t)
		in := input()
		in.Rate = 20
		env.RegisterDelayedCallback(func() { update(t, env, workflows.CancelUpdate) }, 15*time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		res := result(t, env)
		require.Equal(t, campaign.Cancelled, res.Status)
		require.Positive(t, res.Totals.Cancelled)
		require.Equal(t, 1000, res.Totals.Delivered+res.Totals.Cancelled)
	})

	t.Run("LaneGoesOnAtTheLowestMessageThatMayBePending", func(t *testing.T) {
		t.Parallel()
		w := newPagedWorld(1000, 100)
		refuseFirst(w, 150)
		env := w.env(t)
		fillHistoryAt(env, "SendPage", 3)
		in := workflows.LaneInput{
			CampaignID: input().CampaignID, Range: workflows.Range{First: 1, Last: 1000}, PageSize: 100,
			Control: workflows.Control{Revision: 1},
		}
		env.ExecuteWorkflow(workflows.LaneWorkflow, in)
		next := requireContinued[workflows.LaneInput](t, env)
		require.Equal(t, 100, next.PageSize)
		for seq := 1; seq < next.Range.First; seq++ {
			require.NotEqual(t, campaign.MessagePending, w.states[seq].Status, "message %d is forgotten", seq)
		}
		second := w.env(t)
		second.ExecuteWorkflow(workflows.LaneWorkflow, next)
		require.NoError(t, second.GetWorkflowError())
		for seq, s := range w.states {
			require.Equal(t, campaign.MessageDelivered, s.Status, "message %d", seq)
		}
	})
}
