package rabbit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/event"
)

// patience is how long a test waits for what must come; nothing waits that long when it passes.
const patience = 60 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 20*time.Millisecond, what)
}

// start runs a loop until the test ends or stop is called.
func start(t *testing.T, run func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("loop ended with %v", err)
				}
			case <-time.After(patience):
				t.Error("loop did not stop")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func startPublisher(t *testing.T, url string) *Publisher {
	t.Helper()
	p, err := NewPublisher(PublisherConfig{URL: url, Name: "test", Log: quiet()})
	require.NoError(t, err)
	start(t, p.Run)
	eventually(t, "publisher connected", func() bool { return p.Ready() == nil })
	return p
}

func startConsumer(t *testing.T, cfg ConsumerConfig) (*Consumer, func()) {
	t.Helper()
	c, err := NewConsumer(cfg)
	require.NoError(t, err)
	stop := start(t, c.Run)
	return c, stop
}

func message(n int) Message {
	return Message{
		Exchange: event.ExchangeIngestion, Key: event.KeyCustomer, ID: fmt.Sprintf("m-%06d", n),
		Body: fmt.Appendf(nil, `{"n":%d}`, n), Timestamp: time.Unix(1_700_000_000, 0),
	}
}

func messages(from, to int) []Message {
	var out []Message
	for n := from; n < to; n++ {
		out = append(out, message(n))
	}
	return out
}

func publishAll(t *testing.T, p *Publisher, ms []Message) {
	t.Helper()
	for i, err := range p.PublishBatch(t.Context(), ms) {
		require.NoError(t, err, "message %d", i)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// fakeQuarantine remembers what was parked.
type fakeQuarantine struct {
	mu     sync.Mutex
	parked map[string]Delivery
	why    map[string]string
	fail   error
}

func newQuarantine() *fakeQuarantine {
	return &fakeQuarantine{parked: map[string]Delivery{}, why: map[string]string{}}
}

func (q *fakeQuarantine) Park(_ context.Context, d Delivery, reason string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return q.fail
	}
	q.parked[d.ID], q.why[d.ID] = d, reason
	return nil
}

func (q *fakeQuarantine) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.parked)
}

// ledger counts how often each message was handled successfully.
type ledger struct {
	mu   sync.Mutex
	seen map[string]int
}

func newLedger() *ledger { return &ledger{seen: map[string]int{}} }

func (l *ledger) add(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[id]++
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

func (l *ledger) handle(_ context.Context, ds []Delivery) []error {
	for _, d := range ds {
		l.add(d.ID)
	}
	return make([]error, len(ds))
}

func alwaysReady(context.Context) error { return nil }

// channel gives a plain channel for looking at queues.
func channel(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	return ch
}

// ready gives the number of messages waiting in a queue.
func ready(t *testing.T, ch *amqp.Channel, queue string) int {
	t.Helper()
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	require.NoError(t, err)
	return q.Messages
}
