package campaign_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
)

func TestFanOut(t *testing.T) {
	t.Parallel()
	const above = campaign.DefaultPagedAbove
	tests := []struct {
		name       string
		asked      campaign.FanOut
		recipients int
		want       campaign.FanOut
	}{
		{"AutoUpToTheThresholdIsPerCustomer", campaign.Auto, above, campaign.PerCustomer},
		{"AutoAboveTheThresholdIsPaged", campaign.Auto, above + 1, campaign.Paged},
		{"PagedIsPagedHoweverSmall", campaign.Paged, 1, campaign.Paged},
		{"PerCustomerIsPerCustomerHoweverLarge", campaign.PerCustomer, 1_000_000, campaign.PerCustomer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.True(t, tt.asked.Valid())
			require.Equal(t, tt.want, tt.asked.Resolve(tt.recipients, above))
		})
	}
	t.Run("AnythingElseIsNotAWay", func(t *testing.T) {
		t.Parallel()
		require.False(t, campaign.FanOut("pages").Valid())
		require.False(t, campaign.FanOut("").Valid())
	})
}
