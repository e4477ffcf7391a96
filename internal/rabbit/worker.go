package rabbit

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/xencrm/xencrm/internal/errs"
)

var (
	// errGaveBack ends a session that held failed deliveries for long enough.
	errGaveBack = errors.New("messages given back until their dependency is well")
	// errSessionOver is why a session's context ends.
	errSessionOver = errors.New("session over")
)

// maxHold is the longest that failed deliveries are held unacknowledged. RabbitMQ closes the channel
// of a consumer that holds a message for 30 minutes.
const maxHold = 15 * time.Minute

// worker consumes one queue on one session at a time. It is used by one goroutine.
type worker struct {
	*Consumer
	// hold is how long failed deliveries are held before they are given back. It grows while nothing
	// succeeds: each giving back counts towards the delivery limit.
	hold time.Duration
	// acked counts what was handled successfully, the proof that the dependency works.
	acked int
	// parkedInRow counts faulty messages parked without a success in between.
	parkedInRow int
}

// item is one unsettled delivery.
type item struct {
	Delivery
	tag uint64
	// tries counts how often it failed alone although its dependency answered; faults those of the
	// tries that look like a defect.
	tries, faults int
	// ackedThen is worker.acked when it first failed alone.
	ackedThen int
}

// subscription is a consumer's session.
type subscription struct {
	*session
	deliveries <-chan amqp.Delivery
	unacked    []uint64 // tags handed to the worker and not settled, ascending
}

// session subscribes and works until the session or ctx ends.
func (w *worker) session(ctx context.Context) error {
	base, err := openSession(ctx, w.cfg.URL, w.cfg.Name)
	if err != nil {
		return err
	}
	defer base.close()
	sessionCtx, over := context.WithCancelCause(ctx)
	defer over(errSessionOver)
	closes := base.ch.NotifyClose(make(chan *amqp.Error, 1))
	// The broker cancels a consumer whose queue was deleted or whose node went away (D33).
	cancels := base.ch.NotifyCancel(make(chan string, 1))
	go func() {
		select {
		case err := <-closes:
			over(fmt.Errorf("channel closed: %w", asError(err)))
		case <-cancels:
			over(errors.New("consumer cancelled by the broker"))
		case <-sessionCtx.Done():
		}
	}()
	if err := base.ch.Qos(w.cfg.Prefetch, 0, false); err != nil {
		return translate("set prefetch", err)
	}
	deliveries, err := base.ch.Consume(w.cfg.Queue, "", false, false, false, false, nil)
	if err != nil {
		return translate("consume "+w.cfg.Queue, err)
	}
	w.consuming.Add(1)
	defer w.consuming.Add(-1)
	w.cfg.Log.InfoContext(ctx, "consumer subscribed")
	return w.loop(sessionCtx, &subscription{session: base, deliveries: deliveries})
}

func asError(err *amqp.Error) error {
	if err == nil {
		return amqp.ErrClosed
	}
	return err
}

// loop handles batches. What could not be settled is kept, unacknowledged, and tried again after a
// pause together with whatever has arrived: one message that fails does not stop the others.
func (w *worker) loop(ctx context.Context, s *subscription) error {
	retry := backoff{lowest: w.cfg.retryMin, highest: w.cfg.retryMax}
	var kept []*item
	var keptSince time.Time
	for {
		fresh := w.gather(ctx, s, len(kept))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		before := w.acked
		var outage bool
		var err error
		if kept, outage, err = w.process(ctx, s, kept, fresh); err != nil {
			return err
		}
		if w.acked > before {
			w.hold, w.parkedInRow = w.cfg.hold, 0
			retry.reset()
			keptSince = time.Now()
		}
		switch {
		case len(kept) == 0:
			retry.reset()
			keptSince = time.Time{}
			continue
		case keptSince.IsZero():
			keptSince = time.Now()
		case time.Since(keptSince) > w.hold:
			w.hold = min(2*w.hold, maxHold)
			return errGaveBack
		}
		// After an outage we want to be back soon; a message that fails by itself can wait.
		retry.highest = w.cfg.retryMax
		if outage {
			retry.highest = min(redialMax, w.cfg.retryMax)
		}
		retry.pause(ctx)
	}
}

// gather takes what has arrived, up to a batch. It waits for a first delivery only when nothing is
// kept, and for more no longer than Linger.
func (w *worker) gather(ctx context.Context, s *subscription, kept int) []*item {
	var fresh []*item
	if kept == 0 {
		select {
		case <-ctx.Done():
			return nil
		case d, ok := <-s.deliveries:
			if !ok {
				<-ctx.Done() // the session's end has been, or is being, reported
				return nil
			}
			fresh = append(fresh, w.take(s, &d))
		}
	}
	timer := time.NewTimer(w.cfg.Linger)
	defer timer.Stop()
	for kept+len(fresh) < w.cfg.MaxBatch {
		d, ok := next(ctx, s.deliveries, timer.C)
		if !ok {
			break
		}
		fresh = append(fresh, w.take(s, &d))
	}
	return fresh
}

// next gives a delivery that comes before linger fires.
func next(ctx context.Context, deliveries <-chan amqp.Delivery, linger <-chan time.Time) (amqp.Delivery, bool) {
	select {
	case d, ok := <-deliveries:
		return d, ok
	case <-linger:
	case <-ctx.Done():
	}
	return amqp.Delivery{}, false
}

func (w *worker) take(s *subscription, d *amqp.Delivery) *item {
	s.unacked = append(s.unacked, d.DeliveryTag)
	return &item{Delivery: deliveryOf(w.cfg.Queue, d), tag: d.DeliveryTag}
}

// ack settles deliveries: with one frame as far as nothing unsettled lies between, else one by one.
// The tag of a multiple ack must itself be unsettled: RabbitMQ acknowledges everything otherwise.
func (s *subscription) ack(settled []*item) error {
	if len(settled) == 0 {
		return nil
	}
	tags := make(map[uint64]bool, len(settled))
	for _, it := range settled {
		tags[it.tag] = true
	}
	prefix := 0
	for prefix < len(s.unacked) && tags[s.unacked[prefix]] {
		prefix++
	}
	if prefix > 0 {
		if err := s.ch.Ack(s.unacked[prefix-1], true); err != nil {
			return errs.Wrap(errs.Unavailable, err, "acknowledgement not sent")
		}
	}
	rest := s.unacked[:0]
	for _, tag := range s.unacked[prefix:] {
		if !tags[tag] {
			rest = append(rest, tag)
			continue
		}
		if err := s.ch.Ack(tag, false); err != nil {
			return errs.Wrap(errs.Unavailable, err, "acknowledgement not sent")
		}
	}
	s.unacked = rest
	return hitAcked(settled[0].Queue)
}
