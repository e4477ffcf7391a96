package app

import (
	"time"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/auth/nextauth"
	"github.com/xencrm/xencrm/internal/auth/oidc"
	"github.com/xencrm/xencrm/internal/config"
)

// access says who gets in: API keys always, and whoever else the configuration names.
func access(cfg config.API, store *business.Store) (api.Access, error) {
	out := api.Access{Origins: cfg.AllowedOrigins}
	if cfg.Auth == "off" {
		return out, nil
	}
	in := cfg.SignIn
	out.PerSecond = cfg.RateLimit
	roles := auth.RoleMap{Admins: in.Admins, Editors: in.Editors, Viewers: in.Viewers, Default: auth.Role(in.DefaultRole)}
	if err := roles.Validate(); err != nil {
		return out, err
	}
	chain := auth.Chain{auth.NewKeys(store, time.Now)}
	if in.ClientID != "" {
		verifier, err := oidc.New(oidc.Config{
			Issuer: in.Issuer, ClientID: in.ClientID, OtherClientIDs: in.OtherClientIDs, HostedDomains: in.HostedDomains, Roles: roles,
		})
		if err != nil {
			return out, err
		}
		chain = append(chain, verifier)
		if in.ClientSecret != "" {
			sessions := auth.NewSessions(store, roles, auth.SessionOptions{})
			login, err := oidc.NewLogin(verifier, oidc.LoginConfig{
				ClientSecret: in.ClientSecret, RedirectURL: cfg.LinkBase() + "/auth/callback",
			}, store)
			if err != nil {
				return out, err
			}
			chain = append(chain, sessions)
			out.Login, out.Sessions = login, sessions
		}
	}
	if in.NextAuthSecret != "" {
		cookies, err := nextauth.New(nextauth.Config{Secret: in.NextAuthSecret, SecureOnly: cfg.Production(), Roles: roles})
		if err != nil {
			return out, err
		}
		chain = append(chain, cookies)
	}
	out.Authenticator = chain
	return out, nil
}
