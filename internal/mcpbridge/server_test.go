package mcpbridge_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/mcpbridge"
)

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

func TestServerAway(t *testing.T) {
	t.Parallel()

	t.Run("IsSaidAndTheNextRequestTriesAgain", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := l.Addr().String()
		require.NoError(t, l.Close())
		k := start(t, mcpbridge.Options{Endpoint: "http://" + address + "/mcp", Key: key})
		k.send(t, hello)
		code, text := k.failure(t, `"hello"`)
		require.Equal(t, -32000, code)
		for _, part := range []string{address, "nothing was done", "start the server", "XENCRM_URL"} {
			require.Contains(t, text, part)
		}

		w := newWorld(t)
		l, err = net.Listen("tcp", address)
		require.NoError(t, err)
		late := &httptest.Server{Listener: l, Config: &http.Server{Handler: w.Config.Handler}}
		late.Start()
		t.Cleanup(late.Close)
		k.hello(t)
		k.send(t, ping)
		require.Nil(t, k.next(t).Error)
		k.finish(t)
	})

	t.Run("ARestartIsNotNoticed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.hello(t)
		w.restart()
		for i := range 10 { // all of them meet the old session
			k.send(t, call(fmt.Sprint(i), "echo", "{}"))
		}
		for range 10 {
			require.Nil(t, k.next(t).Error)
		}
		k.finish(t)
		require.Empty(t, k.lines)
		again := 0
		for _, body := range w.posted() {
			if body == hello {
				again++
			}
		}
		require.Equal(t, 2, again, "one session for all of them")
	})

	t.Run("ALostAnswerIsNotTakenForARefusal", func(t *testing.T) {
		t.Parallel()
		for _, begin := range []string{"", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"jsonrpc\""} {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					panic(http.ErrAbortHandler)
				}
				fmt.Fprint(conn, begin)
				_ = conn.Close() // which is the point
			}))
			t.Cleanup(s.Close)
			k := start(t, mcpbridge.Options{Endpoint: s.URL, Key: key})
			k.send(t, ping)
			_, text := k.failure(t, "1")
			require.Contains(t, text, "may have been carried out or not")
			k.finish(t)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	problem := func(status int, detail string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"title": "t", "detail": detail}) // to a test
		}
	}
	answers := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, body)
		}
	}
	tests := []struct {
		name   string
		server http.HandlerFunc
		key    string
		says   []string
	}{
		{"NoKey", problem(401, "x"), "", []string{"wants an API key", "xencrm keys create", "XENCRM_API_KEY"}},
		{"AWrongKey", problem(401, "x"), key, []string{"does not take XENCRM_API_KEY", "revoked"}},
		{"NotAllowed", problem(403, "the role viewer may not"), key, []string{"403", "the role viewer may not"}},
		{"NoSuchPage", problem(404, "nothing here"), key, []string{"404", "nothing here", "XENCRM_URL"}},
		{"TooLarge", problem(413, "at most 4 MiB"), key, []string{"413", "at most 4 MiB"}},
		{"TooOften", problem(429, "slow down"), key, []string{"slow down", "try again in 7 s"}},
		{"NotReady", problem(503, "the database is away"), key, []string{"the database is away", "try again in 7 s"}},
		{"AControlCharacter", problem(500, "a\x1b[31mb"), key, []string{"a [31mb"}},
		{"APageOfAProxy", answers("text/html", "<html>hi"), key, []string{"ended without an answer"}},
		{"JSONOfSomethingElse", answers("application/json", `{"hello":1}`), key, []string{"ended without an answer"}},
		{"AnEventThatIsNone", answers("text/event-stream", "data: x\n\n"), key, []string{"gave no answer"}},
		{"AStreamThatEndsEarly", answers("text/event-stream", ": hi\n\n"), key, []string{"ended without an answer", "look before you repeat"}},
		{"AnErrorWithoutAnID", answers("application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}`), key, []string{"what?"}},
		{"AnEndlessAnswer", answers("application/json", `"`+strings.Repeat("x", 4<<20)), key, []string{"more than 4 MiB"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(tt.server)
			t.Cleanup(s.Close)
			k := start(t, mcpbridge.Options{Endpoint: s.URL + "/mcp", Key: tt.key})
			k.send(t, ping)
			_, text := k.failure(t, "1")
			for _, part := range tt.says {
				require.Contains(t, text, part)
			}
			k.finish(t)
		})
	}

	t.Run("ARedirectIsToldAndNotFollowed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		s := httptest.NewServer(http.RedirectHandler(w.URL+"/mcp", http.StatusPermanentRedirect))
		t.Cleanup(s.Close)
		k := start(t, mcpbridge.Options{Endpoint: s.URL + "/mcp", Key: key})
		k.send(t, hello)
		_, text := k.failure(t, `"hello"`)
		require.Contains(t, text, w.URL)
		require.Empty(t, w.posted())
		k.finish(t)
	})
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	heard := make(chan http.Header, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Header.Clone()
		if r.Header.Get(mcp.HeaderSessionID) == "" {
			w.Header().Set(mcp.HeaderSessionID, "s1")
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}}`)
	}))
	t.Cleanup(s.Close)
	k := start(t, mcpbridge.Options{Endpoint: s.URL, Key: key})
	say := func(line string) http.Header {
		k.send(t, line)
		require.Nil(t, k.next(t).Error)
		return receive(t, heard)
	}

	h := say(hello)
	require.Equal(t, "Bearer "+key, h.Get("Authorization"))
	require.Equal(t, "application/json, text/event-stream", h.Get("Accept"))
	require.Empty(t, h.Values(mcp.HeaderProtocolVersion), "initialize settles it")

	h = say(call("1", "echo", "{}"))
	require.Equal(t, "2025-06-18", h.Get(mcp.HeaderProtocolVersion))
	require.Equal(t, "s1", h.Get(mcp.HeaderSessionID))
	require.Empty(t, h.Values(mcp.HeaderMethod))

	h = say(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Ä","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`)
	require.Equal(t, "2026-07-28", h.Get(mcp.HeaderProtocolVersion))
	require.Empty(t, h.Values(mcp.HeaderSessionID), "there are no sessions in 2026-07-28")
	require.Equal(t, "tools/call", h.Get(mcp.HeaderMethod))
	require.Equal(t, "=?base64?w4Q=?=", h.Get(mcp.HeaderName))

	k.finish(t)
	require.Equal(t, "s1", receive(t, heard).Get(mcp.HeaderSessionID), "the session is ended")
}
