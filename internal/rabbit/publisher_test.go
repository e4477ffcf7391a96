package rabbit

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

func TestPublisher(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	p := startPublisher(t, url)

	t.Run("ConfirmsConcurrentCallers", func(t *testing.T) {
		var wg sync.WaitGroup
		for n := range 200 {
			wg.Go(func() {
				if err := p.Publish(t.Context(), message(n)); err != nil {
					t.Errorf("publish: %v", err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 200, ready(t, channel(t, url), event.QueueCustomers))
	})

	t.Run("GivesOneResultAMessage", func(t *testing.T) {
		ms := messages(1000, 1005)
		ms[1].Key = "nobody.is.bound"
		ms[2].ID = ""
		ms[3].Body = []byte(strings.Repeat("x", event.MaxBodyBytes+1))
		results := p.PublishBatch(t.Context(), ms)
		require.NoError(t, results[0])
		require.True(t, errs.Is(results[1], errs.Unavailable), "unroutable: %v", results[1])
		require.True(t, errs.Is(results[2], errs.Invalid), "no id: %v", results[2])
		require.True(t, errs.Is(results[3], errs.Invalid), "too large: %v", results[3])
		require.NoError(t, results[4])
	})

	t.Run("TakesTheLargestBody", func(t *testing.T) {
		m := message(2000)
		m.Body = []byte(strings.Repeat("x", event.MaxBodyBytes))
		require.NoError(t, p.Publish(t.Context(), m))
	})

	t.Run("UnroutableIsNeverTakenForAnotherMessage", func(t *testing.T) {
		var wg sync.WaitGroup
		for n := range 400 {
			wg.Go(func() {
				m := message(3000 + n)
				if n%2 == 0 {
					m.Key = "nobody.is.bound"
				}
				if err := p.Publish(t.Context(), m); (err != nil) != (n%2 == 0) {
					t.Errorf("message %d: %v", n, err)
				}
			})
		}
		wg.Wait()
	})

	// Publishing to an exchange that is gone closes the channel: the session that follows makes it anew.
	t.Run("ComesBackAfterAChannelError", func(t *testing.T) {
		ch := channel(t, url)
		require.NoError(t, ch.ExchangeDelete(event.ExchangeIngestion, false, false))
		err := p.Publish(t.Context(), message(5000))
		require.True(t, errs.Is(err, errs.Unknown), "%v", err)
		eventually(t, "published again", func() bool { return p.Publish(t.Context(), message(5000)) == nil })
	})
}

func TestPublisherWithoutBrokerAnswersSoon(t *testing.T) {
	t.Parallel()
	p, err := NewPublisher(PublisherConfig{URL: "amqp://127.0.0.1:1/", ConnectWait: 50 * time.Millisecond, Log: quiet()})
	require.NoError(t, err)
	start(t, p.Run)
	require.True(t, errs.Is(p.Publish(t.Context(), message(1)), errs.Unavailable))
	require.True(t, errs.Is(p.Ready(), errs.Unavailable))
}

func TestPublisherStopsAndStarts(t *testing.T) {
	t.Parallel()
	url := devtest.Vhost(t)
	for round := range 5 {
		p, err := NewPublisher(PublisherConfig{URL: url, Log: quiet()})
		require.NoError(t, err)
		stop := start(t, p.Run)
		eventually(t, "connected", func() bool { return p.Ready() == nil })
		var wg sync.WaitGroup
		var mu sync.Mutex
		outcomes := map[string]int{}
		for n := range 50 {
			wg.Go(func() {
				err := p.Publish(t.Context(), message(round*100+n))
				mu.Lock()
				defer mu.Unlock()
				outcomes[fmt.Sprint(errs.CodeOf(err))]++
			})
		}
		stop()
		wg.Wait()
		// Stopping waits for calls in flight; those that came later are told that nothing was sent.
		require.Equal(t, 50, outcomes[""]+outcomes[string(errs.Unavailable)], "%v", outcomes)
	}
}

func TestBrokerURLIsCheckedAndKeptSecret(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://u:secret@host/", "amqp://u:secret@host:notaport/", "amqp://u:secret%zz@host"} {
		_, err := NewPublisher(PublisherConfig{URL: url})
		require.True(t, errs.Is(err, errs.Invalid), "%q: %v", url, err)
		require.NotContains(t, err.Error(), "secret")
	}
}
