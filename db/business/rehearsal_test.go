package business_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
)

// The limits of rehearsals that have time for everything, and of those that have none to render.
var (
	untilDone   = campaign.RehearsalLimits{Render: time.Minute, Whole: time.Minute}
	noRendering = campaign.RehearsalLimits{Whole: time.Minute}
)

// refusing gives the request of a campaign whose template fails for every customer with so many orders.
func refusing(t testing.TB, c campaign.Campaign, orders ...int32) campaign.AudienceRequest {
	t.Helper()
	r := request(t, c)
	render := r.Render
	r.Render = func(m message.Recipient) (string, error) {
		if slices.Contains(orders, *m.TotalOrders) {
			return "", errs.Errorf(errs.Invalid, "no message for this customer")
		}
		return render(m)
	}
	return r
}

// TestDryRunEqualsLaunch holds a dry run against the launch that follows: the same counts by reason, the
// same fan-out, and the same texts for the same customers.
func TestDryRunEqualsLaunch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(t, 4_500) // three pages
	_, err := b.pool.Exec(t.Context(), `INSERT INTO suppressions
		SELECT 'user-' || i || '@example.com', 'UNSUBSCRIBED', 't', now() FROM generate_series(1, 30) i;
		UPDATE customers_mv SET email = NULL WHERE total_orders BETWEEN 41 AND 50;
		UPDATE customers_mv SET email = '' WHERE total_orders BETWEEN 51 AND 60;
		UPDATE customers_mv SET email = upper(email) WHERE total_orders = 3;
		INSERT INTO erased_addresses VALUES (sha256('user-70@example.com'))`)
	require.NoError(t, err)
	c := b.campaign(t, everyone)
	r := refusing(t, c, 100, 4_000)
	said, err := b.store.RehearseAudience(t.Context(), r, untilDone)
	require.NoError(t, err)
	require.Zero(t, b.scalar(t, "SELECT count(*) FROM communication_log"), "a dry run stores nothing")
	stored, err := b.store.Campaign(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, c, stored)

	launched, err := b.store.ResolveAudience(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, launched.Totals.Audience, said.Audience)
	require.Equal(t, launched.Totals.Pending, said.ToSend())
	require.Equal(t, launched.Sendable, said.Reachable(), "the number that decides the fan-out")
	require.False(t, said.Estimated)
	require.Equal(t, said.Reachable(), said.Rendered)
	for reason, n := range map[campaign.SkipReason]int{
		campaign.SkipNoEmail: said.NoEmail, campaign.SkipSuppressed: said.Suppressed, campaign.SkipRender: said.RenderFailed,
	} {
		require.Positive(t, n)
		require.Equal(t, b.scalar(t, "SELECT count(*) FROM communication_log WHERE skip_reason = $1", string(reason)), n, reason)
	}
	require.Equal(t, b.firstMessages(t, c.ID, len(said.Sample)), said.Sample)
	require.Len(t, said.Sample, 5)
}

// firstMessages are the first messages of the ledger that are to be sent.
func (b *bundle) firstMessages(t testing.TB, id uuid.UUID, n int) []campaign.SampleMessage {
	t.Helper()
	rows, err := b.pool.Query(t.Context(), `SELECT customer_id, customer_name, customer_email, message_text
		FROM communication_log WHERE campaign_id = $1 AND status = 'PENDING' ORDER BY seq LIMIT $2`, id, n)
	require.NoError(t, err)
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[campaign.SampleMessage])
	require.NoError(t, err)
	return out
}

func TestRehearseAudience(t *testing.T) {
	t.Parallel()

	t.Run("WithoutTimeToRenderItEstimatesAndSaysSo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 4_500)
		_, err := b.pool.Exec(t.Context(), "UPDATE customers_mv SET email = NULL WHERE total_orders > 4400")
		require.NoError(t, err)
		r := request(t, b.campaign(t, everyone))
		tried := 0
		r.Render = func(message.Recipient) (string, error) {
			if tried++; tried%4 == 0 {
				return "", errs.Errorf(errs.Invalid, "every fourth has no message")
			}
			return "x", nil
		}
		got, err := b.store.RehearseAudience(t.Context(), r, noRendering)
		require.NoError(t, err)
		require.Equal(t, 2_000, got.Rendered, "the first page always is")
		require.True(t, got.Estimated)
		require.Equal(t, 4_500, got.Audience)
		require.Equal(t, 100, got.NoEmail, "what SQL says stays exact")
		require.Equal(t, 1_100, got.RenderFailed, "a quarter of 4,400")
		require.Equal(t, 3_300, got.ToSend())
	})

	t.Run("NobodyMatches", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		got, err := b.store.RehearseAudience(t.Context(), request(t, b.campaign(t, everyone)), noRendering)
		require.NoError(t, err)
		require.Equal(t, campaign.Rehearsal{}, got)
	})

	t.Run("NobodyCanBeReached", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 3)
		_, err := b.pool.Exec(t.Context(), "UPDATE customers_mv SET email = NULL")
		require.NoError(t, err)
		got, err := b.store.RehearseAudience(t.Context(), request(t, b.campaign(t, everyone)), noRendering)
		require.NoError(t, err)
		require.Equal(t, campaign.Rehearsal{Audience: 3, NoEmail: 3}, got)
	})

	t.Run("WhatTakesTooLongIsGivenUpInWords", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		r := request(t, b.campaign(t, everyone))
		tx, err := b.pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "LOCK TABLE customers_mv IN ACCESS EXCLUSIVE MODE")
		require.NoError(t, err)
		_, err = b.store.RehearseAudience(t.Context(), r, campaign.RehearsalLimits{Whole: 100 * time.Millisecond})
		require.True(t, errs.Is(err, errs.Unavailable), "got %v", err)
		require.ErrorContains(t, err, "narrow the segment")
		require.NoError(t, tx.Rollback(t.Context()))
		_, err = b.store.RehearseAudience(t.Context(), r, untilDone)
		require.NoError(t, err, "and nothing is held up afterwards")
	})

	t.Run("ACallerWhoWentAwayStopsIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 3)
		r := request(t, b.campaign(t, everyone))
		ctx, cancel := context.WithCancel(t.Context())
		r.Render = func(message.Recipient) (string, error) {
			cancel()
			return "", nil
		}
		_, err := b.store.RehearseAudience(ctx, r, untilDone)
		require.ErrorIs(t, err, context.Canceled)
	})
}
