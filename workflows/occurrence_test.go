package workflows_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/workflows"
)

func TestOccurrence(t *testing.T) {
	t.Parallel()
	in := workflows.OccurrenceInput{ScheduleID: uuid.New()}
	nominal := time.Date(2026, 11, 23, 3, 30, 0, 0, time.UTC)
	// run gives what the activity was told, which fails until the clock has gone on for so long.
	run := func(t *testing.T, away time.Duration) (times []time.Time, err error) {
		t.Helper()
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestWorkflowEnvironment()
		env.SetStartTime(nominal.Add(time.Minute))
		require.NoError(t, env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime").ValueSet(nominal))))
		workflows.Register(env)
		env.RegisterActivityWithOptions(func(_ context.Context, id uuid.UUID, at time.Time) error {
			require.Equal(t, in.ScheduleID, id)
			times = append(times, at)
			if env.Now().Before(nominal.Add(time.Minute + away)) {
				return temporal.NewApplicationError("the database is away", "Unavailable")
			}
			return nil
		}, activity.RegisterOptions{Name: "LaunchOccurrence"})
		env.ExecuteWorkflow(workflows.OccurrenceWorkflowName, in)
		require.True(t, env.IsWorkflowCompleted())
		return times, env.GetWorkflowError()
	}

	t.Run("IsForItsNominalTimeAlsoWhenItIsLate", func(t *testing.T) {
		t.Parallel()
		times, err := run(t, 2*time.Minute)
		require.NoError(t, err)
		require.Greater(t, len(times), 3)
		for _, at := range times {
			require.True(t, nominal.Equal(at), at)
		}
	})
}

// TestRecordOccurrence runs an occurrence on a real server, and records it with -record.
func TestRecordOccurrence(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Temporal server")
	}
	t.Parallel()
	address, _ := devtest.Temporal(t)
	c, err := client.Dial(client.Options{HostPort: address, Identity: "recorder", Logger: quiet()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	queue := "test-" + uuid.NewString()
	w := worker.New(c, queue, worker.Options{})
	workflows.Register(w)
	var tries atomic.Int32
	w.RegisterActivityWithOptions(func(context.Context, uuid.UUID, time.Time) error {
		if tries.Add(1) == 1 {
			return temporal.NewApplicationError("the database is away", "Unavailable")
		}
		return nil
	}, activity.RegisterOptions{Name: "LaunchOccurrence"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	id := "occurrence-" + uuid.NewString()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue},
		workflows.OccurrenceWorkflowName, workflows.OccurrenceInput{ScheduleID: uuid.New()})
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil))
	require.EqualValues(t, 2, tries.Load())
	h := fetch(t, c, id, false)
	for _, e := range h.Events {
		if scheduled := e.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			require.Equal(t, workflows.OccurrenceDeadline, scheduled.GetScheduleToCloseTimeout().AsDuration(), "then it is given up")
			require.Zero(t, scheduled.GetRetryPolicy().GetMaximumAttempts(), "and not before")
		}
	}
	if *record {
		writeHistory(t, "occurrence_0", h)
	}
}
