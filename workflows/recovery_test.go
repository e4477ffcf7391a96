package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/workflows"
)

// TestALostWorkerIsNoticedSoon: a worker that dies right after it stored "paused" kept the operator who
// asked for it waiting for ten minutes, the longest that closing the books may take.
func TestALostWorkerIsNoticedSoon(t *testing.T) {
	t.Parallel()
	for _, last := range []string{workflows.ResumeUpdate, workflows.CancelUpdate} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			w := newWorld(600)
			w.settle = true
			env := w.env(t)
			seen := map[string]time.Duration{}
			env.SetOnActivityStartedListener(func(info *activityInfo, _ context.Context, _ args) {
				unnoticed := info.StartToCloseTimeout
				if info.HeartbeatTimeout > 0 {
					unnoticed = min(unnoticed, info.HeartbeatTimeout)
				}
				seen[info.ActivityType.Name] = unnoticed
			})
			in := input()
			in.Rate = 100
			env.RegisterDelayedCallback(func() { update(t, env, workflows.PauseUpdate) }, time.Second)
			env.RegisterDelayedCallback(func() { update(t, env, workflows.SetRateUpdate, workflows.SetRateInput{PerSecond: 50}) }, 2*time.Second)
			env.RegisterDelayedCallback(func() { update(t, env, last) }, 3*time.Second)
			env.ExecuteWorkflow(workflows.CampaignWorkflow, in)
			result(t, env)
			for _, name := range []string{"ResolveAudience", "SendMessage", "RecordStatus", "RecordRate", "FinalizeCampaign"} {
				require.Contains(t, seen, name)
			}
			for name, unnoticed := range seen {
				require.LessOrEqual(t, unnoticed, 15*time.Second, name)
			}
		})
	}
}
