package business_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/message"
)

func links() campaign.Links {
	return campaign.NewLinks("https://crm.shop.in", "a-secret-of-thirty-two-characters")
}

// linked resolves a campaign whose messages end with the customer's link.
func (b *bundle) linked(t *testing.T) campaign.Campaign {
	t.Helper()
	c := b.campaign(t, everyone)
	r := request(t, c)
	tmpl, err := message.Parse("Hi {{ name }} {{ unsubscribe_url }}")
	require.NoError(t, err)
	r.Render = tmpl.Render
	r.UnsubscribeURL = func(id uuid.UUID) string { return links().Unsubscribe(c.ID, id) }
	_, err = b.store.ResolveAudience(t.Context(), r)
	require.NoError(t, err)
	return c
}

func (b *bundle) load(t *testing.T, c campaign.Campaign, n int) []campaign.Message {
	t.Helper()
	_, messages, err := b.store.LoadMessages(t.Context(), c.ID, 1, n)
	require.NoError(t, err)
	require.Len(t, messages, n)
	return messages
}

// sendAll does to each message what the sender does: it skips who is suppressed and sends to the others.
func (b *bundle) sendAll(t *testing.T, c campaign.Campaign, messages []campaign.Message) {
	t.Helper()
	var answers []campaign.Answer
	for _, m := range messages {
		if m.Suppressed {
			answers = append(answers, answerTo(c, m, campaign.AnswerSkipped, 0, string(campaign.SkipSuppressed)))
			continue
		}
		answers = append(answers, answerTo(c, m, campaign.AnswerAccepted, 1, ""))
	}
	_, err := b.store.RecordAnswers(t.Context(), answers)
	require.NoError(t, err)
}

func TestUnsubscribing(t *testing.T) {
	t.Parallel()

	t.Run("BetweenAudienceAndSendSkipsTheMessage", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 3)
		c := b.linked(t)
		messages := b.load(t, c, 3)
		link := messages[1].Body[strings.LastIndex(messages[1].Body, " ")+1:]
		token, ours := strings.CutPrefix(link, "https://crm.shop.in/u/")
		require.True(t, ours, link)
		service := campaign.NewSuppressions(b.store, links())
		require.NoError(t, service.CheckLink(token))
		require.False(t, b.load(t, c, 3)[1].Suppressed, "opening the link is not unsubscribing")
		for range 2 {
			require.NoError(t, service.Unsubscribe(t.Context(), token))
		}
		messages = b.load(t, c, 3)
		require.Equal(t, []bool{false, true, false}, []bool{messages[0].Suppressed, messages[1].Suppressed, messages[2].Suppressed})
		b.sendAll(t, c, messages)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 3, InFlight: 2, Skipped: 1, Sent: 2})
		require.Equal(t, 1, b.scalar(t, `SELECT count(*) FROM communication_log
			WHERE status = 'SKIPPED' AND skip_reason = 'SUPPRESSED' AND seq = 2 AND attempts = 0`))
		page, err := service.List(t.Context(), campaign.SuppressionFilter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, messages[1].Recipient, page.Items[0].Email)
		require.Equal(t, campaign.SuppressedUnsubscribed, page.Items[0].Reason)
		require.Contains(t, page.Items[0].CreatedBy, c.ID.String())

		next := b.campaign(t, everyone)
		require.Equal(t, 2, b.resolve(t, next).Sendable, "and the next campaign leaves him out")
		b.requireBooks(t, next.ID, campaign.Totals{Audience: 3, Pending: 2, Skipped: 1})
	})

	t.Run("FromACampaignThatDoesNotKnowTheCustomerIsNotFound", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		err := b.store.SuppressRecipient(t.Context(), campaign.Link{CampaignID: uuid.New(), CustomerID: uuid.New()}, campaign.SuppressedUnsubscribed, "t")
		require.True(t, errs.Is(err, errs.NotFound))
	})
}

