package business_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
	"github.com/xencrm/xencrm/internal/segment/segmenttest"
)

func TestResolveAudience(t *testing.T) {
	t.Parallel()

	t.Run("DenseSequenceFrozenTextBooksOpen", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 4500)
		c := b.campaign(t, everyone)
		got := b.resolve(t, c)
		require.Equal(t, 4500, got.Sendable)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 4500, Pending: 4500})
		require.Equal(t, 4500, b.scalar(t, "SELECT count(DISTINCT seq) FROM communication_log WHERE seq BETWEEN 1 AND 4500"))
		require.Zero(t, b.scalar(t, "SELECT count(*) FROM communication_log WHERE message_text <> 'Hi ' || customer_name"))
		stored, err := b.store.Campaign(t.Context(), c.ID)
		require.NoError(t, err)
		require.Equal(t, 4500, stored.TargetCount)
	})

	t.Run("RepeatingItGivesTheStoredAudience", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 10)
		c := b.campaign(t, everyone)
		first := b.resolve(t, c)
		b.customers(t, 5) // came too late: the audience stands
		require.Equal(t, first, b.resolve(t, c))
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 10, Pending: 10})
	})

	t.Run("FanOutIsDecidedWithTheAudienceAndStands", func(t *testing.T) {
		t.Parallel()
		tests := []struct{ asked, above10, above9 campaign.FanOut }{
			{campaign.Auto, campaign.PerCustomer, campaign.Paged},
			{campaign.PerCustomer, campaign.PerCustomer, campaign.PerCustomer},
			{campaign.Paged, campaign.Paged, campaign.Paged},
		}
		b := setup(t)
		b.customers(t, 10)
		for _, tt := range tests {
			for above, want := range map[int]campaign.FanOut{10: tt.above10, 9: tt.above9} {
				c := b.campaign(t, everyone)
				_, err := b.pool.Exec(t.Context(), "UPDATE campaigns SET fan_out = $2 WHERE campaign_id = $1", c.ID, tt.asked)
				require.NoError(t, err)
				r := request(t, c)
				for _, r.PagedAbove = range []int{above, 1_000_000, 1} { // the first one counts
					got, err := b.store.ResolveAudience(t.Context(), r)
					require.NoError(t, err)
					require.Equal(t, want, got.FanOut, "%s above %d", tt.asked, above)
				}
				stored, err := b.store.Campaign(t.Context(), c.ID)
				require.NoError(t, err)
				require.Equal(t, want, stored.FanOut)
			}
		}
	})

	t.Run("TwoAtOnceMakeOneAudience", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 3000)
		c := b.campaign(t, everyone)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { b.resolve(t, c) })
		}
		both.Wait()
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 3000, Pending: 3000})
	})

	t.Run("SkippedCustomersStayInTheBooksAtTheEnd", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 10)
		_, err := b.pool.Exec(t.Context(), `INSERT INTO suppressions VALUES ('user-3@example.com', 'UNSUBSCRIBED', 't', now());
			UPDATE customers_mv SET email = NULL WHERE name = 'User 7'; UPDATE customers_mv SET email = upper(email) WHERE name = 'User 3'`)
		require.NoError(t, err)
		c := b.campaign(t, everyone)
		got := b.resolve(t, c)
		require.Equal(t, 8, got.Sendable)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 10, Pending: 8, Skipped: 2})
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM communication_log WHERE seq > 8 AND skip_reason = 'SUPPRESSED'"))
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM communication_log WHERE seq > 8 AND skip_reason = 'NO_EMAIL'"))
	})

	t.Run("OneUnrenderableCustomerIsSkipped", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 3)
		_, err := b.pool.Exec(t.Context(), "UPDATE customers_mv SET name = repeat('x', 255) WHERE name = 'User 2'")
		require.NoError(t, err)
		c := b.campaign(t, everyone)
		r := request(t, c)
		render := r.Render
		r.Render = func(m message.Recipient) (string, error) {
			if len(*m.Name) == 255 {
				return "", errs.Errorf(errs.Invalid, "too long")
			}
			return render(m)
		}
		_, err = b.store.ResolveAudience(t.Context(), r)
		require.NoError(t, err)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 3, Pending: 2, Skipped: 1})
	})

	t.Run("EmptyAudience", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.campaign(t, everyone)
		require.Zero(t, b.resolve(t, c).Sendable)
		_, err := b.store.Finalize(t.Context(), c.ID, campaign.Completed)
		require.NoError(t, err)
	})

	t.Run("RefusesACampaignThatHasEnded", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.campaign(t, everyone)
		require.NoError(t, b.store.Fail(t.Context(), c.ID, "stopped"))
		_, err := b.store.ResolveAudience(t.Context(), request(t, c))
		require.True(t, errs.Is(err, errs.Conflict), "got %v", err)
	})
}

