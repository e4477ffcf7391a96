package oidc

import (
	"context"
	"crypto/rsa"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// fetchEvery is the least time between two fetches. It keeps a flood of invented kids from
	// becoming a flood at the issuer; a new key works that much later at worst.
	fetchEvery = 10 * time.Second
	// defaultLifetime is for an issuer that says nothing about caching.
	defaultLifetime = time.Hour
	// minLifetime outlasts fetchEvery, so that "max-age=0" does not mean an outage every ten seconds.
	minLifetime = time.Minute
	// maxLifetime bounds how long a key that was withdrawn is believed.
	maxLifetime = 24 * time.Hour
	// minKeyBits: shorter RSA keys have been factored or soon will be.
	minKeyBits = 2048
)

// keySet keeps the issuer's keys for as long as the issuer allows.
type keySet struct {
	fetch func(context.Context) (jose.JSONWebKeySet, time.Duration, error)
	now   func() time.Time
	group singleflight.Group

	mu    sync.Mutex // never held while the issuer is asked: known keys go on working meanwhile
	keys  map[string]*rsa.PublicKey
	until time.Time
	tried time.Time
	err   error // of the last fetch
}

// find gives the key with that id. It asks the issuer, at most every fetchEvery, when the keys are too
// old or the id is unknown. errs.Unauthorized says that the issuer has no such key, errs.Unavailable
// that nobody can tell.
func (s *keySet) find(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	key, err := s.known(kid)
	if err == nil {
		return key, nil
	}
	_, _, _ = s.group.Do("", func() (any, error) { //nolint:dogsled // the outcome is in s, for everybody
		s.refresh(context.WithoutCancel(ctx)) // others wait for it, too
		return nil, nil                       //nolint:nilnil // nobody looks at it
	})
	return s.known(kid)
}

func (s *keySet) known(kid string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok := s.keys[kid]
	switch fresh := s.now().Before(s.until); {
	case fresh && ok:
		return key, nil
	case fresh && s.err == nil:
		return nil, errs.Errorf(errs.Unauthorized, "the issuer has no key with the id of this token")
	default:
		// Stale keys are not believed, and an unknown id may be a new key that we cannot see.
		return nil, errs.Wrap(errs.Unavailable, s.err, "ID tokens cannot be checked now: try again in ten seconds")
	}
}

func (s *keySet) refresh(ctx context.Context) {
	started, due := s.begin()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	set, life, err := s.fetch(ctx)
	keys := usable(set)
	if err == nil && len(keys) == 0 {
		err = errors.New("the issuer's key set has no RSA key for signatures")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err = err; err == nil {
		s.keys, s.until = keys, started.Add(life)
	}
}

// begin reports whether a fetch is due, and counts it.
func (s *keySet) begin() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !s.tried.IsZero() && now.Sub(s.tried) < fetchEvery {
		return now, false
	}
	s.tried = now
	return now, true
}

// usable picks the keys that may sign an ID token of ours.
func usable(set jose.JSONWebKeySet) map[string]*rsa.PublicKey {
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		key, isRSA := k.Key.(*rsa.PublicKey)
		forUs := (k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == string(jose.RS256))
		if isRSA && forUs && k.KeyID != "" && key.N.BitLen() >= minKeyBits {
			keys[k.KeyID] = key
		}
	}
	return keys
}

// lifetime reads how long an answer may be kept, less the time that it spent in caches on the way.
func lifetime(h http.Header) time.Duration {
	life := defaultLifetime
	for part := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		switch name {
		case "no-store", "no-cache":
			return minLifetime
		case "max-age":
			life = seconds(strings.Trim(value, `"`))
		}
	}
	return min(max(life-seconds(h.Get("Age")), minLifetime), maxLifetime)
}

// seconds reads a whole number of seconds, and takes anything else for none.
func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 31) // 31 bits of seconds are 68 years, and fit a Duration
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
