package auth

import (
	"context"

	"github.com/xencrm/xencrm/internal/errs"
)

// principalKey is the key of the principal in a context.
type principalKey struct{}

// WithPrincipal puts the caller into the context of a request.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext gives the caller, and false where no door has put one.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// Require gives the caller if the caller has the permission: errs.Unauthorized without a caller,
// errs.Forbidden without the permission.
func Require(ctx context.Context, wanted Permission) (Principal, error) {
	p, ok := FromContext(ctx)
	if !ok {
		return Principal{}, ErrNoCredential
	}
	if !p.Allows(wanted) {
		return Principal{}, errs.Errorf(errs.Forbidden, "this needs the permission %s: ask an administrator", wanted)
	}
	return p, nil
}
