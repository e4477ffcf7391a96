package campaign_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// emptyLedger has one campaign and no rows.
type emptyLedger struct{ one campaign.Campaign }

func (l emptyLedger) Campaign(context.Context, uuid.UUID) (campaign.Campaign, error) {
	return l.one, nil
}

func (l emptyLedger) LedgerEntries(context.Context, campaign.EntryFilter) ([]campaign.Entry, error) {
	return nil, nil
}

func (l emptyLedger) EntryDetail(context.Context, uuid.UUID, uuid.UUID) (campaign.EntryDetail, error) {
	return campaign.EntryDetail{}, errs.Errorf(errs.NotFound, "no rows")
}

func TestLedgerSaysWhyThereIsNoMessage(t *testing.T) {
	t.Parallel()
	books := &campaign.Stats{}
	tests := []struct {
		name string
		c    campaign.Campaign
		want string
	}{
		{"OfADraft", campaign.Campaign{Status: campaign.Draft}, "the campaign is a DRAFT and has no audience"},
		{"OfAScheduledOne", campaign.Campaign{Status: campaign.Scheduled}, "resolved when it starts"},
		{"OfOneThatEndedFirst", campaign.Campaign{Status: campaign.Cancelled}, "ended before its audience was resolved"},
		{"OfARunningOne", campaign.Campaign{Status: campaign.Active, Stats: books}, "Not in the audience: the segment's rules did not match"},
		{"OfAnEndedOne", campaign.Campaign{Status: campaign.Completed, Stats: books}, "Not in the audience: the segment's rules did not match"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := campaign.NewLedger(emptyLedger{tt.c}).Find(t.Context(), uuid.New(), uuid.New())
			require.True(t, errs.Is(err, errs.NotFound))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestParseMessageStatuses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][]campaign.MessageStatus{
		"":                      nil,
		"FAILED":                {campaign.MessageFailed},
		"FAILED,PENDING":        {campaign.MessagePending, campaign.MessageFailed},
		"PENDING,FAILED":        {campaign.MessagePending, campaign.MessageFailed},
		"FAILED,PENDING,FAILED": {campaign.MessagePending, campaign.MessageFailed},
	} {
		got, err := campaign.ParseMessageStatuses(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got, raw)
	}
	for _, raw := range []string{"failed", "FAILED,", ",", "FAILED, SENT", "NEW"} {
		_, err := campaign.ParseMessageStatuses(raw)
		require.True(t, errs.Is(err, errs.Invalid), raw)
		require.ErrorContains(t, err, "PENDING, SKIPPED, CANCELLED, SENT, FAILED, DELIVERED")
	}
}

func TestEntryPosition(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{"": 0, "1": 1, "2147483647": 1<<31 - 1} {
		got, err := campaign.EntryPosition(cursor.Position{Key: key})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, key := range []string{"0", "-1", "x", "1.5", "2147483648"} {
		_, err := campaign.EntryPosition(cursor.Position{Key: key})
		require.True(t, errs.Is(err, errs.Invalid), key)
	}
}
