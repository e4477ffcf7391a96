package proxy_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/rabbit"
	"github.com/xencrm/xencrm/test/chaos/proxy"
)

// confirmTimeout is how long a publisher waits for a confirm: long for a broker that is well, short
// for a test in which none comes.
const confirmTimeout = 2 * time.Second

func newAMQP(t *testing.T, url string) *proxy.AMQP {
	t.Helper()
	p, err := proxy.NewAMQP(fixed(host(t, url)))
	require.NoError(t, err)
	closeAtEnd(t, p)
	return p
}

// run keeps a loop going until the test ends.
func run(t *testing.T, loop func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- loop(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func startPublisher(t *testing.T, url string) *rabbit.Publisher {
	t.Helper()
	p, err := rabbit.NewPublisher(rabbit.PublisherConfig{
		URL: url, Name: "test", ConfirmTimeout: confirmTimeout, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	run(t, p.Run)
	eventually(t, "publisher connected", func() bool { return p.Ready() == nil })
	return p
}

func message(id string) rabbit.Message {
	return rabbit.Message{
		Exchange: event.ExchangeIngestion, Key: event.KeyCustomer, ID: id, Body: []byte(`{"n":1}`),
		Timestamp: time.Unix(1_700_000_000, 0),
	}
}

// take empties the queue past every proxy and gives the ids that were in it. The caller knows that
// nobody else consumes or publishes.
func take(t *testing.T, url string) (ids []string) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // Everything was acknowledged by then.
	ch, err := conn.Channel()
	require.NoError(t, err)
	for {
		d, ok, err := ch.Get(event.QueueCustomers, true)
		require.NoError(t, err)
		if !ok {
			return ids
		}
		ids = append(ids, d.MessageId)
	}
}

func TestAMQPLosesWhatIsPublished(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		frame proxy.Frame
		queue []string
	}{
		{"AMessage", proxy.Publish, []string{"one", "three"}},
		{"AConfirm", proxy.Confirm, []string{"one", "two", "three"}},
		{"AConfirmAndTheConnection", proxy.ConfirmAndReset, []string{"one", "two", "three"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := devtest.Vhost(t)
			p := newAMQP(t, url)
			publisher := startPublisher(t, through(t, url, p))
			fault := p.Drop(c.frame, 2)
			require.NoError(t, publisher.Publish(t.Context(), message("one")))
			require.Zero(t, fault.Struck())
			err := publisher.Publish(t.Context(), message("two"))
			require.True(t, errs.Is(err, errs.Unknown), "%v", err)
			require.Equal(t, 1, fault.Struck())
			eventually(t, "publishes again", func() bool {
				return publisher.Publish(t.Context(), message("three")) == nil
			})
			// The first tries of three may have been published too, without a confirm.
			require.Equal(t, c.queue, slices.Compact(take(t, url)))
		})
	}
}

// noQuarantine refuses to park: nothing here is poison.
type noQuarantine struct{}

func (noQuarantine) Park(context.Context, rabbit.Delivery, string) error {
	return errs.Errorf(errs.Internal, "nothing may be parked")
}

func TestAMQPConsumerAckLostIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	require.NoError(t, startPublisher(t, url).Publish(t.Context(), message("again")))
	p := newAMQP(t, url)
	fault := p.Drop(proxy.ConsumerAck, 1)
	var handled atomic.Int32
	consumer, err := rabbit.NewConsumer(rabbit.ConsumerConfig{
		URL: through(t, url, p), Name: "test", Queue: event.QueueCustomers, Quarantine: noQuarantine{},
		Handle: rabbit.Each(func(context.Context, rabbit.Delivery) error {
			handled.Add(1)
			return nil
		}),
		Ready: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	stopped, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := consumer.Run(stopped); err != nil {
			t.Errorf("consumer: %v", err)
		}
	})
	eventually(t, "delivered again", func() bool { return handled.Load() == 2 })
	stop()
	running.Wait()
	require.Equal(t, 1, fault.Struck())
	require.Empty(t, take(t, url), "the second ack went through")
	require.Equal(t, int32(2), handled.Load())
}

func TestAMQPForwardsBodiesOfManyFrames(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	p := newAMQP(t, url)
	publisher := startPublisher(t, through(t, url, p))
	m := message("large")
	m.Body = make([]byte, event.MaxBodyBytes)
	require.NoError(t, publisher.Publish(t.Context(), m))
	require.Equal(t, []string{"large"}, take(t, url))
}
