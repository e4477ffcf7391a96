package workflows

import (
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// OccurrenceDeadline is how long the campaign of an occurrence may be late, because Temporal, the workers or
// the database were away. After it the occurrence is given up; the next one comes in its turn.
const OccurrenceDeadline = time.Hour

// OccurrenceInput starts OccurrenceWorkflow.
type OccurrenceInput struct {
	ScheduleID uuid.UUID `json:"schedule_id"`
}

// OccurrenceWorkflow makes the campaign of one occurrence of a schedule and launches it; the campaign's own
// workflow does the rest. Temporal's schedule starts it and says for which time.
func OccurrenceWorkflow(ctx workflow.Context, in OccurrenceInput) error {
	at, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime"))
	if !ok {
		at = workflow.Now(ctx) // started by hand
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		// A launch counts the audience and asks Temporal, some seconds at most.
		StartToCloseTimeout:    30 * time.Second,
		ScheduleToCloseTimeout: OccurrenceDeadline,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
	})
	return workflow.ExecuteActivity(ctx, act.LaunchOccurrence, in.ScheduleID, at).Get(ctx, nil)
}
