package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/xencrm/xencrm/internal/auth"
)

// Login signs a browser in at the issuer: Begin gives the ticket for the browser's cookie and the URL to
// send it to, Finish takes what it brings back and gives the person and the path to show.
type Login interface {
	Begin(ctx context.Context, returnTo string) (auth.Ticket, string, error)
	Finish(ctx context.Context, c auth.Callback) (auth.Identity, string, error)
}

// Sessions keeps browsers signed in.
type Sessions interface {
	Start(ctx context.Context, id auth.Identity, had auth.Ticket) (auth.Ticket, error)
	End(ctx context.Context, ticket auth.Ticket) error
}

// loginCookie is the name of the cookie that carries the ticket of a sign-in on its way.
const loginCookie = "__Host-xencrm-login"

// setTicket gives the browser a ticket, or none to make it forget the one it has. Lax and not Strict: the issuer
// sends the browser back from another site, and the cookie has to come along.
func setTicket(c *gin.Context, name string, t auth.Ticket, lifetime time.Duration) {
	age := int(lifetime / time.Second)
	if t == "" {
		age = -1
	}
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Value: t.Reveal(), Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// serveLogin registers the routes that a browser is sent through. They are not part of the document: no
// program calls them.
func (g *gate) serveLogin(engine *gin.Engine) {
	if g.access.Login == nil {
		return
	}
	engine.GET("/auth/login", g.login)
	engine.GET("/auth/callback", g.callback)
	engine.POST("/auth/logout", g.logout)
}

func (g *gate) login(c *gin.Context) {
	ticket, url, err := g.access.Login.Begin(c.Request.Context(), c.Query("return_to"))
	if err != nil {
		abort(c, g.fail(c.Request.Context(), "login", "Nobody can sign in now", err))
		return
	}
	setTicket(c, loginCookie, ticket, auth.AttemptLifetime)
	c.Redirect(http.StatusSeeOther, url)
}

func (g *gate) callback(c *gin.Context) {
	// An attempt is used up by trying.
	setTicket(c, loginCookie, "", 0)
	id, returnTo, err := g.access.Login.Finish(c.Request.Context(), auth.Callback{
		Ticket: ticketOf(c.Request, loginCookie), State: c.Query("state"), Code: c.Query("code"),
		Error: c.Query("error"), Issuer: c.Query("iss"),
	})
	var session auth.Ticket
	if err == nil {
		session, err = g.access.Sessions.Start(c.Request.Context(), id, ticketOf(c.Request, auth.SessionCookie))
	}
	if err != nil {
		abort(c, g.fail(c.Request.Context(), "login", "Nobody can sign in now", err))
		return
	}
	setTicket(c, auth.SessionCookie, session, auth.SessionLifetime)
	c.Redirect(http.StatusSeeOther, returnTo)
}

func (g *gate) logout(c *gin.Context) {
	if err := g.cross.Check(c.Request); err != nil {
		abort(c, newProblem(http.StatusForbidden, typeForbidden, "a page of another site may not end this session"))
		return
	}
	if err := g.access.Sessions.End(c.Request.Context(), ticketOf(c.Request, auth.SessionCookie)); err != nil {
		abort(c, g.fail(c.Request.Context(), "logout", "The session cannot be ended now", err))
		return
	}
	setTicket(c, auth.SessionCookie, "", 0)
	c.JSON(http.StatusOK, gin.H{"success": true, "message": "Signed out"})
}

func ticketOf(r *http.Request, name string) auth.Ticket {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return auth.Ticket(cookie.Value)
}
