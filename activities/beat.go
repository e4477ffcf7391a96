package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// beatEvery is a fifth of the heartbeat timeout that the workflow asks for: four may be late.
const beatEvery = 2 * time.Second

// beat tells Temporal that the activity lives, with how far it is, until the function that it gives is
// called: one statement over a million rows takes longer than a lost worker may go unnoticed.
func beat(ctx context.Context, progress func() int64) (stop func()) {
	return beatEach(ctx, beatEvery, progress)
}

func beatEach(ctx context.Context, every time.Duration, progress func() int64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx, progress())
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// noProgress is of an activity that is one statement.
func noProgress() int64 { return 0 }
