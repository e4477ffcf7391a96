package rabbit

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

func TestDeclareTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	require.NoError(t, declare(channel(t, url)))
	require.NoError(t, declare(channel(t, url)))
}

// The reference's queues carried a TTL and no dead-letter exchange, so a day's outage lost data.
func TestD32NoQueueHasATTL(t *testing.T) {
	t.Parallel()
	for _, q := range topology() {
		require.NotContains(t, q.args(), "x-message-ttl")
		require.NotContains(t, q.args(), "x-expires")
		require.Contains(t, q.args(), "x-dead-letter-exchange")
		require.Contains(t, q.args(), "x-delivery-limit")
	}
	require.NotContains(t, deadArgs(), "x-message-ttl")
}

func TestMismatchNamesQueueAndArgument(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	_, err := channel(t, url).QueueDeclare(event.QueueOrders, true, false, false, false, amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": int64(5),
	})
	require.NoError(t, err)
	err = declare(channel(t, url))
	require.True(t, errs.Is(err, errs.Conflict), "%v", err)
	require.ErrorContains(t, err, event.QueueOrders)
	require.ErrorContains(t, err, "x-d") // the broker names the first argument that differs

	t.Run("EndsConsumerAndPublisher", func(t *testing.T) {
		c, err := NewConsumer(ConsumerConfig{
			URL: url, Queue: event.QueueOrders, Handle: newLedger().handle,
			Quarantine: newQuarantine(), Ready: alwaysReady, Log: quiet(),
		})
		require.NoError(t, err)
		require.True(t, errs.Is(c.Run(t.Context()), errs.Conflict))
		p, err := NewPublisher(PublisherConfig{URL: url, Log: quiet()})
		require.NoError(t, err)
		require.True(t, errs.Is(p.Run(t.Context()), errs.Conflict))
	})
}
