package rabbit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/xencrm/xencrm/internal/errs"
)

// Handler processes one delivery; its error decides what becomes of the message (middleware.go). It
// must tolerate repeats: a message is acknowledged only after it returned.
type Handler func(ctx context.Context, d Delivery) error

// BatchHandler processes deliveries together and gives one result each. When they fail together
// because of one of them it may give all the same error: each failed one is then handled alone.
type BatchHandler func(ctx context.Context, ds []Delivery) []error

// Each makes a BatchHandler that handles one after the other.
func Each(h Handler) BatchHandler {
	return func(ctx context.Context, ds []Delivery) []error {
		results := make([]error, len(ds))
		for i, d := range ds {
			results[i] = h(ctx, d)
		}
		return results
	}
}

// Quarantine keeps messages that can never be processed as they are, with their raw bytes. Parking
// the same delivery twice must keep one.
type Quarantine interface {
	Park(ctx context.Context, d Delivery, reason string) error
}

// ConsumerConfig says what a consumer consumes, and how.
type ConsumerConfig struct {
	// URL is the broker's address; Name is shown as the connection's name.
	URL, Name string
	// Queue is one of the topology's.
	Queue      string
	Handle     BatchHandler
	Quarantine Quarantine
	// Ready reports whether what Handle depends on answers. While it gives an error nothing is consumed
	// and nothing is parked.
	Ready func(ctx context.Context) error

	// MaxBatch is the most deliveries in one call of Handle; 200 when 0.
	MaxBatch int
	// Linger is how long a call waits for more once there is one; 2 ms when 0: what has arrived already
	// takes the library's goroutines about that long to hand over, and batches halve without.
	Linger time.Duration
	// Prefetch is how many unacknowledged messages the broker may hand out to one worker; two batches
	// when 0, so that one arrives while the other is handled.
	Prefetch int
	// Workers consume side by side, each with a connection of its own; 1 when 0. With more than one,
	// and whenever a message is retried, messages are handled out of order.
	Workers int
	// HandlerTimeout bounds one call of Handle, and so roughly how long Run takes to stop; 15 s when 0.
	HandlerTimeout time.Duration
	Log            *slog.Logger

	retryMin, retryMax time.Duration // pauses between tries of what failed, for tests
	hold               time.Duration // how long failed deliveries are held at first, for tests
}

// ApplyDefaults fills in what was left zero.
func (c *ConsumerConfig) ApplyDefaults() {
	setDefault(&c.MaxBatch, 200)
	setDefault(&c.Prefetch, 2*c.MaxBatch)
	setDefault(&c.Linger, 2*time.Millisecond)
	setDefault(&c.Workers, 1)
	setDefault(&c.HandlerTimeout, 15*time.Second)
	setDefault(&c.retryMin, 100*time.Millisecond)
	setDefault(&c.retryMax, 30*time.Second)
	setDefault(&c.hold, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = c.Log.With("queue", c.Queue)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Consumer keeps a number of workers consuming one queue.
type Consumer struct {
	cfg       ConsumerConfig
	consuming atomic.Int32
}

// NewConsumer makes a consumer; it does nothing until Run.
func NewConsumer(cfg ConsumerConfig) (*Consumer, error) {
	if err := CheckURL(cfg.URL); err != nil {
		return nil, err
	}
	if cfg.Queue == "" || cfg.Handle == nil || cfg.Quarantine == nil || cfg.Ready == nil {
		return nil, errs.Errorf(errs.Invalid, "a consumer needs a queue, a handler, a quarantine and a readiness probe")
	}
	cfg.ApplyDefaults()
	return &Consumer{cfg: cfg}, nil
}

// Run consumes until ctx ends; then it finishes the call of Handle in progress, acknowledges, and
// hands everything else back to the queue. It gives an error only when the broker holds a topology
// that contradicts ours.
func (c *Consumer) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range c.cfg.Workers {
		g.Go(func() error { return c.work(ctx) })
	}
	return g.Wait()
}

// Ready gives nil when every worker is subscribed.
func (c *Consumer) Ready() error {
	if n := int(c.consuming.Load()); n < c.cfg.Workers {
		return errs.Errorf(errs.Unavailable, "%d of %d consumers of %s are subscribed", n, c.cfg.Workers, c.cfg.Queue)
	}
	return nil
}

// work keeps one worker in sessions.
func (c *Consumer) work(ctx context.Context) error {
	const longEnough = 10 * time.Second // a session that lived so long was no failed attempt
	redial := backoff{lowest: redialMin, highest: redialMax}
	w := &worker{Consumer: c, hold: c.cfg.hold}
	for {
		// Asked before there is a session: messages that are handed out and given back count towards
		// the delivery limit, a wait here counts nothing.
		if !c.waitReady(ctx) {
			return nil
		}
		began := time.Now()
		err := w.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // we were told to stop
		case fatal(err):
			return err
		case errors.Is(err, errGaveBack):
			continue // readiness is asked next, and paces this
		}
		c.cfg.Log.WarnContext(ctx, "consumer lost its session", "error", err)
		if time.Since(began) > longEnough {
			redial.reset()
		}
		redial.pause(ctx)
	}
}

// waitReady waits until what the handler depends on answers, or gives false when ctx ended.
func (c *Consumer) waitReady(ctx context.Context) bool {
	probe := backoff{lowest: c.cfg.retryMin, highest: min(redialMax, c.cfg.retryMax)}
	for told := false; ; {
		err := c.probe(ctx)
		if err == nil || ctx.Err() != nil {
			if told && err == nil {
				c.cfg.Log.InfoContext(ctx, "consumer resumes")
			}
			return ctx.Err() == nil
		}
		if !told {
			c.cfg.Log.WarnContext(ctx, "consumer waits for what it depends on", "error", err)
			told = true
		}
		probe.pause(ctx)
	}
}

// probe asks Ready, which gets a few seconds: a frozen database must look away, not keep us waiting.
func (c *Consumer) probe(ctx context.Context) error {
	const probeTimeout = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return c.cfg.Ready(ctx)
}
