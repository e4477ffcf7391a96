package rabbit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// config makes a consumer of the customers' queue that retries fast.
func config(url string, h BatchHandler, q Quarantine) ConsumerConfig {
	return ConsumerConfig{
		URL: url, Name: "test", Queue: event.QueueCustomers, Handle: h, Quarantine: q, Ready: alwaysReady, Log: quiet(),
		HandlerTimeout: time.Second, retryMin: time.Millisecond, retryMax: 20 * time.Millisecond,
	}
}

// drained waits until nothing is ready and, after the consumer stopped, nothing was unacknowledged.
func drained(t *testing.T, url string, stop func()) {
	t.Helper()
	ch := channel(t, url)
	eventually(t, "queue empty", func() bool { return ready(t, ch, event.QueueCustomers) == 0 })
	stop()
	eventually(t, "nothing came back", func() bool { return ready(t, ch, event.QueueCustomers) == 0 })
	require.Zero(t, ready(t, ch, event.QueueCustomers+".dead"), "dead letters")
}

func TestConsumerHandlesEverythingInBatches(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	l := newLedger()
	var calls atomic.Int64
	publishAll(t, startPublisher(t, url), messages(0, 1000))
	c, stop := startConsumer(t, config(url, func(ctx context.Context, ds []Delivery) []error {
		calls.Add(1)
		return l.handle(ctx, ds)
	}, newQuarantine()))
	eventually(t, "all handled", func() bool { return l.len() == 1000 })
	require.NoError(t, c.Ready())
	require.Less(t, calls.Load(), int64(200), "messages are handled in batches")
	drained(t, url, stop)
	require.Error(t, c.Ready())
}

func TestWorkersShareAQueue(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	l := newLedger()
	cfg := config(url, Each(func(_ context.Context, d Delivery) error { l.add(d.ID); return nil }), newQuarantine())
	cfg.Workers, cfg.MaxBatch = 3, 5
	c, stop := startConsumer(t, cfg)
	eventually(t, "all subscribed", func() bool { return c.Ready() == nil })
	publishAll(t, startPublisher(t, url), messages(0, 300))
	eventually(t, "all handled", func() bool { return l.len() == 300 })
	drained(t, url, stop)
}

// A batch fails as a whole because of one message, in each of the ways in which it can.
func TestPoisonIsParkedWhileOthersFlow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fail   func(ctx context.Context) error
		reason string
	}{
		{"Invalid", func(context.Context) error { return errs.Errorf(errs.Invalid, "no such shape") }, "no such shape"},
		{"Conflict", func(context.Context) error { return errs.Errorf(errs.Conflict, "said otherwise") }, "said otherwise"},
		{"Internal", func(context.Context) error { return errors.New("a defect") }, "failed 3 times: a defect"},
		{"Panic", func(context.Context) error { panic("personal data") }, "handler panicked: panic of type string"},
		{"Timeout", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "failed 3 times: context deadline exceeded"},
		{"TimeoutCalledUnavailable", func(ctx context.Context) error {
			<-ctx.Done()
			return errs.Wrap(errs.Unavailable, ctx.Err(), "the database is away")
		}, "failed 3 times"},
		{"AlwaysUnavailable", func(context.Context) error { return errs.Errorf(errs.Unavailable, "lock timeout") }, "failed 20 times: lock timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := devtest.Vhost(t)
			l, q := newLedger(), newQuarantine()
			p := startPublisher(t, url)
			ms := messages(0, 50)
			ms[20].ID = "poison"
			ms[20].Body = []byte("\x00\xffraw bytes")
			publishAll(t, p, ms)
			cfg := config(url, func(ctx context.Context, ds []Delivery) []error {
				for _, d := range ds {
					if d.ID == "poison" {
						return fill(make([]error, len(ds)), tt.fail(ctx))
					}
				}
				return l.handle(ctx, ds)
			}, q)
			cfg.HandlerTimeout = 50 * time.Millisecond
			_, stop := startConsumer(t, cfg)
			// Others keep coming: that is how the poison is known from an outage.
			eventually(t, "parked", func() bool {
				publishAll(t, p, []Message{message(100)})
				return q.len() == 1
			})
			eventually(t, "others handled", func() bool { return l.len() == 50 })
			require.Equal(t, []byte("\x00\xffraw bytes"), q.parked["poison"].Body)
			require.Contains(t, q.why["poison"], tt.reason)
			require.NotContains(t, q.why["poison"], "personal data")
			drained(t, url, stop)
		})
	}
}

