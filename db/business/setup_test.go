package business_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/message"
	"github.com/xencrm/xencrm/internal/segment"
)

// bundle is a fresh business database with its store.
type bundle struct {
	pool  *pgxpool.Pool
	store *business.Store
}

func setup(t testing.TB) *bundle {
	t.Helper()
	pool := dbtest.Business(t)
	return &bundle{pool: pool, store: business.New(pool)}
}

const everyone = `[{"id":"g","operator":"AND","rules":[{"id":"r","field":"total_orders","operator":">=","value":0}]}]`

// customers projects n customers: user-1 to user-n, each with as many orders as its number.
func (b *bundle) customers(t testing.TB, n int) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), `INSERT INTO customers_mv
		(customer_id, version, name, email, total_spend, total_visits, total_orders, last_order_at, status)
		SELECT gen_random_uuid(), 1, 'User ' || i, 'user-' || i || '@example.com', i * 100, i + 0, i, now() - i * interval '1 day', 'ACTIVE'
		FROM generate_series(1, $1::int) i`, n)
	require.NoError(t, err)
}

// campaign stores a campaign over rules, not started.
func (b *bundle) campaign(t testing.TB, rules string) campaign.Campaign {
	t.Helper()
	seg, err := b.store.InsertSegment(t.Context(), campaign.Segment{
		ID: uuid.New(), Name: "s", Rules: json.RawMessage(rules), CreatedBy: "t", UpdatedBy: "t",
	})
	require.NoError(t, err)
	c, created, err := b.store.InsertCampaign(t.Context(), campaign.Campaign{
		ID: uuid.New(), SegmentID: seg.ID, SegmentName: seg.Name, Rules: seg.Rules, Name: "c",
		MessageTemplate: "Hi {{ name }}", Type: campaign.Promotional, Status: campaign.Active,
		FanOut: campaign.PerCustomer, MaxAttempts: 3, SendDeadline: time.Hour, ReceiptDeadline: time.Hour, CreatedBy: "t",
	}, []byte("hash"))
	require.NoError(t, err)
	require.True(t, created)
	return c
}

// resolve resolves the audience of a campaign.
func (b *bundle) resolve(t testing.TB, c campaign.Campaign) campaign.Audience {
	t.Helper()
	got, err := b.store.ResolveAudience(t.Context(), request(t, c))
	require.NoError(t, err)
	return got
}

func request(t testing.TB, c campaign.Campaign) campaign.AudienceRequest {
	t.Helper()
	rules, err := segment.Parse(c.Rules)
	require.NoError(t, err)
	tmpl, err := message.Parse(c.MessageTemplate)
	require.NoError(t, err)
	return campaign.AudienceRequest{CampaignID: c.ID, Rules: rules, Render: tmpl.Render, OnPage: func(int) {}}
}

// launched gives a campaign with n messages, all pending.
func (b *bundle) launched(t testing.TB, n int) (campaign.Campaign, []campaign.Message) {
	t.Helper()
	b.customers(t, n)
	c := b.campaign(t, everyone)
	b.resolve(t, c)
	_, messages, err := b.store.LoadMessages(t.Context(), c.ID, 1, n)
	require.NoError(t, err)
	require.Len(t, messages, n)
	return c, messages
}

// requireBooks compares the books with the ledger and with what is expected, whatever the revision.
func (b *bundle) requireBooks(t testing.TB, id uuid.UUID, want campaign.Totals) {
	t.Helper()
	got, err := b.store.Totals(t.Context(), id)
	require.NoError(t, err)
	want.Revision = got.Revision
	require.Equal(t, want, got)
	require.Equal(t, want, b.ledger(t, id, got.Revision))
}

// ledger counts the rows with a query of its own.
func (b *bundle) ledger(t testing.TB, id uuid.UUID, revision int64) campaign.Totals {
	t.Helper()
	rows, err := b.pool.Query(t.Context(), `SELECT status, count(*), count(sent_at) FROM communication_log WHERE campaign_id = $1 GROUP BY 1`, id)
	require.NoError(t, err)
	defer rows.Close()
	out := campaign.Totals{Revision: revision}
	for rows.Next() {
		var status campaign.MessageStatus
		var n, sent int
		require.NoError(t, rows.Scan(&status, &n, &sent))
		for range n {
			out.Add(status)
		}
		out.Sent += sent
	}
	require.NoError(t, rows.Err())
	return out
}

func answerTo(c campaign.Campaign, m campaign.Message, kind campaign.AnswerKind, number int, code string) campaign.Answer {
	return campaign.Answer{
		CampaignID: c.ID, CommunicationID: m.CommunicationID, Kind: kind, Number: number, Code: code,
		VendorRef: fmt.Sprintf("ref-%d", m.Seq), At: time.Now(), Latency: 12 * time.Millisecond,
	}
}

func receiptFor(m campaign.Message, delivered bool, code string) campaign.Receipt {
	return campaign.Receipt{
		ReceiptID: uuid.New(), CommunicationID: m.CommunicationID, Attempt: 1, VendorRef: fmt.Sprintf("ref-%d", m.Seq),
		Delivered: delivered, Code: code, OccurredAt: time.Now(),
	}
}

func (b *bundle) scalar(t testing.TB, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, b.pool.QueryRow(context.WithoutCancel(t.Context()), query, args...).Scan(&n))
	return n
}