func TestSuppressions(t *testing.T) {
	t.Parallel()

	t.Run("TheFirstReasonStands", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		service := campaign.NewSuppressions(b.store, links())
		const many = 8
		created := make([]bool, many)
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() {
				var err error
				_, created[i], err = service.Add(context.WithoutCancel(t.Context()), " ASHA@shop.in", "BOUNCED", "t")
				require.NoError(t, err)
			})
		}
		wg.Wait()
		n := 0
		for _, c := range created {
			if c {
				n++
			}
		}
		require.Equal(t, 1, n)
		got, again, err := service.Add(t.Context(), "asha@shop.in", "", "u")
		require.NoError(t, err)
		require.False(t, again)
		require.Equal(t, campaign.Suppression{
			Email: "asha@shop.in", Reason: campaign.SuppressedBounced, CreatedBy: "t", CreatedAt: got.CreatedAt,
		}, got)
		for _, want := range []bool{true, false} {
			removed, err := service.Remove(t.Context(), "Asha@shop.in")
			require.NoError(t, err)
			require.Equal(t, want, removed)
		}
	})

	t.Run("ArePagedInTheOrderOfTheirAddresses", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		service := campaign.NewSuppressions(b.store, links())
		for _, email := range []string{"c@x.in", "a@x.in", "e@x.in", "b@x.in", "d@x.in"} {
			reason := ""
			if email < "c" {
				reason = "BOUNCED"
			}
			_, _, err := service.Add(t.Context(), email, reason, "t")
			require.NoError(t, err)
		}
		all := func(reason campaign.SuppressionReason) []string {
			var out []string
			f := campaign.SuppressionFilter{Reason: reason, Limit: 2}
			for {
				page, err := service.List(t.Context(), f)
				require.NoError(t, err)
				for _, s := range page.Items {
					out = append(out, s.Email)
				}
				if page.Next.IsZero() {
					return out
				}
				f.After = page.Next
			}
		}
		require.Equal(t, []string{"a@x.in", "b@x.in", "c@x.in", "d@x.in", "e@x.in"}, all(""))
		require.Equal(t, []string{"a@x.in", "b@x.in"}, all(campaign.SuppressedBounced))
		one, err := service.List(t.Context(), campaign.SuppressionFilter{Email: "B@x.in", Limit: 2, After: cursor.Position{}})
		require.NoError(t, err)
		require.Len(t, one.Items, 1)
	})
}

// erasure is the event of an erased customer.
func erasure(id uuid.UUID, v int64, email string) event.CustomerMV {
	e := version(id, v)
	e.Name, e.Email, e.Phone, e.Status = customer.ErasedText, customer.ErasedEmail(id), nil, "INACTIVE"
	e.ErasedAddress, e.Operation = customer.AddressHash(email), "erased"
	return e
}

