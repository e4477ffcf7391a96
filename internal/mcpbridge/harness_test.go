package mcpbridge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/mcpbridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; nothing here takes a hundredth of it.
const patience = 20 * time.Second

// key is looked for in everything that is written.
const key = "xcrm_canary_7f3a"

// world is an MCP server behind a gate that wants the key, as the API role has it.
type world struct {
	*httptest.Server
	behind atomic.Pointer[server.StreamableHTTPServer]
	// asked are the bodies of POST, as they came.
	mu    sync.Mutex
	asked []string
	gone  []string
	// begun hears that the tool "wait" has been called, released lets it answer, and ended hears how it ended.
	begun    chan string
	released chan struct{}
	ended    chan error
	// arrived lets the tool "count" go on: each step waits until the client has heard of the one before, so
	// that what it hears is said while the call is running.
	arrived chan struct{}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{begun: make(chan string, 100), released: make(chan struct{}), ended: make(chan error, 100), arrived: make(chan struct{})}
	w.restart()
	w.Server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.Close)
	return w
}

// restart forgets all sessions.
func (w *world) restart() {
	s := server.NewMCPServer("test", "1")
	s.AddTool(mcp.NewTool("echo", mcp.WithString("text")), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText("heard " + r.GetString("text", "")), nil
	})
	s.AddTool(mcp.NewTool("wait"), w.wait)
	s.AddTool(mcp.NewTool("count", mcp.WithNumber("to")), w.count)
	quiet := server.WithStreamableHTTPLogger(slog.New(slog.DiscardHandler))
	w.behind.Store(server.NewStreamableHTTPServer(s, server.WithStateful(true), quiet))
}

func (w *world) wait(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	w.begun <- r.GetString("text", "")
	select {
	case <-ctx.Done():
		w.ended <- ctx.Err()
		return nil, ctx.Err()
	case <-w.released:
		w.ended <- nil
		return mcp.NewToolResultText("waited"), nil
	}
}

func (w *world) count(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	n := r.GetInt("to", 0)
	for i := range n {
		err := server.ServerFromContext(ctx).SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress), map[string]any{
			"progressToken": r.Params.Meta.ProgressToken, "progress": i + 1, "total": n,
		})
		if err != nil {
			return nil, err
		}
		select {
		case <-w.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return mcp.NewToolResultText(fmt.Sprint("counted to ", n)), nil
}

func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+key {
		out.Header().Set("Content-Type", "application/problem+json")
		out.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(out, `{"detail":"a credential is needed"}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.mu.Lock()
	if r.Method == http.MethodDelete {
		w.gone = append(w.gone, r.Header.Get(mcp.HeaderSessionID))
	} else {
		w.asked = append(w.asked, string(body))
	}
	w.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.behind.Load().ServeHTTP(out, r)
}

func (w *world) posted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.asked...)
}

// options are those of a bridge to the world.
func (w *world) options() mcpbridge.Options {
	return mcpbridge.Options{Endpoint: w.URL + "/mcp", Key: key}
}

// talk is a bridge with a client that reads and writes lines.
type talk struct {
	in    *io.PipeWriter
	lines chan []byte
	stop  context.CancelFunc
	done  chan error
	log   *buffer
}

func start(t *testing.T, o mcpbridge.Options) *talk {
	t.Helper()
	in, toBridge := io.Pipe()
	fromBridge, out := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	k := &talk{in: toBridge, lines: make(chan []byte, 1000), stop: stop, done: make(chan error, 1), log: &buffer{}}
	o.Log = slog.New(slog.NewJSONHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() {
		k.done <- mcpbridge.Run(ctx, o, in, out)
		_ = out.Close() // a pipe in memory
	}()
	go func() {
		defer close(k.lines)
		lines := bufio.NewReader(fromBridge)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			k.lines <- line
		}
	}()
	t.Cleanup(func() {
		stop()
		_ = toBridge.Close() // a pipe in memory
		require.NotContains(t, k.log.String(), key)
	})
	return k
}

// send writes lines as one, as a pipe may.
func (k *talk) send(t *testing.T, lines ...string) {
	t.Helper()
	var all bytes.Buffer
	for _, line := range lines {
		all.WriteString(line + "\n")
	}
	_, err := k.in.Write(all.Bytes())
	require.NoError(t, err)
}

// said is a line of the bridge.
type said struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (k *talk) next(t *testing.T) said {
	t.Helper()
	select {
	case line, ok := <-k.lines:
		require.True(t, ok, "the bridge has ended: %s", k.log)
		require.NotContains(t, string(line), key)
		var s said
		require.NoError(t, json.Unmarshal(line, &s), string(line))
		require.Equal(t, "2.0", s.JSONRPC)
		return s
	case <-time.After(patience):
		require.Fail(t, "the bridge says nothing", k.log)
		return said{}
	}
}

// failure reads the next line, which must be an error for that id.
func (k *talk) failure(t *testing.T, id string) (code int, text string) {
	t.Helper()
	s := k.next(t)
	require.JSONEq(t, id, string(s.ID))
	require.NotNil(t, s.Error, string(s.Result))
	return s.Error.Code, s.Error.Message
}

// text reads the next line, which must be the result of a tool for that id.
func (k *talk) text(t *testing.T, id string) string {
	t.Helper()
	s := k.next(t)
	require.JSONEq(t, id, string(s.ID))
	require.Nil(t, s.Error)
	var result struct {
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	require.NoError(t, json.Unmarshal(s.Result, &result))
	require.Len(t, result.Content, 1)
	return result.Content[0].Text
}

// hello opens a session.
func (k *talk) hello(t *testing.T) {
	t.Helper()
	k.send(t, hello, initialized)
	require.Nil(t, k.next(t).Error)
}

const (
	hello = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":` +
		`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

func call(id, tool, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{"progressToken":"p"}}}`,
		id, tool, arguments)
}

// finish ends the input and waits for the bridge.
func (k *talk) finish(t *testing.T) {
	t.Helper()
	require.NoError(t, k.in.Close())
	require.NoError(t, k.await(t))
}

func (k *talk) await(t *testing.T) error {
	t.Helper()
	select {
	case err := <-k.done:
		return err
	case <-time.After(patience):
		require.Fail(t, "the bridge does not end", k.log)
		return nil
	}
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.Fail(t, "nothing happens")
		var none T
		return none
	}
}

// buffer may be written and read at once.
type buffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}
