package mcpbridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

const (
	// dialTimeout is long for any network that people wait for an answer on.
	dialTimeout = 5 * time.Second
	// idleTimeout is half of the server's: a request that meets a connection which the server is just closing
	// cannot be repeated, for it may have been carried out.
	idleTimeout = 30 * time.Second
	// farewellTimeout: the session ends by itself if the server does not hear that it may.
	farewellTimeout = 500 * time.Millisecond
)

// server is the server's side of the bridge.
type server struct {
	endpoint string
	key      string
	log      *slog.Logger
	http     *http.Client
	sessions sessions
}

func newServer(o Options) *server {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment, // which leaves this machine's own addresses alone
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: maxInFlight,
		IdleConnTimeout:     idleTimeout,
	}
	// No time limit of the whole: a tool that waits for a campaign answers when that has ended.
	c := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &server{endpoint: o.Endpoint, key: o.Key, log: o.Log, http: c}
}

// carry posts a message and passes on what the server says to it, the answer at the end. If it errs,
// there was no answer. A message that met a session which the server has forgotten, and was therefore not
// carried out, is posted once more in a new one.
func (s *server) carry(ctx context.Context, m message, say func(line []byte)) error {
	in := s.sessions.current()
	err := s.post(ctx, m, in, say)
	if !errors.Is(err, errForgotten) {
		return err
	}
	if err := s.renew(ctx, in); err != nil {
		return err
	}
	return s.post(ctx, m, s.sessions.current(), say)
}

func (s *server) post(ctx context.Context, m message, in session, say func(line []byte)) error {
	req, err := s.request(ctx, http.MethodPost, m, in)
	if err != nil {
		return err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return s.noAnswer(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end, or is of no use
	h := &hearing{of: m, say: say}
	if err := s.hear(ctx, res, h, in); err != nil || !m.isRequest() {
		return err
	}
	if m.method == string(mcp.MethodInitialize) && h.version != "" {
		s.sessions.set(session{id: res.Header.Get(mcp.HeaderSessionID), version: h.version, hello: m})
	}
	return nil
}

func (s *server) request(ctx context.Context, method string, m message, in session) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.endpoint, bytes.NewReader(m.raw))
	if err != nil {
		return nil, away("%s is no address: check XENCRM_URL", s.endpoint)
	}
	req.Header.Set("User-Agent", "xencrm-mcp")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if s.key != "" {
		req.Header.Set("Authorization", "Bearer "+s.key)
	}
	if m.method == string(mcp.MethodInitialize) {
		return req, nil // it settles the version, and opens the session
	}
	version := m.version
	if version == "" {
		version = in.version
	}
	if version != "" {
		req.Header.Set(mcp.HeaderProtocolVersion, version)
	}
	if in.id != "" && !m.isModern() {
		req.Header.Set(mcp.HeaderSessionID, in.id)
	}
	for name, value := range mcp.StandardHeaders(version, mcp.MCPMethod(m.method), m.params) {
		req.Header.Set(name, value)
	}
	return req, nil
}

// hear reads what the server says to a message, and errs if its answer is not in it.
func (s *server) hear(ctx context.Context, res *http.Response, h *hearing, in session) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")) // an odd one is none
	if kind == "text/event-stream" && res.StatusCode == http.StatusOK {
		if err := eachEvent(res.Body, h.take); err != nil && !h.answered {
			return s.noAnswer(ctx, err)
		}
		return s.closed(h)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxMessage+1))
	switch {
	case err != nil:
		return s.noAnswer(ctx, err)
	case len(body) > maxMessage:
		return away("the answer of %s has more than 4 MiB: ask for less", s.endpoint)
	}
	// 2026-07-28 gives errors a status of their own, so the body decides whether the server has answered.
	if kind == "application/json" && h.take(body) == nil {
		return s.closed(h)
	}
	if res.StatusCode == http.StatusNotFound && in.id != "" && !h.of.isModern() {
		return errForgotten
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return s.refused(res, body)
	}
	return s.closed(h)
}

// closed judges what was heard once there is no more.
func (s *server) closed(h *hearing) error {
	switch {
	case h.refusal != nil:
		return h.refusal
	case h.of.isRequest() && !h.answered:
		return away("%s ended without an answer: %s", s.endpoint, lookFirst)
	}
	return nil
}

// lookFirst is what to do when the outcome of a request is not known.
const lookFirst = "it may have been carried out or not; look before you repeat what changes something"

// noAnswer explains a failure of the connection. What ended the request on our side is given as it is.
func (s *server) noAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the method and the address, which the text has already
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return away("no XenCRM at %s (%v), nothing was done: start the server (make demo, or xencrm api) or check XENCRM_URL, then try again",
			s.endpoint, err)
	}
	return away("%s gave no answer (%v): %s", s.endpoint, err, lookFirst)
}

// farewell ends the session, if there is one.
func (s *server) farewell(ctx context.Context) {
	in := s.sessions.current()
	if in.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTimeout)
	defer cancel()
	req, err := s.request(ctx, http.MethodDelete, message{}, in)
	if err != nil {
		return
	}
	res, err := s.http.Do(req)
	if err != nil {
		s.log.DebugContext(ctx, "the server did not hear that the session is over", "error", err)
		return
	}
	_ = res.Body.Close() // whatever it says to that
}

// hearing is what the server says to one message.
type hearing struct {
	of       message
	say      func(line []byte)
	answered bool
	// refusal is an error that names no request; it can only be about the message that was posted.
	refusal *failure
	version string
}

// take passes on one message of the server. It errs if it is none.
func (h *hearing) take(raw []byte) error {
	a, err := parseAnswer(raw)
	if err != nil {
		return fmt.Errorf("read the server's message: %w", err)
	}
	if a.isNameless() {
		h.refusal = a.failure
		return nil
	}
	if a.isFinal() {
		h.answered, h.version = true, a.version
	}
	h.say(a.line)
	return nil
}
