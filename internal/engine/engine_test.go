package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/internal/engine"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/workflows"
)

func dial(t *testing.T, address string) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func newCampaign() campaign.Campaign {
	return campaign.Campaign{ID: uuid.New(), SegmentID: uuid.New(), Name: "Diwali", Status: campaign.Active, ReceiptDeadline: time.Hour}
}

func TestEngine(t *testing.T) {
	t.Parallel()
	address, _ := devtest.Temporal(t)
	c := dial(t, address)
	eng := engine.New(c)
	require.NoError(t, eng.Ping(t.Context()))

	t.Run("StartingTwiceIsOneWorkflow", func(t *testing.T) {
		t.Parallel()
		made := newCampaign()
		id := workflows.CampaignWorkflowID(made.ID, 0)
		require.NoError(t, eng.Start(t.Context(), made))
		first, err := c.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		require.NoError(t, eng.Start(t.Context(), made))
		require.NoError(t, c.TerminateWorkflow(t.Context(), id, "", "test"))
		require.NoError(t, eng.Start(t.Context(), made), "also after it has ended")
		again, err := c.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		require.Equal(t, first.GetWorkflowExecutionInfo().GetExecution().GetRunId(), again.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	})

	t.Run("WhatSomebodyWaitsForGoesFirstAndCampaignsTakeTurns", func(t *testing.T) {
		t.Parallel()
		keys := map[campaign.Type]int32{}
		for _, kind := range []campaign.Type{campaign.Promotional, campaign.Transactional} {
			made := newCampaign()
			made.Type = kind
			require.NoError(t, eng.Start(t.Context(), made))
			got, err := c.DescribeWorkflowExecution(t.Context(), workflows.CampaignWorkflowID(made.ID, 0), "")
			require.NoError(t, err)
			priority := got.GetWorkflowExecutionInfo().GetPriority()
			keys[kind] = priority.GetPriorityKey()
			require.Equal(t, made.ID.String(), priority.GetFairnessKey())
		}
		require.Less(t, keys[campaign.Transactional], keys[campaign.Promotional], "a lower key goes first")
	})

	t.Run("TheSendWindowGoesAlong", func(t *testing.T) {
		t.Parallel()
		made := newCampaign()
		made.SendWindow = &campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "Asia/Kolkata"}
		require.NoError(t, eng.Start(t.Context(), made))
		first, err := c.GetWorkflowHistory(t.Context(), workflows.CampaignWorkflowID(made.ID, 0), "", false,
			enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
		require.NoError(t, err)
		var in workflows.CampaignInput
		payloads := first.GetWorkflowExecutionStartedEventAttributes().GetInput()
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(payloads, &in))
		require.Equal(t, made.SendWindow, in.Window)
	})

	t.Run("ACampaignWithoutWorkflowNeedsNoTelling", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, eng.Notify(t.Context(), uuid.New(), 0, campaign.Totals{Revision: 1}))
		_, err := eng.Pause(t.Context(), newCampaign())
		require.True(t, errs.Is(err, errs.NotFound), "got %v", err)
	})
}

func TestTemporalAway(t *testing.T) {
	t.Parallel()
	eng := engine.New(dial(t, "127.0.0.1:1"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.True(t, errs.Is(eng.Start(ctx, newCampaign()), errs.Unavailable))
	// A request that was on its way may have arrived.
	_, err := eng.Pause(ctx, newCampaign())
	require.True(t, errs.Is(err, errs.Unknown), "%v", err)
}

// starts is an engine and a store in one, with function fields for what differs.
type starts struct {
	campaign.Engine
	unstarted []campaign.Campaign
	confirmed []uuid.UUID
	err       error
}

func (s *starts) Start(context.Context, campaign.Campaign) error { return s.err }

func (s *starts) Unstarted(context.Context, time.Duration, int) ([]campaign.Campaign, error) {
	return s.unstarted, nil
}

func (s *starts) ConfirmStart(_ context.Context, id uuid.UUID, _ int) error {
	s.confirmed = append(s.confirmed, id)
	return nil
}

func TestStarter(t *testing.T) {
	t.Parallel()
	s := &starts{unstarted: []campaign.Campaign{newCampaign(), newCampaign()}, err: errors.New("away")}
	starter := engine.NewStarter(s, s, slog.New(slog.DiscardHandler))
	require.Error(t, starter.RunOnce(t.Context()))
	require.Empty(t, s.confirmed, "a start that failed is not confirmed")
	s.err = nil
	require.NoError(t, starter.RunOnce(t.Context()))
	require.Len(t, s.confirmed, 2)
}