// The body is looked at by nobody (faults Q11); the headers are hostile (Q13).
func TestOversizedAndHostileMessagesAreParked(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	l, q := newLedger(), newQuarantine()
	ch := channel(t, url)
	require.NoError(t, declare(ch))
	big := amqp.Publishing{
		MessageId: "big\x00\xff", ContentEncoding: "gzip\x00", Body: []byte(strings.Repeat("x", 5<<20)),
		Headers: amqp.Table{"h\x00": "v\xff", "n": int64(4)},
	}
	require.NoError(t, ch.PublishWithContext(t.Context(), event.ExchangeIngestion, event.KeyCustomer, true, false, big))
	publishAll(t, startPublisher(t, url), messages(0, 10))
	_, stop := startConsumer(t, config(url, l.handle, q))
	eventually(t, "all handled", func() bool { return l.len() == 10 && q.len() == 1 })
	id := "big\uFFFD\uFFFD"
	require.Len(t, q.parked[id].Body, 5<<20)
	require.Equal(t, map[string]string{"h\uFFFD": "v\uFFFD", "n": "4"}, q.parked[id].Headers)
	require.Contains(t, q.why[id], "5242880 bytes")
	drained(t, url, stop)
}

func TestFaultOfOursDoesNotEmptyTheQueueIntoQuarantine(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	l, q := newLedger(), newQuarantine()
	publishAll(t, startPublisher(t, url), messages(0, 100))
	var mended atomic.Bool
	var calls atomic.Int64
	_, stop := startConsumer(t, config(url, func(ctx context.Context, ds []Delivery) []error {
		calls.Add(1)
		if !mended.Load() {
			return fill(make([]error, len(ds)), errors.New("relation does not exist"))
		}
		return l.handle(ctx, ds)
	}, q))
	eventually(t, "tried often", func() bool { return calls.Load() > 2000 })
	mended.Store(true)
	eventually(t, "all accounted for", func() bool { return l.len()+q.len() == 100 })
	require.LessOrEqual(t, q.len(), maxParkedInRow)
	drained(t, url, stop)
}

// outage is a dependency that can be switched off.
type outage struct{ away atomic.Bool }

func (o *outage) ready(context.Context) error {
	if o.away.Load() {
		return errs.Errorf(errs.Unavailable, "the database is away")
	}
	return nil
}

// The reference nacked without requeue: a second without its database lost what was in flight.
func TestD31OutageDeadLettersNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// honest says whether the probe sees the outage.
		honest bool
		park   error
		fail   error
	}{
		{"SeenByTheProbe", true, errors.New("away"), errs.Errorf(errs.Unavailable, "away")},
		{"LooksLikeADefect", true, errors.New("away"), errors.New("unexpected EOF")},
		{"CommitUnknown", true, errors.New("away"), errs.Errorf(errs.Unknown, "perhaps")},
		{"HiddenFromTheProbe", false, errors.New("away"), errs.Errorf(errs.Unavailable, "away")},
		{"QuarantineAlone", false, errors.New("away"), errs.Errorf(errs.Invalid, "poison")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := devtest.Vhost(t)
			l, q := newLedger(), newQuarantine()
			q.fail = tt.park
			o := &outage{}
			o.away.Store(true)
			var calls atomic.Int64
			cfg := config(url, func(ctx context.Context, ds []Delivery) []error {
				calls.Add(1)
				if o.away.Load() {
					return fill(make([]error, len(ds)), tt.fail)
				}
				return l.handle(ctx, ds)
			}, q)
			// Each session is given up soon, so that many are lost; the hold grows with each.
			cfg.hold = 20 * time.Millisecond
			var sessions atomic.Int64
			cfg.Ready = func(ctx context.Context) error {
				sessions.Add(1)
				if tt.honest {
					return o.ready(ctx)
				}
				return nil
			}
			publishAll(t, startPublisher(t, url), messages(0, 300))
			_, stop := startConsumer(t, cfg)
			eventually(t, "outage lasts", func() bool { return sessions.Load()+calls.Load() > 100 })
			q.mu.Lock()
			q.fail = nil
			q.mu.Unlock()
			o.away.Store(false)
			eventually(t, "all handled", func() bool { return l.len() == 300 })
			require.Zero(t, q.len(), "nothing is parked")
			drained(t, url, stop)
		})
	}
}

