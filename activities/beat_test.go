package activities_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
)

// slowBooks closes the books no sooner than it is told to.
type slowBooks struct {
	activities.BooksStore

	close <-chan struct{}
}

func (b slowBooks) Finalize(ctx context.Context, _ uuid.UUID, _ campaign.Status) (campaign.Totals, error) {
	select {
	case <-b.close:
		return campaign.Totals{}, nil
	case <-ctx.Done():
		return campaign.Totals{}, context.Cause(ctx)
	}
}

func TestFinalizeCampaignBeatsWhileItCounts(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	beaten := make(chan struct{}, 10)
	env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) {
		select {
		case beaten <- struct{}{}:
		default: // one is enough
		}
	})
	acts := activities.New(activities.Deps{Books: slowBooks{close: beaten}})
	env.RegisterActivity(acts)
	_, err := env.ExecuteActivity(acts.FinalizeCampaign, activities.FinalizeInput{CampaignID: campaignID})
	require.NoError(t, err)
}
