package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/workflows"
)

// refuse makes the vendor refuse messages for a time, as long as which says so.
func refuse(w *world, wait time.Duration, which func(seq int) bool) {
	w.settle = true
	w.onSend = func(seq int) (campaign.MessageState, error) {
		if which(seq) {
			return campaign.MessageState{}, temporal.NewApplicationErrorWithOptions("RATE_LIMITED", activities.ErrVendorRefused,
				temporal.ApplicationErrorOptions{NextRetryDelay: wait})
		}
		return campaign.MessageState{Status: campaign.MessageDelivered, HandedOver: true}, nil
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()

	t.Run("EachAttemptIsAnActivityOfItsOwnWhenItIsDue", func(t *testing.T) {
		t.Parallel()
		for _, pageSize := range []int{0, 100} {
			w := newWorld(600)
			w.pageSize = pageSize
			refuse(w, 90*time.Second, func(seq int) bool { return seq == 7 && w.sends[seq] < 3 })
			env := w.env(t)
			var at []time.Time
			env.SetOnActivityStartedListener(func(info *activityInfo, _ context.Context, in args) {
				var send activities.SendInput
				if info.ActivityType.Name != "SendMessage" || in.Get(&send) != nil || send.Seq != 7 {
					return
				}
				require.EqualValues(t, 1, info.Attempt, "it is not Temporal that tries again")
				require.True(t, send.ReturnRefusals)
				require.Equal(t, len(at) > 0 || pageSize > 0, send.Again)
				at = append(at, env.Now())
			})
			env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
			require.Equal(t, 600, result(t, env).Totals.Delivered)
			require.Equal(t, 3, w.sends[7])
			require.GreaterOrEqual(t, at[len(at)-1].Sub(at[len(at)-2]), 90*time.Second)
		}
	})

	t.Run("WhatWaitsSurvivesContinueAsNew", func(t *testing.T) {
		t.Parallel()
		w := newWorld(300)
		refuse(w, time.Hour, func(seq int) bool { return seq%10 == 0 && w.sends[seq] == 1 })
		env := w.env(t)
		fillHistoryAt(env, "SendMessage", 100)
		begin := env.Now()
		env.ExecuteWorkflow(workflows.LaneWorkflow, workflows.LaneInput{
			CampaignID: input().CampaignID, Range: workflows.Range{First: 1, Last: 300}, Control: workflows.Control{Revision: 1},
		})
		next := requireContinued[workflows.LaneInput](t, env)
		require.Len(t, next.Range.Waiting, (next.Range.First-1)/10)
		for _, r := range next.Range.Waiting {
			require.Zero(t, r.Seq%10)
			require.Equal(t, 1, r.Attempts)
			require.WithinDuration(t, begin.Add(time.Hour), r.Due, time.Minute, "the vendor's Retry-After is kept")
		}
		second := w.env(t)
		second.SetStartTime(env.Now())
		second.ExecuteWorkflow(workflows.LaneWorkflow, next)
		require.NoError(t, second.GetWorkflowError())
		require.GreaterOrEqual(t, second.Now().Sub(begin), time.Hour)
		for seq, s := range w.states {
			require.Equal(t, campaign.MessageDelivered, s.Status, "message %d", seq)
		}
	})

	t.Run("PauseKeepsWhatWaits", func(t *testing.T) {
		t.Parallel()
		w := newWorld(10)
		refuse(w, 10*time.Second, func(seq int) bool { return w.sends[seq] == 1 })
		env := w.env(t)
		env.RegisterDelayedCallback(func() { update(t, env, workflows.PauseUpdate) }, time.Second)
		env.RegisterDelayedCallback(func() {
			for seq, n := range w.sends {
				require.Equal(t, 1, n, "message %d was sent while paused", seq)
			}
			update(t, env, workflows.ResumeUpdate)
		}, time.Hour)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, 10, result(t, env).Totals.Delivered)
	})

	t.Run("CancelMarksWhatWaits", func(t *testing.T) {
		t.Parallel()
		w := newWorld(10)
		refuse(w, time.Hour, func(seq int) bool { return seq > 6 })
		env := w.env(t)
		begin := env.Now()
		env.RegisterDelayedCallback(func() { update(t, env, workflows.CancelUpdate) }, time.Minute)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		res := result(t, env)
		require.Equal(t, campaign.Cancelled, res.Status)
		require.Equal(t, 6, res.Totals.Delivered)
		require.Equal(t, 4, res.Totals.Cancelled)
		require.Less(t, env.Now().Sub(begin), 10*time.Minute, "nobody waits for the hour to pass")
	})

	t.Run("VendorThatRefusesEverybodyStopsNewSends", func(t *testing.T) {
		t.Parallel()
		w := newWorld(5000)
		away := true
		refuse(w, time.Minute, func(int) bool { return away })
		env := w.env(t)
		var begun int
		env.RegisterDelayedCallback(func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			begun, away = len(w.sends), false
		}, 30*time.Second)
		env.ExecuteWorkflow(workflows.CampaignWorkflow, input())
		require.Equal(t, 5000, result(t, env).Totals.Delivered)
		require.LessOrEqual(t, begun, 8*90, "in each of eight lanes 45 that wait, and those in flight meanwhile")
	})

	t.Run("FurtherAttemptsKeepTheRate", func(t *testing.T) {
		t.Parallel()
		w := newWorld(200)
		refuse(w, time.Second, func(seq int) bool { return seq%2 == 0 && w.sends[seq] == 1 })
		env := w.env(t)
		in := input()
		in.Rate = 10
		begin := env.Now()
		env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
		require.Equal(t, 200, result(t, env).Totals.Delivered)
		require.Len(t, w.due, 300)
		for from := begin; from.Before(begin.Add(30 * time.Second)); from = from.Add(time.Second) {
			require.LessOrEqual(t, w.dueWithin(from, from.Add(10*time.Second)), 105, "sends of ten seconds at 10/s")
		}
	})
}
