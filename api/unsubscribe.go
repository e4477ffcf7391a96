package api

import (
	"bytes"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

//go:embed unsubscribe.html.tmpl
var unsubscribeTemplate embed.FS

// maxForm bounds the form of a link: one member, in either of two encodings.
const maxForm = 4 << 10

// unsubscribePage is what a recipient sees.
type unsubscribePage struct {
	Title, Text string
	// Ask shows the button.
	Ask bool
}

// serveUnsubscribe serves the links in messages, for people and for their mail programs (RFC 8058).
// They are no part of the document: nobody writes a client for them. Whoever holds a link needs no
// credential; the signature in it is one.
func (r *routes) serveUnsubscribe(engine *gin.Engine, service Suppressions) {
	page := template.Must(template.ParseFS(unsubscribeTemplate, "unsubscribe.html.tmpl"))
	u := unsubscribe{service: service, page: page, log: r.log}
	engine.GET(campaign.UnsubscribePath+":token", u.ask)
	engine.POST(campaign.UnsubscribePath+":token", u.do)
}

type unsubscribe struct {
	service Suppressions
	page    *template.Template
	log     *slog.Logger
}

// ask shows the button and changes nothing: scanners and previews follow every link.
func (u unsubscribe) ask(c *gin.Context) {
	if err := u.service.CheckLink(c.Param("token")); err != nil {
		u.fail(c, err)
		return
	}
	u.show(c, http.StatusOK, unsubscribePage{
		Title: "Unsubscribe", Text: "Do you want no more messages from us at this address?", Ask: true,
	})
}

// do unsubscribes, by our button or by the mail program's own.
func (u unsubscribe) do(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	if c.Request.PostFormValue("List-Unsubscribe") != "One-Click" {
		u.show(c, http.StatusBadRequest, unsubscribePage{
			Title: "Not unsubscribed", Text: "Please open the link in the message once more and use the button.",
		})
		return
	}
	if err := u.service.Unsubscribe(c.Request.Context(), c.Param("token")); err != nil {
		u.fail(c, err)
		return
	}
	u.show(c, http.StatusOK, unsubscribePage{
		Title: "You are unsubscribed", Text: "We will send no more messages to this address.",
	})
}

// fail tells a link that is not ours from a fault of ours, which is logged: without the token, which
// is a credential.
func (u unsubscribe) fail(c *gin.Context, err error) {
	if errs.Is(err, errs.NotFound) {
		u.show(c, http.StatusNotFound, unsubscribePage{
			Title: "This link does not work", Text: "It is not one of ours, or a part of it is missing. Please use the link in the message itself.",
		})
		return
	}
	ctx := c.Request.Context()
	u.log.ErrorContext(ctx, "request failed", "operation", "unsubscribe", "code", errs.CodeOf(err), "error", err,
		"request_id", requestID(ctx))
	// Mail programs try again after a 503, and people read the text.
	c.Header("Retry-After", strconv.Itoa(retryAfter))
	u.show(c, http.StatusServiceUnavailable, unsubscribePage{
		Title: "Not unsubscribed yet", Text: "Something is wrong on our side. Please try again in a moment.",
	})
}

func (u unsubscribe) show(c *gin.Context, status int, p unsubscribePage) {
	var out bytes.Buffer
	if err := u.page.Execute(&out, p); err != nil {
		u.log.ErrorContext(c.Request.Context(), "request failed", "operation", "unsubscribe", "error", err)
		c.Status(http.StatusInternalServerError)
		return
	}
	// The page has one style sheet in it, no script, and one form that leads back to it.
	c.Header("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	c.Data(status, "text/html; charset=utf-8", out.Bytes())
}