// TestCompilerAgreesWithEvaluator holds the one compiler against the Go evaluator over 500 random
// rule trees (D13) on real PostgreSQL.
func TestCompilerAgreesWithEvaluator(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// The projection never writes NULL into these, the compiler must get them right all the same.
	_, err := b.pool.Exec(t.Context(), `ALTER TABLE customers_mv ALTER total_spend DROP NOT NULL,
		ALTER total_visits DROP NOT NULL, ALTER total_orders DROP NOT NULL, ALTER status DROP NOT NULL`)
	require.NoError(t, err)
	ids := map[uuid.UUID]int{}
	for i, row := range segmenttest.Customers() {
		id := uuid.New()
		ids[id] = i
		var spend *string
		if row.TotalSpend != nil {
			s := row.TotalSpend.String()
			spend = &s
		}
		_, err := b.pool.Exec(t.Context(), `INSERT INTO customers_mv (customer_id, version, name, email, status, total_spend, total_visits, total_orders, last_order_at)
			VALUES ($1, 1, $2, $3, $4, $5::text::numeric, $6, $7, $8)`,
			id, row.Name, row.Email, row.Status, spend, row.TotalVisits, row.TotalOrders, row.LastOrderAt)
		require.NoError(t, err)
	}
	segmenttest.Agree(t, func(where string, args []any) []int {
		rows, err := b.pool.Query(t.Context(), "SELECT c.customer_id FROM customers_mv c WHERE "+where, args...)
		require.NoError(t, err)
		found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		require.NoError(t, err)
		out := make([]int, len(found))
		for i, id := range found {
			out[i] = ids[id]
		}
		return out
	})
}

// TestD14DaysSinceLastOrderIsComputedWhenAsked finds customers who stopped buying without any event.
func TestD14DaysSinceLastOrderIsComputedWhenAsked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(t, 60)
	c := b.campaign(t, rule("days_since_last_order", ">", "30"))
	require.Equal(t, 30, b.resolve(t, c).Sendable)
}

// TestPreviewEqualsLaunch counts with the preview and with the launch.
func TestPreviewEqualsLaunch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(t, 50)
	for _, rules := range []string{rule("total_spend", ">", "2500"), rule("name", "contains", `"1"`), rule("email", "not_contains", `"_"`)} {
		c := b.campaign(t, rules)
		n, err := b.store.CountAudience(t.Context(), request(t, c).Rules)
		require.NoError(t, err)
		require.Equal(t, n, b.resolve(t, c).Sendable)
		sample, err := b.store.SampleAudience(t.Context(), request(t, c).Rules, 5)
		require.NoError(t, err)
		require.Len(t, sample, min(n, 5))
	}
}

func rule(field, operator, value string) string {
	return fmt.Sprintf(`[{"id":"g","operator":"AND","rules":[{"id":"r","field":%q,"operator":%q,"value":%s}]}]`, field, operator, strings.TrimSpace(value))
}
