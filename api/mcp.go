package api

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	mcpPath = "/mcp"
	// maxMCPBody is far beyond what a tool takes; it is what other servers of the protocol take.
	maxMCPBody = 4 << 20
)

// MCP is the door for AI assistants. Its handler finds the caller with auth.FromContext.
type MCP struct {
	// Handler answers one message; nil closes the door.
	Handler http.Handler
	// Patience is the longest that it takes.
	Patience time.Duration
	// Hosts are the names under which the server is asked for. A page that has pointed its own name at this
	// machine asks for that.
	Hosts []string
}

// serveMCP registers the door. It is not part of the document: the protocol describes itself.
func (g *gate) serveMCP(engine *gin.Engine, m MCP) {
	if m.Handler == nil {
		return
	}
	engine.POST(mcpPath, func(c *gin.Context) {
		ctx := c.Request.Context()
		if p := g.strangePage(c.Request, m.Hosts); p != nil {
			abort(c, p.of(ctx))
			return
		}
		caller, err := g.bearer(c.Request)
		if err == nil && !g.limits.take(caller.ID()) {
			err = errs.Errorf(errs.RateLimited, "more requests than %g a second: slow down", g.access.PerSecond)
		}
		if err != nil {
			abort(c, g.fail(ctx, "mcp", "The credential cannot be checked", err))
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxMCPBody))
		if err != nil {
			abort(c, readProblem(err).of(ctx))
			return
		}
		answerMCP(c, m, caller, body)
	})
}

func answerMCP(c *gin.Context, m MCP, caller auth.Principal, body []byte) {
	ctx, cancel := context.WithTimeout(auth.WithPrincipal(c.Request.Context(), caller), m.Patience)
	defer cancel()
	// A call may wait for a campaign, for longer than the server's deadline allows. A writer in a test has none.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(m.Patience + streamWrite))
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	m.Handler.ServeHTTP(c.Writer, c.Request.WithContext(ctx))
}

// bearer gives the caller that the Authorization header names. Cookies are no credential here: no browser
// page is meant to speak this protocol with its visitor's rights.
func (g *gate) bearer(r *http.Request) (auth.Principal, error) {
	if g.access.Authenticator == nil {
		return auth.Anonymous(), nil
	}
	credentials, err := credentialsOf(r)
	if err != nil {
		return auth.Principal{}, err
	}
	if credentials.Bearer == "" {
		return auth.Principal{}, auth.ErrNoCredential
	}
	return g.access.Authenticator.Authenticate(r.Context(), auth.Credentials{Bearer: credentials.Bearer})
}

// strangePage refuses requests that come from pages of origins that nobody has allowed, or that ask for a
// name that is not ours: a page that has pointed its own name at this machine is of the same origin as it.
func (g *gate) strangePage(r *http.Request, hosts []string) *problem {
	if host := hostOf(r.Host); !slices.Contains(hosts, host) {
		return newProblem(http.StatusForbidden, typeForbidden, "this server does not go by that name: see XENCRM_PUBLIC_URL")
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return nil
	}
	if len(origins) > 1 || !slices.Contains(g.access.Origins, origins[0]) {
		return newProblem(http.StatusForbidden, typeForbidden, "pages of this origin may not call: see XENCRM_ALLOWED_ORIGINS")
	}
	return nil
}

func hostOf(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	return host
}

// MCPHosts are the names under which a server that listens on an address and is known by a URL is asked for.
// A server that listens on all addresses goes by the URL's name and by those of its own machine.
func MCPHosts(listen, publicURL string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1", "[::1]"}
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	if host := hostOf(listen); host != "" {
		hosts = append(hosts, host)
	}
	return hosts
}
