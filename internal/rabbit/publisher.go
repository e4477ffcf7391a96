package rabbit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// PublisherConfig tunes a publisher.
type PublisherConfig struct {
	// URL is the broker's address, amqp:// or amqps://.
	URL string
	// Name is shown as the connection's name in the broker's management page.
	Name string
	// ConfirmTimeout bounds a call of Publish or PublishBatch; a context may end it sooner. 5 s when 0:
	// a confirm takes milliseconds, so the broker is then ill, and an HTTP client should be told.
	ConfirmTimeout time.Duration
	// ConnectWait is how much of that may be spent waiting for a lost connection; 1 s when 0. A caller
	// that can wait longer tries again.
	ConnectWait time.Duration
	Log         *slog.Logger
}

// ApplyDefaults fills in what was left zero.
func (c *PublisherConfig) ApplyDefaults() {
	if c.ConfirmTimeout == 0 {
		c.ConfirmTimeout = 5 * time.Second
	}
	if c.ConnectWait == 0 {
		c.ConnectWait = time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// Publisher publishes with confirms over a connection that Run keeps up. It is safe for concurrent
// use; concurrent calls share the connection and the broker's confirms.
type Publisher struct {
	cfg PublisherConfig

	mu      sync.Mutex
	current *publishSession
	changed chan struct{} // closed and replaced whenever current changes
	lastErr error         // why current is nil
}

// NewPublisher makes a publisher; until Run has connected it answers Unavailable.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	if err := CheckURL(cfg.URL); err != nil {
		return nil, err
	}
	cfg.ApplyDefaults()
	return &Publisher{
		cfg: cfg, changed: make(chan struct{}),
		lastErr: errs.Errorf(errs.Unavailable, "not connected to the message broker yet"),
	}, nil
}

// Run keeps the connection up until ctx ends, then lets calls in flight finish, which
// ConfirmTimeout bounds. It gives an error only when the broker holds a topology that contradicts ours.
func (p *Publisher) Run(ctx context.Context) error {
	redial := backoff{lowest: redialMin, highest: redialMax}
	for ctx.Err() == nil {
		s, err := openPublishSession(ctx, p.cfg.URL, p.cfg.Name)
		if err != nil {
			p.replace(nil, err)
			if fatal(err) {
				return err
			}
			p.cfg.Log.WarnContext(ctx, "publisher not connected", "error", err)
			redial.pause(ctx)
			continue
		}
		redial.reset()
		p.replace(s, nil)
		p.cfg.Log.InfoContext(ctx, "publisher connected")
		select {
		case <-ctx.Done():
			p.replace(nil, errs.Errorf(errs.Unavailable, "this process is stopping"))
			<-s.idle
		case <-s.giveUp:
			p.replace(nil, errs.Errorf(errs.Unavailable, "the message broker does not confirm"))
			p.cfg.Log.WarnContext(ctx, "publisher gives up a silent connection")
		case <-s.closed:
			p.replace(nil, errs.Errorf(errs.Unavailable, "the message broker is away"))
			p.cfg.Log.WarnContext(ctx, "publisher lost its connection", "error", s.reason())
			redial.pause(ctx) // a broker that accepts and drops us must not be hammered
		}
		s.end()
	}
	return nil
}

// Ready gives nil when a publish now would be accepted as far as we know.
func (p *Publisher) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return p.lastErr
	}
	return p.current.refuses()
}

// Publish gives nil when the broker has taken responsibility for m: stored, in at least one queue.
// errs.Invalid and errs.Unavailable mean that it has not; errs.Unknown that it may have, and that m
// may be published again under the same id.
func (p *Publisher) Publish(ctx context.Context, m Message) error {
	return p.PublishBatch(ctx, []Message{m})[0]
}

// PublishBatch publishes all, in order, and waits for their confirms together. It gives one result a
// message, each as Publish gives it.
func (p *Publisher) PublishBatch(ctx context.Context, ms []Message) []error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ConfirmTimeout)
	defer cancel()
	results := make([]error, len(ms))
	valid, at := sift(ms, results)
	if len(valid) == 0 {
		return results
	}
	s, err := p.acquire(ctx)
	if err != nil {
		for _, i := range at {
			results[i] = err
		}
		return results
	}
	defer p.release(s)
	for n, err := range s.publish(ctx, valid) {
		results[at[n]] = err
	}
	return results
}

// sift writes the faults of unpublishable messages to results and gives the others with their places.
func sift(ms []Message, results []error) (valid []Message, at []int) {
	for i := range ms {
		if results[i] = check(&ms[i]); results[i] == nil {
			valid, at = append(valid, ms[i]), append(at, i)
		}
	}
	return valid, at
}

// check refuses what the broker or a consumer would.
func check(m *Message) error {
	const maxShort = 255 // AMQP's short strings
	switch {
	case m.Exchange == "" || m.Key == "" || m.ID == "":
		return errs.Errorf(errs.Invalid, "a message needs an exchange, a key and an id")
	case len(m.Exchange) > maxShort || len(m.Key) > maxShort || len(m.ID) > maxShort || len(m.CorrelationID) > maxShort:
		return errs.Errorf(errs.Invalid, "an exchange, key or id has at most %d bytes", maxShort)
	case len(m.Body) > event.MaxBodyBytes:
		return errs.Errorf(errs.Invalid, "a message has at most %d bytes, this one %d", event.MaxBodyBytes, len(m.Body))
	}
	return nil
}

// acquire gives the current session, waiting a little for one. The caller releases it.
func (p *Publisher) acquire(ctx context.Context) (*publishSession, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ConnectWait)
	defer cancel()
	for {
		s, changed, err := p.tryAcquire()
		if s != nil {
			return s, nil
		}
		if changed == nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("publish: %w", err)
		}
	}
}

// tryAcquire gives a session, or an error and, when waiting may help, what to wait for.
func (p *Publisher) tryAcquire() (s *publishSession, changed <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return nil, p.changed, p.lastErr
	}
	if err := p.current.refuses(); err != nil {
		return nil, nil, err
	}
	p.current.users++
	return p.current, nil, nil
}

func (p *Publisher) release(s *publishSession) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	if s.retired && s.users == 0 {
		close(s.idle)
	}
}

// replace makes s the current session and retires the one before.
func (p *Publisher) replace(s *publishSession, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.current; old != nil {
		old.retired = true
		if old.users == 0 {
			close(old.idle)
		}
	}
	p.current, p.lastErr = s, err
	close(p.changed)
	p.changed = make(chan struct{})
}
