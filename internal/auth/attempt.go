package auth

import (
	"context"
	"time"
)

// AttemptLifetime is how long a person may take to sign in at the issuer, second factor included.
const AttemptLifetime = 10 * time.Minute

// Attempt is a sign-in on its way. Its Hash is that of the ticket in the browser's cookie: only the
// browser that began the sign-in can finish it.
type Attempt struct {
	Hash Hash
	// State, Nonce and Verifier tie the browser's return, the token and the code to this attempt.
	State, Nonce, Verifier string
	// ReturnTo is the page to show afterwards, a path on this site.
	ReturnTo  string
	ExpiresAt time.Time
}

// AttemptStore keeps attempts. TakeAttempt removes what it gives, in one step, so that no attempt is
// finished twice; it gives errs.NotFound otherwise. Expired rows are the store's to remove.
type AttemptStore interface {
	PutAttempt(ctx context.Context, a Attempt) error
	TakeAttempt(ctx context.Context, h Hash) (Attempt, error)
}

// Callback is what the browser brings back from the issuer.
type Callback struct {
	// Ticket is the value of the cookie that carries it, the rest are the parameters of the same names.
	Ticket                     Ticket
	State, Code, Error, Issuer string
}
