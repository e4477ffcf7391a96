package business_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
)

// TestSendWindowReachesTheSender: what a client said of hours is what a send goes by.
func TestSendWindowReachesTheSender(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.draft(t)
	shared, _, err := b.store.LoadMessages(t.Context(), c.ID, 1, 1)
	require.NoError(t, err)
	require.Nil(t, shared.Hours, "at any time")
	c.SendWindow = &campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "Asia/Kolkata"}
	stored, err := b.store.UpdateDraft(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, c.SendWindow, stored.SendWindow)
	shared, _, err = b.store.LoadMessages(t.Context(), c.ID, 1, 1)
	require.NoError(t, err)
	open, until := shared.Hours.At(time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC))
	require.True(t, open)
	require.True(t, time.Date(2026, 3, 1, 14, 30, 0, 0, time.UTC).Equal(until))
	_, err = b.pool.Exec(t.Context(), `UPDATE campaigns SET send_window = '{"from":"never"}'`)
	require.NoError(t, err)
	_, _, err = b.store.LoadMessages(t.Context(), c.ID, 1, 1)
	require.ErrorContains(t, err, "send_window", "and never a send at any time instead")
}
