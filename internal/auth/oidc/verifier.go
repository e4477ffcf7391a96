package oidc

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// maxToken bounds a token in bytes, before anything is decoded: Google's have 1.3 KiB, those of
	// issuers that list groups some more.
	maxToken = 8 << 10
	// skew is how far the issuer's clock and ours may differ.
	skew = 60 * time.Second
)

// compact is a signed token to the letter. go-jose would remove white space and read on; one token
// should have one spelling.
var compact = regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]+$`)

// Verifier authenticates ID tokens.
type Verifier struct {
	cfg      Config
	provider *provider
	keys     *keySet
}

// New makes a verifier. It does not call the issuer yet. An error says what is wrong with the
// configuration.
func New(cfg Config) (*Verifier, error) {
	cfg.ApplyDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := newProvider(cfg)
	return &Verifier{cfg: cfg, provider: p, keys: &keySet{fetch: p.fetchKeys, now: cfg.Now}}, nil
}

// Authenticate knows every bearer token that is not an API key.
func (v *Verifier) Authenticate(ctx context.Context, c auth.Credentials) (auth.Principal, error) {
	if c.Bearer == "" || strings.HasPrefix(c.Bearer, auth.KeyPrefix) {
		return auth.Principal{}, auth.ErrNoCredential
	}
	id, err := v.Verify(ctx, c.Bearer)
	if err != nil {
		return auth.Principal{}, err
	}
	return v.cfg.Roles.Principal(id), nil
}

// Verify gives the identity in an ID token. errs.Unauthorized says that the token is no good, with the
// reason in the cause and not in the text; errs.Unavailable that the issuer's keys cannot be had.
func (v *Verifier) Verify(ctx context.Context, raw string) (auth.Identity, error) {
	claims, err := v.claims(ctx, raw)
	if err != nil {
		return auth.Identity{}, err
	}
	return v.identity(claims), nil
}

// verifyLogin is Verify for a token that answers a sign-in of ours, which its nonce proves.
func (v *Verifier) verifyLogin(ctx context.Context, raw, nonce string) (auth.Identity, error) {
	claims, err := v.claims(ctx, raw)
	if err != nil {
		return auth.Identity{}, err
	}
	if nonce == "" || claims.Nonce != nonce {
		return auth.Identity{}, refused(errors.New("the nonce is not that of this sign-in"))
	}
	return v.identity(claims), nil
}

func (v *Verifier) claims(ctx context.Context, raw string) (claims, error) {
	token, kid, err := parse(raw)
	if err != nil {
		return claims{}, refused(err)
	}
	key, err := v.keys.find(ctx, kid)
	if errs.Is(err, errs.Unavailable) {
		return claims{}, err
	}
	if err != nil {
		return claims{}, refused(err)
	}
	var c claims
	if err := token.Claims(key, &c.Claims, &c.more); err != nil {
		return claims{}, refused(fmt.Errorf("signature or claims: %w", err))
	}
	if err := v.check(c); err != nil {
		return claims{}, refused(err)
	}
	return c, nil
}

// parse reads a token without believing it.
func parse(raw string) (*jwt.JSONWebToken, string, error) {
	if len(raw) > maxToken {
		return nil, "", fmt.Errorf("token has %d bytes, and %d are allowed", len(raw), maxToken)
	}
	if !compact.MatchString(raw) {
		return nil, "", errors.New("not a signed token in compact form")
	}
	// The list is what refuses "none", HS256 with the public key as secret, and the rest.
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		// Not the error itself: it quotes the token.
		return nil, "", errors.New("not a token signed with RS256 that can be read")
	}
	header := token.Headers[0] // a compact token has one
	if header.KeyID == "" {
		return nil, "", errors.New("the header names no key")
	}
	// We use our own keys whatever the header says, but a token that points elsewhere is an attack.
	_, jku := header.ExtraHeaders["jku"]
	_, x5u := header.ExtraHeaders["x5u"]
	if jku || x5u || header.JSONWebKey != nil {
		return nil, "", errors.New("the header brings its own key")
	}
	// An access token of the same issuer says "at+jwt".
	if typ, has := header.ExtraHeaders[jose.HeaderType]; has && !isJWT(typ) {
		return nil, "", errors.New("the header says that it is no ID token")
	}
	return token, header.KeyID, nil
}

func isJWT(typ any) bool {
	s, ok := typ.(string)
	return ok && strings.EqualFold(s, "JWT")
}

// identity turns checked claims into a person.
func (v *Verifier) identity(c claims) auth.Identity {
	return auth.Identity{
		Issuer: v.cfg.Issuer, Subject: c.Subject, Email: auth.Personal(c.Email), Name: auth.Personal(c.Name),
		EmailProven: v.emailProven(c),
	}
}

// emailProven: Google lets people open an account with an address of somebody else's domain, and says
// that it was verified once. It vouches for gmail.com, and for the domains of its Workspace
// customers, whose tokens carry hd. With another issuer, email_verified is all there is.
func (v *Verifier) emailProven(c claims) bool {
	gmail := strings.HasSuffix(strings.ToLower(c.Email), "@gmail.com")
	return c.EmailVerified && (!v.cfg.google() || gmail || c.HostedDomain != "")
}

// hosted reports whether the token's Workspace domain may come in.
func (v *Verifier) hosted(domain string) bool {
	return len(v.cfg.HostedDomains) == 0 ||
		slices.ContainsFunc(v.cfg.HostedDomains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// refused gives every bad token the same text: whoever forges one learns nothing from it.
func refused(cause error) error {
	return errs.Wrap(errs.Unauthorized, cause, "the ID token is not valid here: sign in again")
}
