package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/xencrm/xencrm/internal/errs"
)

// publishSession is a session in confirm mode with the goroutines that serve it. Publishing is not
// interruptible in the library, so one goroutine writes and callers wait for it under their context.
type publishSession struct {
	*session
	jobs   chan job
	closed chan struct{} // closed once the channel or connection is
	cause  atomic.Pointer[amqp.Error]

	blocked atomic.Bool
	// giveUp holds a token once the session is suspected to be dead although it looks alive.
	giveUp chan struct{}

	// barrier is received by the goroutine that records returns, between two of them: the broker sends
	// a message's return before its confirm, so whoever holds a confirm and has passed the barrier
	// sees the return in the record, if there was one.
	barrier chan struct{}
	drained chan struct{} // closed when no more returns can come

	mu       sync.Mutex
	returned map[string]int // by message id; several calls may carry the same one

	goroutines sync.WaitGroup

	// The next three belong to the Publisher, under its lock.
	users   int           // calls in progress
	retired bool          // no call may begin
	idle    chan struct{} // closed when retired and without users
}

type job struct {
	messages []Message
	written  chan []written
}

type written struct {
	confirm *amqp.DeferredConfirmation
	err     error
}

func openPublishSession(ctx context.Context, url, name string) (*publishSession, error) {
	base, err := openSession(ctx, url, name)
	if err != nil {
		return nil, err
	}
	if err := base.ch.Confirm(false); err != nil {
		base.close()
		return nil, translate("turn on confirms", err)
	}
	s := &publishSession{
		session: base, jobs: make(chan job), closed: make(chan struct{}), giveUp: make(chan struct{}, 1),
		barrier: make(chan struct{}), drained: make(chan struct{}), returned: map[string]int{},
		idle: make(chan struct{}),
	}
	closes := base.ch.NotifyClose(make(chan *amqp.Error, 1))
	returns := base.ch.NotifyReturn(make(chan amqp.Return))
	blocks := base.conn.NotifyBlocked(make(chan amqp.Blocking))
	s.goroutines.Go(func() { s.watch(closes) })
	s.goroutines.Go(func() { s.record(returns) })
	// Nobody draining this would block the library's reader.
	s.goroutines.Go(func() {
		for b := range blocks {
			s.blocked.Store(b.Active)
		}
	})
	s.goroutines.Go(s.write)
	return s, nil
}

func (s *publishSession) watch(closes <-chan *amqp.Error) {
	if err, ok := <-closes; ok {
		s.cause.Store(err)
	}
	close(s.closed)
}

func (s *publishSession) record(returns <-chan amqp.Return) {
	defer close(s.drained)
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				return
			}
			s.mu.Lock()
			s.returned[r.MessageId]++
			s.mu.Unlock()
		case <-s.barrier:
		}
	}
}

func (s *publishSession) write() {
	for {
		select {
		case <-s.closed:
			return
		case j := <-s.jobs:
			out := make([]written, len(j.messages))
			for i := range j.messages {
				out[i] = s.writeOne(&j.messages[i])
			}
			j.written <- out // buffered: the caller may have gone
		}
	}
}

func (s *publishSession) writeOne(m *Message) written {
	headers := make(amqp.Table, len(m.Headers))
	for k, v := range m.Headers {
		headers[k] = v
	}
	confirm, err := s.ch.PublishWithDeferredConfirm(m.Exchange, m.Key, true, false, amqp.Publishing{
		Headers: headers, ContentType: "application/json", DeliveryMode: amqp.Persistent,
		MessageId: m.ID, CorrelationId: m.CorrelationID, Timestamp: m.Timestamp, Body: m.Body,
	})
	return written{confirm, err}
}

// publish gives one result a message.
func (s *publishSession) publish(ctx context.Context, ms []Message) []error {
	results := make([]error, len(ms))
	j := job{messages: ms, written: make(chan []written, 1)}
	select {
	case s.jobs <- j:
	case <-s.closed:
		return fill(results, errs.Errorf(errs.Unavailable, "the message broker went away before the message was sent"))
	case <-ctx.Done():
		return fill(results, errs.Errorf(errs.Unavailable, "the message broker takes no messages at the moment"))
	}
	var sent []written
	select {
	case sent = <-j.written:
	case <-ctx.Done():
		s.suspect(ctx)
		return fill(results, unknown("the message broker did not read the message in time"))
	}
	hitPublished(ms[0].Key)
	for i, w := range sent {
		results[i] = s.outcome(ctx, ms[i].ID, w)
	}
	return results
}

// outcome waits for the broker's word on one message.
func (s *publishSession) outcome(ctx context.Context, id string, w written) error {
	if errors.Is(w.err, amqp.ErrClosed) {
		return errs.Errorf(errs.Unavailable, "the message broker went away before the message was sent")
	}
	if w.err != nil {
		// Part of it may have left.
		return fmt.Errorf("publish: %w", errs.Wrap(errs.Unknown, w.err, "the message may or may not have been sent"))
	}
	if _, err := w.confirm.WaitContext(ctx); err != nil {
		s.suspect(ctx)
		return unknown("the message broker did not confirm in time")
	}
	if !w.confirm.Acked() {
		// The library reports outstanding confirms as refused when the channel closes.
		if s.ch.IsClosed() {
			return unknown("the message broker went away before it confirmed")
		}
		return errs.Errorf(errs.Unavailable, "the message broker refused the message")
	}
	select {
	case s.barrier <- struct{}{}:
	case <-s.drained:
	}
	if s.wasReturned(id) {
		return errs.Errorf(errs.Unavailable, "the message broker has no queue for the message")
	}
	return nil
}

func (s *publishSession) wasReturned(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.returned[id] == 0 {
		return false
	}
	if s.returned[id]--; s.returned[id] == 0 {
		delete(s.returned, id)
	}
	return true
}

// suspect gives the session up after a confirm that did not come in time: it may never. A caller who
// went away early, and a broker that told us that it is blocked, prove nothing against it.
func (s *publishSession) suspect(ctx context.Context) {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && !s.blocked.Load() {
		select {
		case s.giveUp <- struct{}{}:
		default: // said already
		}
	}
}

// refuses gives the reason why publishing now cannot work.
func (s *publishSession) refuses() error {
	if s.blocked.Load() {
		return errs.Errorf(errs.Unavailable, "the message broker is out of memory or disk space and takes no messages")
	}
	return nil
}

func (s *publishSession) reason() string {
	if err := s.cause.Load(); err != nil {
		return err.Error()
	}
	return "closed"
}

// end closes the session and waits for its goroutines.
func (s *publishSession) end() {
	s.close()
	s.goroutines.Wait()
}

func unknown(text string) error {
	return errs.Errorf(errs.Unknown, "%s; it may have been accepted", text)
}

func fill(results []error, err error) []error {
	for i := range results {
		results[i] = err
	}
	return results
}
