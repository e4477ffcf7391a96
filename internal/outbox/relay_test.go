package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore answers Relay from a script, then with nothing to do.
type fakeStore struct {
	mu     sync.Mutex
	script []func() (claimed, published int, err error)
	calls  []time.Time
	purged int
}

func (s *fakeStore) Relay(ctx context.Context, _ int, publish func(context.Context, []event.Message) []error) (int, int, error) {
	s.mu.Lock()
	s.calls = append(s.calls, time.Now())
	var step func() (int, int, error)
	if len(s.script) > 0 {
		step, s.script = s.script[0], s.script[1:]
	}
	s.mu.Unlock()
	if step == nil {
		return 0, 0, nil
	}
	publish(ctx, nil)
	return step()
}

func (s *fakeStore) PurgeOutbox(context.Context, time.Time, int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purged++
	if s.purged == 1 {
		return purgeBatch, nil // there is more
	}
	return 3, nil
}

func (s *fakeStore) PurgeInbox(context.Context, time.Time, int) (int, error) {
	return 0, errors.New("away")
}

func (s *fakeStore) OutboxBacklog(context.Context) (int, int, time.Time, error) {
	return 1, 1, time.Time{}, nil
}

type fakePublisher struct{}

func (fakePublisher) PublishBatch(_ context.Context, ms []event.Message) []error {
	return make([]error, len(ms))
}

func TestRunPacesItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := func() (int, int, error) { return 200, 200, nil }
		s := &fakeStore{script: []func() (int, int, error){
			full, full, // work waits: no pause
			func() (int, int, error) { return 0, 0, errors.New("away") },
			func() (int, int, error) { return 5, 4, nil },
			full,
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		began := time.Now()
		go func() {
			done <- New(s, fakePublisher{}, Options{Log: slog.New(slog.DiscardHandler)}).Run(ctx)
		}()
		time.Sleep(750 * time.Millisecond) // of the bubble's clock
		cancel()
		require.NoError(t, <-done)
		var at []time.Duration
		for _, c := range s.calls {
			at = append(at, c.Sub(began))
		}
		const ms = time.Millisecond
		require.Equal(t, []time.Duration{0, 0, 0, 100 * ms, 300 * ms, 300 * ms, 400 * ms, 500 * ms, 600 * ms, 700 * ms}, at)
	})
}

func TestStopLetsTheBatchFinish(t *testing.T) {
	t.Parallel()
	entered, finish := make(chan struct{}), make(chan struct{})
	s := &fakeStore{script: []func() (int, int, error){func() (int, int, error) {
		close(entered)
		<-finish
		return 1, 1, nil
	}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New(s, fakePublisher{}, Options{Log: slog.New(slog.DiscardHandler)}).Run(ctx) }()
	<-entered
	cancel()
	select {
	case err := <-done:
		t.Fatalf("stopped in mid-batch: %v", err)
	default:
	}
	close(finish)
	require.NoError(t, <-done)
}

func TestTidyGoesOnWhileThereIsMore(t *testing.T) {
	t.Parallel()
	s := &fakeStore{}
	New(s, fakePublisher{}, Options{Log: slog.New(slog.DiscardHandler)}).Tidy(t.Context())
	require.Equal(t, 2, s.purged)
}
