package rabbit

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/devstack"
	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// The broker is killed and restarted under load. What was confirmed is handled, nothing is refused for
// good, and publisher and consumers are back by themselves (D22, D33).
func TestBrokerKilledLosesNothing(t *testing.T) {
	t.Parallel()
	stack := devtest.Own(t, devstack.Options{RabbitMQ: true})
	l, q := newLedger(), newQuarantine()
	cfg := config(stack.RabbitURL, l.handle, q)
	cfg.Workers = 2
	c, stop := startConsumer(t, cfg)
	p := startPublisher(t, stack.RabbitURL)

	confirmed := newLedger()
	var publishers sync.WaitGroup
	quit := make(chan struct{})
	for w := range 4 {
		publishers.Go(func() {
			for n := w; ; n += 4 {
				for {
					select {
					case <-quit:
						return
					default:
					}
					err := p.Publish(t.Context(), message(n))
					if err == nil {
						confirmed.add(message(n).ID)
						break
					}
					if code := errs.CodeOf(err); code != errs.Unavailable && code != errs.Unknown {
						t.Errorf("publish: %v", err)
						return
					}
				}
			}
		})
	}
	for range 2 {
		before := confirmed.len()
		eventually(t, "traffic flows", func() bool { return confirmed.len() > before+200 })
		require.NoError(t, stack.Rabbit().Kill())
		eventually(t, "the loss is noticed", func() bool { return c.Ready() != nil && p.Ready() != nil })
		require.NoError(t, stack.Rabbit().Start(t.Context()))
		eventually(t, "both are back", func() bool { return c.Ready() == nil && p.Ready() == nil })
	}
	before := confirmed.len()
	eventually(t, "traffic flows again", func() bool { return confirmed.len() > before+200 })
	close(quit)
	publishers.Wait()
	eventually(t, "all confirmed are handled", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		confirmed.mu.Lock()
		defer confirmed.mu.Unlock()
		for id := range confirmed.seen {
			if l.seen[id] == 0 {
				return false
			}
		}
		return true
	})
	require.Zero(t, q.len())
	drained(t, stack.RabbitURL, stop)
	t.Logf("%d confirmed, %d handled", confirmed.len(), l.len())
}

// A frozen broker neither answers nor closes: calls end in time, and heartbeats find it out.
func TestFrozenBrokerIsLeftAndFoundAgain(t *testing.T) {
	t.Parallel()
	stack := devtest.Own(t, devstack.Options{RabbitMQ: true})
	p, err := NewPublisher(PublisherConfig{URL: stack.RabbitURL, ConfirmTimeout: time.Second, Log: quiet()})
	require.NoError(t, err)
	start(t, p.Run)
	eventually(t, "connected", func() bool { return p.Ready() == nil })
	l := newLedger()
	c, stop := startConsumer(t, config(stack.RabbitURL, l.handle, newQuarantine()))
	eventually(t, "subscribed", func() bool { return c.Ready() == nil })

	require.NoError(t, stack.Rabbit().Pause())
	began := time.Now()
	err = p.Publish(t.Context(), message(1))
	require.True(t, errs.Is(err, errs.Unknown), "%v", err)
	require.Less(t, time.Since(began), 5*time.Second)
	eventually(t, "consumer notices", func() bool { return c.Ready() != nil })
	require.NoError(t, stack.Rabbit().Resume())
	eventually(t, "published again", func() bool { return p.Publish(t.Context(), message(1)) == nil })
	eventually(t, "handled", func() bool { return l.len() == 1 })
	drained(t, stack.RabbitURL, stop)
}

// What counts towards the delivery limit on this broker, and that a message which reaches the limit
// goes to the dead-letter queue and not away: the facts that deliveryLimit is chosen by.
func TestClosedChannelsCountTowardsTheDeliveryLimit(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	publishAll(t, startPublisher(t, url), messages(0, 1))
	count := func() string {
		ch := channel(t, url)
		deliveries, err := ch.Consume(event.QueueCustomers, "", false, false, false, false, nil)
		require.NoError(t, err)
		d := <-deliveries
		require.NoError(t, ch.Close())
		if n, ok := d.Headers["x-delivery-count"].(int64); ok {
			return strconv.FormatInt(n, 10)
		}
		return "none"
	}
	require.Equal(t, "none", count())
	require.Equal(t, "1", count())
	require.Equal(t, "2", count())

	t.Run("AndTheLastOneIsKept", func(t *testing.T) {
		if testing.Short() {
			t.Skip("returns a message a thousand times")
		}
		ch := channel(t, url)
		require.NoError(t, ch.Qos(1, 0, false))
		deliveries, err := ch.Consume(event.QueueCustomers, "", false, false, false, false, nil)
		require.NoError(t, err)
		dead := channel(t, url)
		for range deliveryLimit {
			select {
			case d := <-deliveries:
				require.NoError(t, d.Nack(false, true))
			case <-time.After(time.Second):
			}
			if ready(t, dead, event.QueueCustomers+".dead") > 0 {
				break
			}
		}
		eventually(t, "dead-lettered", func() bool { return ready(t, dead, event.QueueCustomers+".dead") == 1 })
	})
}
