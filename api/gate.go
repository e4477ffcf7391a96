package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

// Access decides who gets in.
type Access struct {
	// Authenticator knows callers by their credentials; nil switches authentication off, and then every
	// caller is auth.Anonymous.
	Authenticator auth.Authenticator
	// Origins are those of the browser pages that may call with a session, beside our own.
	Origins []string
	// PerSecond is how many requests a second one caller may make, 0 for no limit.
	PerSecond float64
	// Login signs browsers in; nil where nobody is configured to vouch for them.
	Login Login
	// Sessions keeps browsers signed in; needed with Login.
	Sessions Sessions
}

// gate lets callers in: before a body is read, and before a database is asked for anything but the
// caller's credential.
type gate struct {
	*routes

	access Access
	audit  auth.AuditWriter
	cross  *http.CrossOriginProtection
	limits *limits
}

func newGate(r *routes, d Deps) *gate {
	g := &gate{routes: r, access: d.Access, audit: d.Audit, cross: http.NewCrossOriginProtection(), limits: newLimits(d.Access.PerSecond)}
	for _, origin := range d.Access.Origins {
		if err := g.cross.AddTrustedOrigin(origin); err != nil {
			// Validate has refused it; without it that origin is refused.
			d.Logger.Error("origin is not trusted", "origin", origin, "error", err)
		}
	}
	return g
}

func (g *gate) middleware(ctx huma.Context, next func(huma.Context)) {
	id := ctx.Operation().OperationID
	needed, listed := accessOf(id)
	if !listed {
		abort(humagin.Unwrap(ctx), newProblem(http.StatusForbidden, typeForbidden, "nobody may use this route yet"))
		return
	}
	if needed == public {
		next(ctx)
		return
	}
	caller, err := g.caller(ctx, needed)
	if err != nil {
		abort(humagin.Unwrap(ctx), g.fail(ctx.Context(), id, "The credential cannot be checked", err))
		return
	}
	if caller != nil {
		ctx = huma.WithContext(ctx, auth.WithPrincipal(ctx.Context(), *caller))
	}
	if needed == optional {
		next(ctx)
		return
	}
	if err := g.allow(ctx, *caller, needed); err != nil {
		g.refuse(ctx, *caller, err)
		return
	}
	g.admit(ctx, *caller, next)
}

// caller gives nil for nobody in particular, which only an operation that takes other proof puts up with.
func (g *gate) caller(ctx huma.Context, needed auth.Permission) (*auth.Principal, error) {
	if g.access.Authenticator == nil {
		nobody := auth.Anonymous()
		return &nobody, nil
	}
	credentials, err := credentialsOf(humagin.Unwrap(ctx).Request)
	if err != nil {
		return nil, err
	}
	if needed == optional && credentials.Bearer == "" {
		return nil, nil //nolint:nilnil // nobody is a caller that such operations know
	}
	p, err := g.access.Authenticator.Authenticate(ctx.Context(), credentials)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

func (g *gate) allow(ctx huma.Context, caller auth.Principal, needed auth.Permission) error {
	if needed != signedIn && !caller.Allows(needed) {
		return errs.Errorf(errs.Forbidden, "this needs the permission %s: ask an administrator", needed)
	}
	if caller.Ambient {
		// The browser adds a session by itself, also when another site's page asks it to.
		if err := g.cross.Check(humagin.Unwrap(ctx).Request); err != nil {
			return errs.Wrap(errs.Forbidden, err, "a page of another site may not use this session")
		}
	}
	if !g.limits.take(caller.ID()) {
		return errs.Errorf(errs.RateLimited, "more requests than %g a second: slow down", g.access.PerSecond)
	}
	return nil
}

// refuse tells a known caller, and the log what was tried.
func (g *gate) refuse(ctx huma.Context, caller auth.Principal, err error) {
	p := asProblem(err, "")
	if p.Status == http.StatusForbidden && audited(ctx.Method(), ctx.Operation().OperationID) {
		if id, err := g.begin(ctx, caller); err == nil {
			g.end(ctx.Context(), id, p.Status)
		}
	}
	abort(humagin.Unwrap(ctx), p)
}

// admit runs the operation, between the two halves of its line in the audit log.
func (g *gate) admit(ctx huma.Context, caller auth.Principal, next func(huma.Context)) {
	if !audited(ctx.Method(), ctx.Operation().OperationID) {
		next(ctx)
		return
	}
	id, err := g.begin(ctx, caller)
	if err != nil {
		abort(humagin.Unwrap(ctx), g.fail(ctx.Context(), ctx.Operation().OperationID, "The audit log cannot be written", err))
		return
	}
	next(ctx)
	g.end(ctx.Context(), id, humagin.Unwrap(ctx).Writer.Status())
}

func (g *gate) begin(ctx huma.Context, caller auth.Principal) (int64, error) {
	return g.audit.BeginEntry(ctx.Context(), auth.Entry{
		Principal: caller.ID(), Operation: ctx.Operation().OperationID, Target: targetOf(ctx), RequestID: requestID(ctx.Context()),
	})
}

// end does not fail the request: the change is done, and the line says that it was tried.
func (g *gate) end(ctx context.Context, id int64, status int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := g.audit.EndEntry(ctx, id, status); err != nil {
		g.log.WarnContext(ctx, "outcome not in the audit log", "entry", id, "error", err, "request_id", requestID(ctx))
	}
}

// targetOf names what the path names, if it has the form of an id: anything else may be personal.
func targetOf(ctx huma.Context) string {
	for _, name := range []string{"id", "segmentId", "keyId"} {
		if value := ctx.Param(name); value != "" && len(value) <= maxTarget && strings.Trim(value, "0123456789abcdefABCDEF-") == "" {
			return value
		}
	}
	return ""
}

// maxTarget is the length of a UUID.
const maxTarget = 36

func unsafeMethod(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// credentialsOf reads what a request says of its caller. Two Authorization headers, or one of another
// scheme, are no credential that anybody could mean.
func credentialsOf(r *http.Request) (auth.Credentials, error) {
	c := auth.Credentials{Cookies: map[string]string{}}
	for _, cookie := range r.Cookies() {
		if _, twice := c.Cookies[cookie.Name]; !twice {
			c.Cookies[cookie.Name] = cookie.Value
		}
	}
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return c, nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return c, errs.Errorf(errs.Unauthorized, "send one Authorization header, as \"Bearer\" and the API key or ID token")
	}
	c.Bearer = strings.TrimSpace(token)
	return c, nil
}

// principalOf names the caller for created_by and updated_by.
func principalOf(ctx context.Context) string {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return auth.Anonymous().ID()
	}
	return p.ID()
}
