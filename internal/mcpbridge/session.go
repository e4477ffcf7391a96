package mcpbridge

import (
	"context"
	"errors"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
)

// session is what the server and the client settled on with initialize. Clients that speak 2026-07-28
// have none: each of their messages says everything.
type session struct {
	id      string
	version string
	// hello is the client's initialize, to be said again.
	hello message
}

// errForgotten is the server's answer to a session that it does not know, any more: it was started
// again, or thought that nobody would come back. Nothing was carried out.
var errForgotten = errors.New("the server does not know the session")

// sessions keeps the session that is in force.
type sessions struct {
	mu  sync.Mutex
	now session
	// renewing is held by the one who says hello again.
	renewing sync.Mutex
}

func (s *sessions) current() session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *sessions) set(to session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = to
}

// renew starts another session in place of stale, unless somebody else has done so. The client is not
// told: over standard input and output a connection is a session, and its own has not ended.
func (s *server) renew(ctx context.Context, stale session) error {
	s.sessions.renewing.Lock()
	defer s.sessions.renewing.Unlock()
	if s.sessions.current().id != stale.id {
		return nil
	}
	s.log.InfoContext(ctx, "the server has forgotten the session, starting another")
	quiet := func([]byte) {}
	if err := s.post(ctx, stale.hello, session{}, quiet); err != nil {
		return err
	}
	ready, err := parse([]byte(`{"jsonrpc":"2.0","method":"` + mcp.MethodNotificationInitialized + `"}`))
	if err != nil {
		return err
	}
	return s.post(ctx, ready, s.sessions.current(), quiet)
}
