package oidc

import (
	"errors"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/xencrm/xencrm/internal/auth"
)

// claims are what we read of an ID token.
type claims struct {
	jwt.Claims
	more
}

type more struct {
	AuthorizedParty string `json:"azp"`
	Nonce           string `json:"nonce"`
	Email           string `json:"email"`
	EmailVerified   bool   `json:"email_verified"`
	HostedDomain    string `json:"hd"`
	Name            string `json:"name"`
	// Type is Keycloak's way to tell its tokens apart.
	Type string `json:"typ"`
}

// check holds signed claims against the configuration and the clock.
func (v *Verifier) check(c claims) error {
	sameIssuer := c.Issuer == v.cfg.Issuer || v.cfg.google() && c.Issuer == googleBareIssuer
	switch {
	case !sameIssuer:
		return errors.New("iss is another issuer")
	case c.Type != "" && c.Type != "ID":
		return errors.New("typ says that it is no ID token")
	case !v.forUs(c):
		return errors.New("aud or azp is another client")
	case c.Expiry == nil || c.IssuedAt == nil:
		return errors.New("exp or iat is missing")
	case !c.EmailVerified || c.Email == "":
		return errors.New("the issuer has not verified an e-mail address")
	case !v.hosted(c.HostedDomain):
		return errors.New("hd is not an allowed domain")
	}
	if err := c.ValidateWithLeeway(jwt.Expected{Time: v.cfg.Now()}, skew); err != nil {
		return err
	}
	return auth.Identity{Issuer: v.cfg.Issuer, Subject: c.Subject}.Check()
}

// forUs: with several audiences any of them may hold the token, so azp has to say that it was made for
// us. If azp is there it counts in any case.
func (v *Verifier) forUs(c claims) bool {
	named := false
	for _, aud := range c.Audience {
		named = named || v.cfg.ours(aud)
	}
	if c.AuthorizedParty == "" {
		return named && len(c.Audience) == 1
	}
	return named && v.cfg.ours(c.AuthorizedParty)
}
