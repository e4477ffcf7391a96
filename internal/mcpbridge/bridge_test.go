package mcpbridge_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/mcpbridge"
)

// TestClient has mcp-go's client on one side and its server on the other, in both kinds of the protocol.
func TestClient(t *testing.T) {
	t.Parallel()
	for _, version := range mcp.ValidProtocolVersions {
		t.Run("Speaks"+version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := dial(t, w.options())
			steps := make(chan any, 10)
			c.OnNotification(func(n mcp.JSONRPCNotification) {
				steps <- n.Params.AdditionalFields["progress"]
				w.arrived <- struct{}{}
			})

			var hi mcp.InitializeRequest
			hi.Params.ProtocolVersion, hi.Params.ClientInfo = version, mcp.Implementation{Name: "t", Version: "1"}
			got, err := c.Initialize(t.Context(), hi)
			require.NoError(t, err)
			require.Equal(t, version, got.ProtocolVersion)

			tools, err := c.ListTools(t.Context(), mcp.ListToolsRequest{})
			require.NoError(t, err)
			require.Len(t, tools.Tools, 3)

			var count mcp.CallToolRequest
			count.Params.Name, count.Params.Arguments = "count", map[string]any{"to": 3}
			count.Params.Meta = &mcp.Meta{ProgressToken: "p"}
			result, err := c.CallTool(t.Context(), count)
			require.NoError(t, err)
			require.Equal(t, "counted to 3", result.Content[0].(mcp.TextContent).Text)
			for i := range 3 {
				require.InDelta(t, i+1, receive(t, steps), 0)
			}
		})
	}
}

func dial(t *testing.T, o mcpbridge.Options) *client.Client {
	t.Helper()
	k := start(t, o)
	in, out := io.Pipe()
	go func() {
		for line := range k.lines {
			if _, err := out.Write(line); err != nil {
				return
			}
		}
		_ = out.Close() // a pipe in memory
	}()
	c := client.NewClient(transport.NewIO(in, k.in, io.NopCloser(strings.NewReader(""))))
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() {
		_ = c.Close() // closes pipes in memory
		require.NoError(t, k.await(t))
	})
	return c
}

func TestRun(t *testing.T) {
	t.Parallel()

	t.Run("CarriesTheBytesOfTheClient", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.hello(t)
		odd := `{ "jsonrpc":"2.0", "id":12345678901234567890, "method":"tools/call", "extra":[1.0,1e3], ` +
			`"params":{"name":"echo","arguments":{"text":"₹ <b>\u2028 ` + strings.Repeat("x", 100_000) + `"}} }`
		k.send(t, odd)
		require.Contains(t, k.text(t, "12345678901234567890"), "heard ₹ <b>")
		posted := w.posted()
		require.Equal(t, odd, posted[len(posted)-1])
		k.finish(t)
	})

	t.Run("AWaitingCallHoldsNoOtherUp", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.hello(t)
		k.send(t, call("1", "wait", "{}"))
		receive(t, w.begun)
		k.send(t, call(`"two"`, "echo", `{"text":"a"}`))
		require.Equal(t, "heard a", k.text(t, `"two"`))
		close(w.released)
		require.Equal(t, "waited", k.text(t, "1"))
		k.finish(t)
	})

	t.Run("ProgressComesBeforeTheAnswer", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.hello(t)
		k.send(t, call("1", "count", `{"to":5}`))
		for range 5 {
			require.Equal(t, "notifications/progress", k.next(t).Method)
			w.arrived <- struct{}{}
		}
		require.Equal(t, "counted to 5", k.text(t, "1"))
		k.finish(t)
	})

	t.Run("ACancelledCallEndsAtTheServerAndIsNotAnswered", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.hello(t)
		k.send(t, call("7", "wait", "{}"))
		receive(t, w.begun)
		notice := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"enough"}}`
		k.send(t, notice, call("8", "echo", "{}"))
		require.Error(t, receive(t, w.ended))
		require.Equal(t, "heard ", k.text(t, "8"))
		require.Contains(t, w.posted(), notice)
		k.finish(t)
		require.Empty(t, k.lines)
	})

	t.Run("EverythingAtOnceIsCarriedInOrder", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.send(t, hello, initialized, call("1", "echo", `{"text":"a"}`))
		require.NoError(t, k.in.Close())
		require.Nil(t, k.next(t).Error)
		require.Equal(t, "heard a", k.text(t, "1"))
		require.NoError(t, k.await(t))
		require.Equal(t, []string{hello, initialized, call("1", "echo", `{"text":"a"}`)}, w.posted())
	})

	t.Run("TheEndOfInputWaitsForAnswersAndEndsTheSession", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.hello(t)
		k.send(t, call("1", "wait", "{}"))
		receive(t, w.begun)
		require.NoError(t, k.in.Close())
		close(w.released)
		require.Equal(t, "waited", k.text(t, "1"))
		require.NoError(t, k.await(t))
		require.Len(t, w.gone, 1)
		require.NotEmpty(t, w.gone[0])
	})

	t.Run("ASignalEndsItAndSaysWhatWasNotAnswered", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.hello(t)
		k.send(t, call("1", "wait", "{}"))
		receive(t, w.begun)
		k.stop()
		_, text := k.failure(t, "1")
		require.Contains(t, text, "was stopped before the answer came")
		require.NoError(t, k.await(t))
		require.Error(t, receive(t, w.ended))
	})

	t.Run("TooManyAtOnceAreToldToWait", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		k := start(t, w.options())
		k.hello(t)
		for i := range 64 {
			k.send(t, call(fmt.Sprint(i), "wait", "{}"))
		}
		k.send(t, call("64", "wait", "{}"))
		_, text := k.failure(t, "64")
		require.Contains(t, text, "64 requests wait")
		close(w.released)
		for range 64 {
			require.Nil(t, k.next(t).Error)
		}
		k.finish(t)
	})
}

func TestBrokenLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		line string
		id   string
		code int
	}{
		{"NoJSON", `hello`, "null", mcp.PARSE_ERROR},
		{"HalfAnObject", `{"jsonrpc":"2.0","id":1`, "null", mcp.PARSE_ERROR},
		{"TwoObjects", `{"jsonrpc":"2.0","id":1,"method":"ping"}{}`, "null", mcp.PARSE_ERROR},
		{"TooDeep", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "null", mcp.PARSE_ERROR},
		{"TooLong", `{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("x", 4<<20) + `"}`, "null", mcp.PARSE_ERROR},
		{"ABatch", `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, "null", mcp.INVALID_REQUEST},
		{"ANumber", `7`, "null", mcp.INVALID_REQUEST},
		{"NoMethod", `{"jsonrpc":"2.0","id":1}`, "null", mcp.INVALID_REQUEST},
		{"AMethodThatIsNoText", `{"jsonrpc":"2.0","id":1,"method":7}`, "null", mcp.INVALID_REQUEST},
		{"AnUnknownMethod", `{"jsonrpc":"2.0","id":1,"method":"nonsense"}`, "1", mcp.METHOD_NOT_FOUND},
		{"AnotherJSONRPC", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, "1", mcp.INVALID_REQUEST},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := start(t, newWorld(t).options())
			k.hello(t)
			k.send(t, tt.line)
			code, text := k.failure(t, tt.id)
			require.Equal(t, tt.code, code, text)
			k.send(t, "", call("2", "echo", "{}"))
			require.Equal(t, "heard ", k.text(t, "2"))
			k.finish(t)
		})
	}
}
