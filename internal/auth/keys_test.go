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

// start is where the clocks of the tests begin.
var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// clock stands still until somebody moves it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: start} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// keyStore is a store in memory that counts its questions.
type keyStore struct {
	mu    sync.Mutex
	keys  map[string]auth.KeyRecord
	err   error
	asked int
	// before runs ahead of the answer, outside of the lock, as a slow database would.
	before func()
}

func (s *keyStore) LookupKey(_ context.Context, id string) (auth.KeyRecord, error) {
	s.mu.Lock()
	s.asked++
	r, ok := s.keys[id]
	err, before := s.err, s.before
	s.mu.Unlock()
	if before != nil {
		before()
	}
	if err != nil {
		return auth.KeyRecord{}, err
	}
	if !ok {
		return auth.KeyRecord{}, errs.Errorf(errs.NotFound, "no such key")
	}
	return r, nil
}

func (s *keyStore) change(id string, with func(*auth.KeyRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.keys[id]
	with(&r)
	s.keys[id] = r
}

type keyBundle struct {
	key   auth.Key
	store *keyStore
	clock *clock
	keys  *auth.Keys
}

func (b *keyBundle) try(t *testing.T, bearer string) (auth.Principal, error) {
	t.Helper()
	return b.keys.Authenticate(t.Context(), auth.Credentials{Bearer: bearer})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	setup := func(*testing.T) *keyBundle {
		k, c := auth.NewKey(), newClock()
		store := &keyStore{keys: map[string]auth.KeyRecord{k.ID(): {
			ID: k.ID(), Hash: k.Hash(), Name: "shop", Role: auth.Viewer, Scopes: []auth.Scope{auth.Ingest},
		}}}
		return &keyBundle{k, store, c, auth.NewKeys(store, c.now)}
	}

	t.Run("KnowsAKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		p, err := b.try(t, b.key.Reveal())
		require.NoError(t, err)
		require.Equal(t, auth.Principal{
			Kind: auth.APIKey, KeyID: b.key.ID(), Role: auth.Viewer, Scopes: []auth.Scope{auth.Ingest},
		}, p)
	})

	t.Run("LeavesOtherCredentialsToOthers", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, bearer := range []string{"", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "XCRM_x"} {
			_, err := b.try(t, bearer)
			require.ErrorIs(t, err, auth.ErrNoCredential)
		}
	})

	t.Run("RefusesUnknownWrongExpiredAndRevokedInTheSameWords", func(t *testing.T) {
		t.Parallel()
		tests := map[string]func(b *keyBundle){
			"unknown": func(b *keyBundle) { delete(b.store.keys, b.key.ID()) },
			"wrong":   func(b *keyBundle) { b.store.change(b.key.ID(), func(r *auth.KeyRecord) { r.Hash[31] ^= 1 }) },
			"expired": func(b *keyBundle) { b.store.change(b.key.ID(), func(r *auth.KeyRecord) { r.ExpiresAt = start }) },
			"revoked": func(b *keyBundle) { b.store.change(b.key.ID(), func(r *auth.KeyRecord) { r.RevokedAt = start }) },
		}
		texts := map[string]bool{}
		for name, spoil := range tests {
			b := setup(t)
			spoil(b)
			_, err := b.try(t, b.key.Reveal())
			require.Equal(t, errs.Unauthorized, errs.CodeOf(err), name)
			require.NotErrorIs(t, err, auth.ErrNoCredential, name)
			texts[err.Error()] = true
		}
		require.Len(t, texts, 1)
	})

	t.Run("RefusesAMalformedKeyWithoutAskingTheStore", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.try(t, flip(b.key.Reveal(), 30))
		require.Equal(t, errs.Unauthorized, errs.CodeOf(err))
		require.Zero(t, b.store.asked)
	})

	t.Run("ForgetsARevokedKeyWithinASecond", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.try(t, b.key.Reveal())
		require.NoError(t, err)
		b.store.change(b.key.ID(), func(r *auth.KeyRecord) { r.RevokedAt = b.clock.now() })
		b.clock.add(time.Second)
		_, err = b.try(t, b.key.Reveal())
		require.Equal(t, errs.Unauthorized, errs.CodeOf(err))
	})

	t.Run("ExpiresOnTimeAlthoughItIsRemembered", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.store.change(b.key.ID(), func(r *auth.KeyRecord) { r.ExpiresAt = start.Add(100 * time.Millisecond) })
		_, err := b.try(t, b.key.Reveal())
		require.NoError(t, err)
		b.clock.add(100 * time.Millisecond)
		_, err = b.try(t, b.key.Reveal())
		require.Equal(t, errs.Unauthorized, errs.CodeOf(err))
		require.Equal(t, 1, b.store.asked)
	})

	t.Run("AsksTheStoreOnceForABusyKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 100 {
			_, err := b.try(t, b.key.Reveal())
			require.NoError(t, err)
		}
		require.Equal(t, 1, b.store.asked)
	})

	t.Run("CountsTheAgeFromTheQuestionNotTheAnswer", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.store.before = func() { b.clock.add(time.Second) }
		for range 2 {
			_, err := b.try(t, b.key.Reveal())
			require.NoError(t, err)
		}
		require.Equal(t, 2, b.store.asked, "an answer that took a second is too old to be kept")
	})

	t.Run("DoesNotTrustAnAgeBelowZero", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.try(t, b.key.Reveal())
		require.NoError(t, err)
		b.store.change(b.key.ID(), func(r *auth.KeyRecord) { r.RevokedAt = start })
		b.clock.add(-time.Hour)
		_, err = b.try(t, b.key.Reveal())
		require.Equal(t, errs.Unauthorized, errs.CodeOf(err))
	})

	t.Run("FindsAKeyThatWasMadeAfterItWasAskedFor", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		late := auth.NewKey()
		_, err := b.try(t, late.Reveal())
		require.Equal(t, errs.Unauthorized, errs.CodeOf(err))
		b.store.change(late.ID(), func(r *auth.KeyRecord) { r.ID, r.Hash = late.ID(), late.Hash() })
		_, err = b.try(t, late.Reveal())
		require.NoError(t, err)
	})

	t.Run("SaysThatTheStoreIsAway", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.store.err = errors.New("connection refused")
		_, err := b.try(t, b.key.Reveal())
		require.Equal(t, errs.Unavailable, errs.CodeOf(err))
	})

	t.Run("ServesManyAtOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		others := make([]auth.Key, 1100) // more than are remembered
		for i := range others {
			others[i] = auth.NewKey()
			b.store.keys[others[i].ID()] = auth.KeyRecord{ID: others[i].ID(), Hash: others[i].Hash()}
		}
		failed := make(chan error, len(others))
		var wg sync.WaitGroup
		for _, k := range others {
			wg.Go(func() {
				p, err := b.keys.Authenticate(t.Context(), auth.Credentials{Bearer: k.Reveal()})
				if err != nil || p.KeyID != k.ID() {
					failed <- fmt.Errorf("key %s became %s: %w", k.ID(), p.KeyID, err)
				}
			})
		}
		wg.Wait()
		require.Empty(t, failed)
	})
}
