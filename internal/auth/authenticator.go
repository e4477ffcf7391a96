package auth

import (
	"context"
	"errors"
	"log/slog"

	"github.com/xencrm/xencrm/internal/errs"
)

// ErrNoCredential means that the request carries no credential that this authenticator knows: another
// may. A credential that is known and bad is a different error, and nobody else is asked.
var ErrNoCredential error = errs.Errorf(errs.Unauthorized,
	"sign in, or send an API key or an ID token as \"Authorization: Bearer …\"")

// Credentials is what a request says about its caller, before anyone believed it.
type Credentials struct {
	// Bearer is the token of the Authorization header, without the scheme.
	Bearer string
	// Cookies by name. Of several with one name a door takes the first.
	Cookies map[string]string
}

// LogValue says which sorts of credentials there are, never what they are.
func (c Credentials) LogValue() slog.Value {
	return slog.GroupValue(slog.Bool("bearer", c.Bearer != ""), slog.Int("cookies", len(c.Cookies)))
}

// Authenticator turns credentials into a caller. Its errors are ErrNoCredential, errs.Unauthorized
// (the credential is bad), or errs.Unavailable (nobody can tell now).
type Authenticator interface {
	Authenticate(ctx context.Context, c Credentials) (Principal, error)
}

// Chain asks one authenticator after the other; the first that knows the credential decides.
type Chain []Authenticator

// Authenticate gives ErrNoCredential if none of them knows the credential.
func (ch Chain) Authenticate(ctx context.Context, c Credentials) (Principal, error) {
	if c.Bearer != "" {
		// Said on purpose, a token outranks the cookies that a browser adds by itself: a bad token
		// must not be saved by a good cookie.
		c.Cookies = nil
	}
	for _, a := range ch {
		p, err := a.Authenticate(ctx, c)
		if !errors.Is(err, ErrNoCredential) {
			return p, err
		}
	}
	return Principal{}, ErrNoCredential
}
