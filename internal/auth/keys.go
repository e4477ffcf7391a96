package auth

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// keyCacheTTL is how long a looked-up key is believed. Revocation has to hold within a second;
	// half of that leaves the rest to the request that is already being checked.
	keyCacheTTL = 500 * time.Millisecond
	// keyCacheSize bounds the memory: more keys than this are never busy within one TTL.
	keyCacheSize = 1024
)

// KeyRecord is what the store knows of a key: everything but its secret.
type KeyRecord struct {
	ID     string
	Hash   Hash
	Name   string
	Role   Role
	Scopes []Scope
	// ExpiresAt and RevokedAt are zero when the key does not expire and was not revoked.
	ExpiresAt, RevokedAt time.Time
}

// Usable reports whether the key is neither expired nor revoked at that moment.
func (r KeyRecord) Usable(at time.Time) bool {
	return r.RevokedAt.IsZero() && (r.ExpiresAt.IsZero() || at.Before(r.ExpiresAt))
}

// KeyStore finds API keys. It gives errs.NotFound for an id that it does not have. It is asked about
// twice a second for a busy key and process, so an implementation may note the last use on the way.
type KeyStore interface {
	LookupKey(ctx context.Context, id string) (KeyRecord, error)
}

// Keys authenticates API keys.
type Keys struct {
	store KeyStore
	now   func() time.Time
	mu    sync.Mutex
	cache map[string]cachedKey
}

type cachedKey struct {
	record KeyRecord
	// asked is when the question was put, not when the answer came: the answer may be as old as that.
	asked time.Time
}

// NewKeys makes the authenticator; now is time.Now outside of tests.
func NewKeys(store KeyStore, now func() time.Time) *Keys {
	return &Keys{store: store, now: now, cache: map[string]cachedKey{}}
}

// Authenticate knows bearer tokens that begin with KeyPrefix. An unknown id, a wrong secret, an
// expired and a revoked key get the same answer.
func (ks *Keys) Authenticate(ctx context.Context, c Credentials) (Principal, error) {
	if !strings.HasPrefix(c.Bearer, KeyPrefix) {
		return Principal{}, ErrNoCredential
	}
	key, err := ParseKey(c.Bearer)
	if err != nil {
		return Principal{}, err
	}
	refused := errs.Errorf(errs.Unauthorized, "the API key is unknown, expired or revoked: ask an administrator for a new one")
	record, err := ks.lookup(ctx, key.ID())
	switch {
	case errs.Is(err, errs.NotFound):
		return Principal{}, refused
	case err != nil:
		return Principal{}, errs.Wrap(errs.Unavailable, err, "API keys cannot be checked now: try again")
	case !record.Hash.Equal(key.Hash()), !record.Usable(ks.now()):
		return Principal{}, refused
	}
	return Principal{Kind: APIKey, KeyID: record.ID, Role: record.Role, Scopes: record.Scopes}, nil
}

// lookup remembers only keys that exist. Remembering the others would hide a key that has just been
// made, and would let anybody fill the memory with invented ids.
func (ks *Keys) lookup(ctx context.Context, id string) (KeyRecord, error) {
	asked := ks.now()
	if record, ok := ks.cached(id, asked); ok {
		return record, nil
	}
	record, err := ks.store.LookupKey(ctx, id)
	if err != nil {
		return KeyRecord{}, err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if len(ks.cache) >= keyCacheSize {
		clear(ks.cache)
	}
	// A slow answer must not replace a younger one, which may say that the key is revoked.
	if !ks.cache[id].asked.After(asked) {
		ks.cache[id] = cachedKey{record: record, asked: asked}
	}
	return record, nil
}

func (ks *Keys) cached(id string, at time.Time) (KeyRecord, bool) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	hit, ok := ks.cache[id]
	age := at.Sub(hit.asked)
	// A clock that was set back makes the age negative, and no entry may outlive that.
	return hit.record, ok && age >= 0 && age < keyCacheTTL
}
