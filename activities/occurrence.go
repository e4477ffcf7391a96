package activities

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Occurrences makes the campaigns of schedules.
type Occurrences interface {
	Fire(ctx context.Context, scheduleID uuid.UUID, at time.Time) error
}

// LaunchOccurrence makes the campaign of an occurrence and launches it. Executed again it finds the campaign
// that it has made: the id is derived from the schedule and the time.
func (a *Activities) LaunchOccurrence(ctx context.Context, scheduleID uuid.UUID, at time.Time) error {
	return failure(a.occurrences.Fire(ctx, scheduleID, at))
}