// While the dependency is away from the start there is no session at all, and no message moves.
func TestNothingIsTakenWhileTheDependencyIsAway(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	o, l := &outage{}, newLedger()
	o.away.Store(true)
	publishAll(t, startPublisher(t, url), messages(0, 10))
	var probes atomic.Int64
	cfg := config(url, l.handle, newQuarantine())
	cfg.Ready = func(ctx context.Context) error { probes.Add(1); return o.ready(ctx) }
	c, stop := startConsumer(t, cfg)
	eventually(t, "probed often", func() bool { return probes.Load() > 10 })
	require.Error(t, c.Ready())
	require.Equal(t, 10, ready(t, channel(t, url), event.QueueCustomers))
	o.away.Store(false)
	eventually(t, "all handled", func() bool { return l.len() == 10 })
	drained(t, url, stop)
}

func TestStopFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	publishAll(t, startPublisher(t, url), messages(0, 10))
	began, finish := make(chan struct{}), make(chan struct{})
	l := newLedger()
	var once sync.Once
	cfg := config(url, func(ctx context.Context, ds []Delivery) []error {
		once.Do(func() { close(began) })
		select {
		case <-finish:
		case <-ctx.Done():
		}
		return l.handle(ctx, ds)
	}, newQuarantine())
	cfg.HandlerTimeout = patience
	_, stop := startConsumer(t, cfg)
	<-began
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("stopped without waiting")
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	<-stopped
	ch := channel(t, url)
	eventually(t, "the rest is back, what was handled is not", func() bool {
		return ready(t, ch, event.QueueCustomers) == 10-l.len()
	})
}

func TestConsumerStopsAndStarts(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	l := newLedger()
	p := startPublisher(t, url)
	for round := range 5 {
		publishAll(t, p, messages(round*100, round*100+100))
		_, stop := startConsumer(t, config(url, l.handle, newQuarantine()))
		eventually(t, "something handled", func() bool { return l.len() > round*100 })
		stop()
	}
	_, stop := startConsumer(t, config(url, l.handle, newQuarantine()))
	eventually(t, "all handled", func() bool { return l.len() == 500 })
	drained(t, url, stop)
}

// The broker cancels a consumer whose queue is deleted; the reference never consumed again.
func TestD33ConsumerComesBackAfterItsQueueWasDeleted(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	l := newLedger()
	p := startPublisher(t, url)
	c, stop := startConsumer(t, config(url, l.handle, newQuarantine()))
	eventually(t, "subscribed", func() bool { return c.Ready() == nil })
	_, err := channel(t, url).QueueDelete(event.QueueCustomers, false, false, false)
	require.NoError(t, err)
	eventually(t, "handled again", func() bool {
		_ = p.Publish(t.Context(), message(1)) // fails until the queue is back
		return l.len() == 1
	})
	drained(t, url, stop)
}

func TestAckSettlesExactlyWhatIsSettled(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	ch := channel(t, url)
	require.NoError(t, declare(ch))
	for n := range 10 {
		require.NoError(t, ch.PublishWithContext(t.Context(), event.ExchangeIngestion, event.KeyCustomer, true, false,
			amqp.Publishing{MessageId: fmt.Sprint(n)}))
	}
	reader := channel(t, url)
	deliveries, err := reader.Consume(event.QueueCustomers, "", false, false, false, false, nil)
	require.NoError(t, err)
	s := &subscription{session: &session{ch: reader}}
	w := &worker{Consumer: &Consumer{}}
	items := map[string]*item{}
	for range 10 {
		d := <-deliveries
		it := w.take(s, &d)
		items[it.ID] = it
	}
	ack := func(ids ...string) {
		var settled []*item
		for _, id := range ids {
			settled = append(settled, items[id])
		}
		require.NoError(t, s.ack(settled))
	}
	ack("3", "5") // between unsettled ones: one by one
	ack("1", "0") // a prefix: together
	ack("2")      // and then up to a tag that is settled already
	ack("9")
	require.Len(t, s.unacked, 4)
	require.NoError(t, reader.Close())
	eventually(t, "the others are back", func() bool { return ready(t, ch, event.QueueCustomers) == 4 })
	for _, want := range []string{"4", "6", "7", "8"} {
		d, ok, err := ch.Get(event.QueueCustomers, true)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, d.MessageId)
	}
}
