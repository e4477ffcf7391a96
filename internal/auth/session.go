package auth

import (
	"context"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// SessionCookie is the name of the cookie that carries the ticket of a session. The prefix makes
// browsers refuse it without Secure and Path=/, and with a Domain, so that neither plain HTTP nor a
// sister domain can plant one.
const SessionCookie = "__Host-xencrm-session"

// SessionLifetime ends a session however busy it is, unless the options say otherwise: a long working day, with
// one sign-in each morning.
const SessionLifetime = 12 * time.Hour

// Session is a browser that has signed in. It holds who the person is and not what the person may do:
// the role is looked up on every request, so that taking it away works at once.
type Session struct {
	Hash     Hash
	Identity Identity
	SeenAt   time.Time
	// EndsAt is when the session ends however busy it is.
	EndsAt time.Time
}

// SessionStore keeps sessions. FindSession gives errs.NotFound for a session that it does not have;
// touching or deleting one that is gone is no error. Old rows are the store's to remove.
type SessionStore interface {
	InsertSession(ctx context.Context, s Session) error
	FindSession(ctx context.Context, h Hash) (Session, error)
	TouchSession(ctx context.Context, h Hash, seenAt time.Time) error
	DeleteSession(ctx context.Context, h Hash) error
}

// SessionOptions are the limits of a session.
type SessionOptions struct {
	// Idle ends a session that has not been used for that long.
	Idle time.Duration
	// Absolute ends any session.
	Absolute time.Duration
	// Now is the clock.
	Now func() time.Time
}

// ApplyDefaults fills what was left empty.
func (o *SessionOptions) ApplyDefaults() {
	if o.Idle <= 0 {
		o.Idle = time.Hour // a long lunch
	}
	if o.Absolute <= 0 {
		o.Absolute = SessionLifetime
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Sessions starts, checks and ends sessions.
type Sessions struct {
	store SessionStore
	roles RoleMap
	opts  SessionOptions
}

// NewSessions makes the authenticator of session cookies.
func NewSessions(store SessionStore, roles RoleMap, opts SessionOptions) *Sessions {
	opts.ApplyDefaults()
	return &Sessions{store: store, roles: roles, opts: opts}
}

// Start opens a session under a fresh ticket and ends the one that the browser had, if any: a ticket
// that somebody planted before the sign-in is worth nothing after it.
func (s *Sessions) Start(ctx context.Context, id Identity, had Ticket) (Ticket, error) {
	if err := s.End(ctx, had); err != nil {
		return "", err
	}
	ticket, now := NewTicket(), s.opts.Now()
	session := Session{Hash: ticket.Hash(), Identity: id, SeenAt: now, EndsAt: now.Add(s.opts.Absolute)}
	if err := s.store.InsertSession(ctx, session); err != nil {
		return "", unavailable(err)
	}
	return ticket, nil
}

// End signs out. Without a ticket there is nothing to end.
func (s *Sessions) End(ctx context.Context, ticket Ticket) error {
	if ticket == "" {
		return nil
	}
	if err := s.store.DeleteSession(ctx, ticket.Hash()); err != nil {
		return unavailable(err)
	}
	return nil
}

// Authenticate knows the session cookie.
func (s *Sessions) Authenticate(ctx context.Context, c Credentials) (Principal, error) {
	ticket := Ticket(c.Cookies[SessionCookie])
	if ticket == "" {
		return Principal{}, ErrNoCredential
	}
	over := errs.Errorf(errs.Unauthorized, "the session is over: sign in again")
	session, err := s.store.FindSession(ctx, ticket.Hash())
	now := s.opts.Now()
	switch {
	case errs.Is(err, errs.NotFound):
		return Principal{}, over
	case err != nil:
		return Principal{}, unavailable(err)
	case !now.Before(session.EndsAt), now.Sub(session.SeenAt) >= s.opts.Idle:
		return Principal{}, over
	}
	if err := s.touch(ctx, session, now); err != nil {
		return Principal{}, err
	}
	p := s.roles.Principal(session.Identity)
	p.Ambient = true
	return p, nil
}

// touch writes a tenth of the idle time apart: a page that asks ten things at once should not cost
// ten writes, and the session ends at most that much too early.
func (s *Sessions) touch(ctx context.Context, session Session, now time.Time) error {
	if now.Sub(session.SeenAt) < s.opts.Idle/10 {
		return nil
	}
	if err := s.store.TouchSession(ctx, session.Hash, now); err != nil {
		return unavailable(err)
	}
	return nil
}

func unavailable(err error) error {
	return errs.Wrap(errs.Unavailable, err, "sessions cannot be checked now: try again")
}
