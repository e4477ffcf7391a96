package master_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// bus takes what is relayed, and answers as told.
type bus struct {
	mu     sync.Mutex
	counts map[string]int
	answer func(m event.Message) error
}

func newBus() *bus { return &bus{counts: map[string]int{}} }

func (p *bus) publish(_ context.Context, ms []event.Message) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	results := make([]error, len(ms))
	for i, m := range ms {
		if p.answer != nil {
			results[i] = p.answer(m)
		}
		if results[i] == nil {
			p.counts[m.ID]++
		}
	}
	return results
}

func (b *bundle) relay(p *bus) (claimed, published int) {
	b.Helper()
	claimed, published, err := b.store.Relay(b.Context(), 100, p.publish)
	require.NoError(b, err)
	return claimed, published
}

func (b *bundle) make(n int) {
	b.Helper()
	var posts []customer.Posted
	for i := range n {
		posts = append(posts, posted(b.T, fmt.Sprint("m", i), customer.Input{Email: email(i)}))
	}
	b.customers(posts...)
}

func TestD35EachChangeIsToldOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make(5)
	p := newBus()
	claimed, published := b.relay(p)
	require.Equal(t, 5, claimed)
	require.Equal(t, 5, published)
	claimed, _ = b.relay(p)
	require.Zero(t, claimed)
	require.Len(t, p.counts, 5)
}

// Ids are handed out before commit; a relay with a cursor over them never sees the late one (B11).
func TestLateCommitterIsNotPassedOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make(1)
	late, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = late.Exec(t.Context(), `INSERT INTO outbox_events (event_id, event_type, entity_id, entity_version, exchange, routing_key, payload)
		VALUES (gen_random_uuid(), 'x', gen_random_uuid(), 1, 'e', 'k', '{}')`)
	require.NoError(t, err)
	_, err = b.pool.Exec(t.Context(), `INSERT INTO outbox_events (event_id, event_type, entity_id, entity_version, exchange, routing_key, payload)
		VALUES (gen_random_uuid(), 'x', gen_random_uuid(), 1, 'e', 'k', '{}')`)
	require.NoError(t, err)
	p := newBus()
	_, published := b.relay(p)
	require.Equal(t, 2, published)
	require.NoError(t, late.Commit(t.Context()))
	_, published = b.relay(p)
	require.Equal(t, 1, published)
}

func TestTwoRelaysShareTheWork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make(60)
	p := newBus()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				n, _, err := b.store.Relay(t.Context(), 7, p.publish)
				if err != nil {
					t.Errorf("relay: %v", err)
				}
				if n == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	b.relay(p)
	require.Len(t, p.counts, 60)
	for id, n := range p.counts {
		require.Equal(t, 1, n, id)
	}
}

// An event that the broker did not take stays, however often, and is never parked (B8, B10).
func TestUnpublishedStays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make(3)
	p := newBus()
	var first string
	p.answer = func(m event.Message) error {
		if first == "" {
			first = m.ID
		}
		if m.ID == first {
			return errs.Errorf(errs.Unavailable, "no queue for the message")
		}
		return nil
	}
	_, published := b.relay(p)
	require.Equal(t, 2, published)
	for range 20 {
		claimed, published := b.relay(p)
		require.Equal(t, 1, claimed)
		require.Zero(t, published)
	}
	waiting, parked, _, err := b.store.OutboxBacklog(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, waiting)
	require.Zero(t, parked)
	p.answer = nil
	_, published = b.relay(p)
	require.Equal(t, 1, published)
}

// A row that can never be published lets the others pass and is parked in the end (B12).
func TestUnpublishableIsParked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make(3)
	p := newBus()
	var bad string
	p.answer = func(m event.Message) error {
		if bad == "" {
			bad = m.ID
		}
		if m.ID == bad {
			return errs.Errorf(errs.Invalid, "too large")
		}
		return nil
	}
	_, published := b.relay(p)
	require.Equal(t, 2, published)
	claimed, _ := b.relay(p)
	require.Zero(t, claimed, "it is tried later")
	for range 20 {
		_, err := b.pool.Exec(t.Context(), "UPDATE outbox_events SET not_before = now() WHERE published_at IS NULL")
		require.NoError(t, err)
		b.relay(p)
	}
	require.Equal(t, 1, b.count("SELECT count(*) FROM outbox_events WHERE parked_at IS NOT NULL AND attempts = 8 AND last_error = 'too large'"))
}

// The broker has it, the commit fails: it is published again, under the same id (B3, B4).
func TestCrashBetweenConfirmAndMarkRepeats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make(1)
	p := newBus()
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := b.store.Relay(ctx, 100, func(ctx context.Context, ms []event.Message) []error {
		cancel()
		return p.publish(ctx, ms)
	})
	require.Error(t, err)
	b.relay(p)
	require.Len(t, p.counts, 1)
	for _, n := range p.counts {
		require.Equal(t, 2, n)
	}
}

func TestPurgesDeleteOnlyWhatIsOldAndDone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make(3)
	p := newBus()
	_, published := b.relay(p)
	require.Equal(t, 3, published)
	b.customers(posted(t, "later", customer.Input{Email: email(9)}))
	n, err := b.store.PurgeOutbox(t.Context(), time.Now().Add(-time.Hour), 100)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = b.store.PurgeOutbox(t.Context(), time.Now().Add(time.Hour), 2)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = b.store.PurgeOutbox(t.Context(), time.Now().Add(time.Hour), 2)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 1, b.count("SELECT count(*) FROM outbox_events"))
	n, err = b.store.PurgeInbox(t.Context(), time.Now().Add(time.Hour), 100)
	require.NoError(t, err)
	require.Equal(t, 4, n)
}

func TestParkKeepsOneAndReopensAReplayedOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := event.Delivery{Queue: "q", ID: "m", Body: []byte("\x00\xff"), Headers: map[string]string{"k": "v"}, ContentType: "text/plain"}
	require.NoError(t, b.store.Park(t.Context(), d, "why"))
	_, err := b.pool.Exec(t.Context(), "UPDATE quarantine SET replayed_at = now()")
	require.NoError(t, err)
	require.NoError(t, b.store.Park(t.Context(), d, "still"))
	require.Equal(t, 1, b.count(`SELECT count(*) FROM quarantine WHERE reason = 'still' AND replayed_at IS NULL AND body = '\x00ff'
		AND headers = '{"k": "v", "amqp.content_type": "text/plain"}'`))
}
