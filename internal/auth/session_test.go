package auth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

type sessionStore struct {
	mu      sync.Mutex
	rows    map[auth.Hash]auth.Session
	touched int
	err     error
}

func (s *sessionStore) InsertSession(_ context.Context, row auth.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[row.Hash] = row
	return s.err
}

func (s *sessionStore) FindSession(_ context.Context, h auth.Hash) (auth.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.rows[h]
	if s.err != nil {
		return row, s.err
	}
	if !ok {
		return row, errs.Errorf(errs.NotFound, "no such session")
	}
	return row, nil
}

func (s *sessionStore) TouchSession(_ context.Context, h auth.Hash, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched++
	if row, ok := s.rows[h]; ok {
		row.SeenAt = at
		s.rows[h] = row
	}
	return s.err
}

func (s *sessionStore) DeleteSession(_ context.Context, h auth.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, h)
	return s.err
}

func TestSessions(t *testing.T) {
	t.Parallel()
	type bundle struct {
		store    *sessionStore
		clock    *clock
		sessions *auth.Sessions
	}
	asha := auth.Identity{Issuer: "https://i.in", Subject: "7", Email: "asha@shop.in", EmailProven: true}
	setup := func(*testing.T) *bundle {
		store, c := &sessionStore{rows: map[auth.Hash]auth.Session{}}, newClock()
		roles := auth.RoleMap{Editors: []string{"@shop.in"}}
		return &bundle{store, c, auth.NewSessions(store, roles, auth.SessionOptions{
			Idle: time.Hour, Absolute: 3 * time.Hour, Now: c.now,
		})}
	}
	try := func(t *testing.T, b *bundle, ticket auth.Ticket) (auth.Principal, error) {
		t.Helper()
		return b.sessions.Authenticate(t.Context(), auth.Credentials{
			Cookies: map[string]string{auth.SessionCookie: ticket.Reveal()},
		})
	}
	sign := func(t *testing.T, b *bundle, had auth.Ticket) auth.Ticket {
		t.Helper()
		ticket, err := b.sessions.Start(t.Context(), asha, had)
		require.NoError(t, err)
		return ticket
	}
	over := func(t *testing.T, err error) {
		t.Helper()
		require.Equal(t, errs.Unauthorized, errs.CodeOf(err))
		require.NotErrorIs(t, err, auth.ErrNoCredential)
	}

	t.Run("KnowsWhoSignedIn", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		p, err := try(t, b, sign(t, b, ""))
		require.NoError(t, err)
		require.Equal(t, "user:i.in|7", p.ID())
		require.Equal(t, auth.Editor, p.Role)
		require.True(t, p.Ambient, "the origin of its requests must be checked")
	})

	t.Run("StoresNoTicketInTheClear", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ticket := sign(t, b, "")
		require.Len(t, ticket.Reveal(), 43, "256 bits in base64")
		require.Contains(t, b.store.rows, ticket.Hash())
		require.NotContains(t, fmt.Sprintf("%v", b.store.rows), ticket.Reveal())
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", ticket, ticket, ticket, ticket), ticket.Reveal())
	})

	t.Run("ReplacesTheTicketAtSignIn", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		planted := sign(t, b, "")
		mine := sign(t, b, planted)
		require.NotEqual(t, planted, mine)
		_, err := try(t, b, planted)
		over(t, err)
		_, err = try(t, b, mine)
		require.NoError(t, err)
	})

	t.Run("NeverAdoptsATicketThatItDidNotMake", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		planted := auth.NewTicket()
		require.NotEqual(t, planted, sign(t, b, planted))
		_, err := try(t, b, planted)
		over(t, err)
	})

	t.Run("EndsAtSignOut", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ticket := sign(t, b, "")
		require.NoError(t, b.sessions.End(t.Context(), ticket))
		_, err := try(t, b, ticket)
		over(t, err)
		require.NoError(t, b.sessions.End(t.Context(), ticket), "twice is no error")
	})

	t.Run("EndsWhenItIsNotUsed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ticket := sign(t, b, "")
		b.clock.add(time.Hour)
		_, err := try(t, b, ticket)
		over(t, err)
	})

	t.Run("EndsAtLastHoweverBusyItIs", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ticket := sign(t, b, "")
		for range 5 {
			b.clock.add(30 * time.Minute)
			_, err := try(t, b, ticket)
			require.NoError(t, err)
		}
		b.clock.add(30 * time.Minute)
		_, err := try(t, b, ticket)
		over(t, err)
	})

	t.Run("DoesNotWriteOnEveryRequest", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ticket := sign(t, b, "")
		for range 10 {
			b.clock.add(time.Minute)
			_, err := try(t, b, ticket)
			require.NoError(t, err)
		}
		require.Equal(t, 1, b.store.touched)
	})

	t.Run("SaysThatTheStoreIsAway", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ticket := sign(t, b, "")
		b.store.err = errors.New("connection refused")
		_, err := try(t, b, ticket)
		require.Equal(t, errs.Unavailable, errs.CodeOf(err))
		_, err = b.sessions.Start(t.Context(), asha, "")
		require.Equal(t, errs.Unavailable, errs.CodeOf(err))
		require.Equal(t, errs.Unavailable, errs.CodeOf(b.sessions.End(t.Context(), ticket)))
	})

	t.Run("LeavesRequestsWithoutItsCookieToOthers", func(t *testing.T) {
		t.Parallel()
		_, err := setup(t).sessions.Authenticate(t.Context(), auth.Credentials{})
		require.ErrorIs(t, err, auth.ErrNoCredential)
	})
}

func TestSessionOptionsApplyDefaults(t *testing.T) {
	t.Parallel()
	var o auth.SessionOptions
	o.ApplyDefaults()
	require.Equal(t, time.Hour, o.Idle)
	require.Equal(t, 12*time.Hour, o.Absolute)
	require.NotNil(t, o.Now)
}
