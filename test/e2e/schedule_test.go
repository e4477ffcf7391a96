package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// testSchedule waits, for two minutes at most, until a Schedule of Temporal has made a campaign by itself.
func (s *system) testSchedule(t *testing.T) {
	t.Helper()
	due := time.Now().UTC().Truncate(time.Minute).Add(time.Minute)
	if time.Until(due) < 10*time.Second {
		due = due.Add(time.Minute) // time for the request
	}
	type schedule struct {
		Data struct {
			ID   uuid.UUID   `json:"schedule_id"`
			Next []time.Time `json:"next_at"`
			Last *uuid.UUID  `json:"last_campaign_id"`
		} `json:"data"`
	}
	var made, seen schedule
	require.Equal(t, http.StatusCreated, s.call(t, post("/api/schedules", uuid.NewString(), map[string]any{
		"campaign":   map[string]any{"name": "daily", "segment_id": s.segment(t), "message_template": "Hi {{ name }}"},
		"recurrence": map[string]any{"times": []string{due.Format("15:04")}, "time_zone": "UTC"},
	}), &made))
	require.True(t, due.Equal(made.Data.Next[0]), "%s is not %s", made.Data.Next[0], due)
	path := "/api/schedules/" + made.Data.ID.String()
	s.eventually(t, "the schedule has made no campaign", func() bool {
		require.Equal(t, http.StatusOK, s.call(t, request{method: http.MethodGet, path: path}, &seen))
		return seen.Data.Last != nil
	})
	require.Equal(t, http.StatusOK, s.call(t, request{method: http.MethodDelete, path: path}, nil))
	s.eventually(t, "Temporal still has the schedule", func() bool {
		return s.count(t, "SELECT count(*)::text FROM campaign_schedules WHERE schedule_id = $1", made.Data.ID) == "0"
	})
	s.awaitStatus(t, *seen.Data.Last, "COMPLETED")
	s.requireExact(t, *seen.Data.Last)
	require.Equal(t, "1", s.count(t, "SELECT count(*)::text FROM campaigns WHERE name LIKE 'daily · %'"))
}
