package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

// LoginConfig is what the code flow needs besides Config.
type LoginConfig struct {
	ClientSecret string
	// RedirectURL is where the issuer sends the browser back, as registered there.
	RedirectURL string
}

// Login signs browsers in: authorization code flow with PKCE, state and nonce.
type Login struct {
	verifier *Verifier
	cfg      LoginConfig
	store    auth.AttemptStore
}

// NewLogin makes the flow for the issuer of v.
func NewLogin(v *Verifier, cfg LoginConfig, store auth.AttemptStore) (*Login, error) {
	if !safeURL(cfg.RedirectURL) {
		return nil, errs.Errorf(errs.Invalid, "OIDC redirect URL %q: give the https URL of the callback (http only on loopback)", cfg.RedirectURL)
	}
	return &Login{verifier: v, cfg: cfg, store: store}, nil
}

// Begin gives the ticket for the cookie of sign-ins and the URL to send the browser to.
func (l *Login) Begin(ctx context.Context, returnTo string) (auth.Ticket, string, error) {
	flow, err := l.flow(ctx)
	if err != nil {
		return "", "", err
	}
	ticket := auth.NewTicket()
	a := auth.Attempt{
		Hash: ticket.Hash(), State: auth.NewTicket().Reveal(), Nonce: auth.NewTicket().Reveal(),
		Verifier: oauth2.GenerateVerifier(), ReturnTo: localPath(returnTo),
		ExpiresAt: l.verifier.cfg.Now().Add(auth.AttemptLifetime),
	}
	if err := l.store.PutAttempt(ctx, a); err != nil {
		return "", "", errs.Wrap(errs.Unavailable, err, "nobody can sign in now: try again")
	}
	url := flow.AuthCodeURL(a.State, oauth2.S256ChallengeOption(a.Verifier), gooidc.Nonce(a.Nonce))
	return ticket, url, nil
}

// Finish gives the person who signed in and the path to go to. Start a session for the person
// (auth.Sessions.Start), and clear the cookie of sign-ins in any case: an attempt is used up by trying.
func (l *Login) Finish(ctx context.Context, c auth.Callback) (auth.Identity, string, error) {
	a, err := l.take(ctx, c)
	if err != nil {
		return auth.Identity{}, "", err
	}
	raw, err := l.exchange(ctx, c.Code, a.Verifier)
	if err != nil {
		return auth.Identity{}, "", err
	}
	id, err := l.verifier.verifyLogin(ctx, raw, a.Nonce)
	if err != nil {
		return auth.Identity{}, "", err
	}
	return id, a.ReturnTo, nil
}

// take finds the attempt of this browser and holds the callback against it.
func (l *Login) take(ctx context.Context, c auth.Callback) (auth.Attempt, error) {
	if c.Ticket == "" {
		return auth.Attempt{}, again(errors.New("no ticket of a sign-in"))
	}
	a, err := l.store.TakeAttempt(ctx, c.Ticket.Hash())
	v := l.verifier
	switch {
	case errs.Is(err, errs.NotFound):
		return auth.Attempt{}, again(errors.New("unknown or used ticket"))
	case err != nil:
		return auth.Attempt{}, errs.Wrap(errs.Unavailable, err, "nobody can sign in now: try again")
	case !v.cfg.Now().Before(a.ExpiresAt):
		return auth.Attempt{}, again(errors.New("the sign-in took too long"))
	case a.State == "" || subtle.ConstantTimeCompare([]byte(a.State), []byte(c.State)) != 1:
		return auth.Attempt{}, again(errors.New("the state is not that of this sign-in"))
	case c.Issuer != "" && c.Issuer != v.cfg.Issuer:
		return auth.Attempt{}, again(errors.New("the answer is another issuer's")) // RFC 9207: mix-up
	case c.Error != "" || c.Code == "":
		return auth.Attempt{}, again(errors.New("the issuer gave no code"))
	}
	return a, nil
}

// exchange turns the code into an ID token.
func (l *Login) exchange(ctx context.Context, code, verifier string) (string, error) {
	flow, err := l.flow(ctx)
	if err != nil {
		return "", err
	}
	token, err := flow.Exchange(l.verifier.provider.withClient(ctx), code, oauth2.VerifierOption(verifier))
	if answer, ok := errors.AsType[*oauth2.RetrieveError](err); ok && answer.Response.StatusCode < http.StatusInternalServerError {
		// Not the error itself: it quotes the whole answer.
		return "", again(fmt.Errorf("exchange the code: status %d, %q", answer.Response.StatusCode, answer.ErrorCode))
	}
	if err != nil {
		return "", issuerAway(fmt.Errorf("exchange the code: %w", err))
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", again(errors.New("the issuer gave no ID token"))
	}
	return raw, nil
}

func (l *Login) flow(ctx context.Context) (*oauth2.Config, error) {
	e, err := l.verifier.provider.endpoints(ctx)
	if err != nil {
		return nil, issuerAway(err)
	}
	return &oauth2.Config{
		ClientID: l.verifier.cfg.ClientID, ClientSecret: l.cfg.ClientSecret, RedirectURL: l.cfg.RedirectURL,
		Endpoint: e.oauth2, Scopes: []string{gooidc.ScopeOpenID, "email", "profile"},
	}, nil
}

// localPath keeps a link to the sign-in page from sending people to another site: browsers read
// "//host", and a backslash or a control character in many places, as the start of one.
func localPath(p string) string {
	bad := strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f })
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || bad {
		return "/"
	}
	return p
}

func again(cause error) error {
	return errs.Wrap(errs.Unauthorized, cause, "the sign-in did not succeed: start again")
}

func issuerAway(cause error) error {
	return errs.Wrap(errs.Unavailable, cause, "the issuer does not answer: try again in a minute")
}