func TestErasure(t *testing.T) {
	t.Parallel()
	// victim gives the id of a projected customer.
	victim := func(t *testing.T, b *bundle, email string) uuid.UUID {
		t.Helper()
		var id uuid.UUID
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT customer_id FROM customers_mv WHERE email = $1", email).Scan(&id))
		return id
	}
	const address = "user-2@example.com"

	t.Run("LeavesTheBooksAndNothingPersonal", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 3)
		id := victim(t, b, address)
		service := campaign.NewSuppressions(b.store, links())
		sent, open := b.linked(t), b.linked(t)
		b.sendAll(t, sent, b.load(t, sent, 3))
		_, _, err := service.Add(t.Context(), address, "BOUNCED", "t")
		require.NoError(t, err)
		_, err = b.pool.Exec(t.Context(), `INSERT INTO quarantine (quarantine_id, queue, reason, body) VALUES
			(gen_random_uuid(), 'customer_mv_queue', 'r', $1), (gen_random_uuid(), 'message_response_queue', 'r', $1)`,
			[]byte(`{"customer_id":"`+id.String()+`"}`))
		require.NoError(t, err)
		_, err = b.pool.Exec(t.Context(), "UPDATE communication_log SET failure_reason = 'no user-2@example.com here'")
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, b.store.ApplyCustomerVersions(t.Context(), []event.CustomerMV{erasure(id, 2, address)}))
		}
		b.requireBooks(t, sent.ID, campaign.Totals{Audience: 3, InFlight: 3, Sent: 3})
		b.requireBooks(t, open.ID, campaign.Totals{Audience: 3, Pending: 3})
		for _, table := range []string{"communication_log l WHERE l.customer_id = '" + id.String() + "' AND", "suppressions l WHERE", "customers_mv l WHERE"} {
			require.Zero(t, b.scalar(t, "SELECT count(*) FROM "+table+" l::text ~* 'user.2'"), table)
		}
		require.Equal(t, 2, b.scalar(t, `SELECT count(*) FROM communication_log WHERE message_text = '[erased]' AND customer_name = '[erased]'
			AND customer_email = 'erased-' || customer_id || '@erased.invalid'`))
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM quarantine WHERE body = '[erased]' AND replayed_at IS NOT NULL"))

		// What was still to be sent to him is skipped, and nobody else is.
		messages := b.load(t, open, 3)
		for _, m := range messages {
			require.Equal(t, m.CustomerID == id, m.Suppressed)
		}
		b.sendAll(t, open, messages)
		b.requireBooks(t, open.ID, campaign.Totals{Audience: 3, InFlight: 2, Skipped: 1, Sent: 2})

		// The link in the old message still works, and does not bring the address back.
		token := strings.TrimPrefix(links().Unsubscribe(sent.ID, id), "https://crm.shop.in/u/")
		require.NoError(t, service.Unsubscribe(t.Context(), token))
		require.Zero(t, b.scalar(t, "SELECT count(*) FROM suppressions"))
	})

	t.Run("WhoComesBackUnderTheAddressIsNotWrittenTo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 2)
		id, again := victim(t, b, address), uuid.New()
		back := version(again, 1)
		back.Email = address
		require.NoError(t, b.store.ApplyCustomerVersions(t.Context(), []event.CustomerMV{erasure(id, 2, address), back}))
		c := b.campaign(t, everyone)
		require.Equal(t, 1, b.resolve(t, c).Sendable)
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 3, Pending: 1, Skipped: 2})
		service := campaign.NewSuppressions(b.store, links())
		found, err := service.List(t.Context(), campaign.SuppressionFilter{Email: address, Limit: 1})
		require.NoError(t, err)
		require.Len(t, found.Items, 1)
		require.Equal(t, campaign.SuppressedErased, found.Items[0].Reason)
		removed, err := service.Remove(t.Context(), address)
		require.NoError(t, err)
		require.True(t, removed)
		require.Equal(t, 2, b.resolve(t, b.campaign(t, everyone)).Sendable, "until somebody says so")
	})

	t.Run("IsCarriedOutAfterANewerVersion", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 2)
		id := victim(t, b, address)
		c := b.linked(t)
		refunded := erasure(id, 3, address)
		refunded.ErasedAddress, refunded.Operation = nil, "stats_updated"
		for _, batch := range [][]event.CustomerMV{{refunded}, {erasure(id, 2, address), version(id, 1)}} {
			require.NoError(t, b.store.ApplyCustomerVersions(t.Context(), batch))
		}
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM communication_log WHERE message_text = '[erased]'"))
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM erased_addresses"))
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM customers_mv WHERE version = 3 AND name = '[erased]'"))
		b.requireBooks(t, c.ID, campaign.Totals{Audience: 2, Pending: 2})
	})

	t.Run("WaitsForAnAudienceThatIsBeingResolved", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(t, 2)
		id := victim(t, b, address)
		c := b.campaign(t, everyone)
		r := request(t, c)
		erased := make(chan error, 1)
		r.OnPage = func(int) {
			// The snapshot is taken and the rows are written, and nothing is committed.
			go func() {
				erased <- b.store.ApplyCustomerVersions(context.WithoutCancel(t.Context()), []event.CustomerMV{erasure(id, 2, address)})
			}()
			require.Eventually(t, func() bool {
				return b.scalar(t, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'erased_addresses'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") == 1
			}, 10*time.Second, time.Millisecond)
		}
		_, err := b.store.ResolveAudience(t.Context(), r)
		require.NoError(t, err)
		require.NoError(t, <-erased)
		require.Equal(t, 1, b.scalar(t, "SELECT count(*) FROM communication_log WHERE message_text = '[erased]'"))
		require.Zero(t, b.scalar(t, "SELECT count(*) FROM communication_log WHERE customer_email = $1", address))
	})
}
