package oidc

import (
	"net/http"
	"time"

	"github.com/xencrm/xencrm/internal/auth"
)

// LoginCookie is the name of the cookie that carries the ticket of a sign-in on its way.
const LoginCookie = "__Host-xencrm-login"

// Cookie makes one of our cookies, LoginCookie or auth.SessionCookie. Lax and not Strict: the issuer
// sends the browser back from another site, and the cookie has to come along.
func Cookie(name string, t auth.Ticket, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: t.Reveal(), Path: "/", MaxAge: int(lifetime / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// ClearedCookie makes the browser forget a cookie of ours.
func ClearedCookie(name string) *http.Cookie { return Cookie(name, "", -time.Second) }
