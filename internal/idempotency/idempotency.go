// Package idempotency is what a repeated request is known by, and what it is answered: the answer that
// the first one got. It keeps nothing itself; see Store.
package idempotency

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// Keep is how long an answer is given again. Clients that repeat later have forgotten why.
	Keep = 24 * time.Hour
	// Lease is how long a key stays taken after the last sign of life of whoever works on it, who renews it
	// three times as often. A client that repeats after a crash is kept waiting that long.
	Lease = 5 * time.Second
)

// Request is a request under a key. The same key of two owners is two keys.
type Request struct {
	Owner string
	Key   string
	// Fingerprint tells whether it is the same request; see Fingerprint.
	Fingerprint [sha256.Size]byte
}

// Fingerprint is of all that a request says, each part with its length, so that nothing said in one part
// can pass for something in the next.
func Fingerprint(parts ...[]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256(part) // of one length
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Answer is what a request was answered.
type Answer struct {
	Status int
	// Header holds those that belong to the answer and not to the connection.
	Header map[string]string
	Body   []byte
}

// Store keeps keys and answers.
type Store interface {
	// Claim takes the key for Lease and gives nil, or gives the answer that the same request got in the
	// last Keep. ErrRunning means that it is still being worked on, ErrOther that the key belongs to
	// another request.
	Claim(ctx context.Context, r Request) (*Answer, error)
	// Renew takes the key for another Lease. One that is no longer taken stays free.
	Renew(ctx context.Context, r Request) error
	// Settle keeps the answer. Doing so again changes nothing: the first one stands.
	Settle(ctx context.Context, r Request, a Answer) error
	// Release gives a key back that got no answer worth keeping.
	Release(ctx context.Context, r Request) error
}

// The refusals of Claim.
var (
	ErrRunning = errs.Errorf(errs.Conflict, "a request with this Idempotency-Key is being worked on; ask again in a moment")
	ErrOther   = errs.Errorf(errs.Invalid, "this Idempotency-Key was used for another request; take a new one")
)
