package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/worker"
)

func TestVendorRateTurnsEagerDispatchOff(t *testing.T) {
	t.Parallel()
	free := worker.Options{}.SDK()
	require.Zero(t, free.TaskQueueActivitiesPerSecond)
	require.False(t, free.DisableEagerActivities)
	limited := worker.Options{VendorRate: 12.5}.SDK()
	require.InDelta(t, 12.5, limited.TaskQueueActivitiesPerSecond, 0)
	require.True(t, limited.DisableEagerActivities)
}
