package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/stretchr/testify/require"
)

// canaryKey is looked for in everything that the command writes.
const canaryKey = "xcrm_canary_51c0"

// mcpCommand runs the compiled command as an MCP client does: as a child, with pipes.
type mcpCommand struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

func newMCPCommand(t *testing.T, binary string, args, env []string) *mcpCommand {
	t.Helper()
	c := &mcpCommand{Cmd: exec.CommandContext(t.Context(), binary, append([]string{"mcp"}, args...)...)}
	c.Env = slices.Concat(env, []string{"XENCRM_API_KEY=" + canaryKey, "XENCRM_LOG_LEVEL=debug"})
	c.Stdout, c.Stderr = &c.stdout, &c.stderr
	return c
}

// end waits for the command and gives its exit code and what it has said, which must be JSON-RPC alone.
func (c *mcpCommand) end(t *testing.T) (code int, said []map[string]any) {
	t.Helper()
	err := c.Wait()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(t, err, &exit)
	}
	for line := range strings.Lines(c.stdout.String()) {
		var message map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &message), "standard output: %q", line)
		require.Equal(t, "2.0", message["jsonrpc"])
		said = append(said, message)
	}
	require.NotContains(t, c.stdout.String()+c.stderr.String(), canaryKey)
	return c.ProcessState.ExitCode(), said
}

func TestMCPCommand(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the binary")
	}
	binary := filepath.Join(t.TempDir(), "xencrm")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))

	t.Run("WritesNothingButJSONRPC", func(t *testing.T) {
		t.Parallel()
		url, _ := mcpServer(t)
		c := newMCPCommand(t, binary, nil, []string{"XENCRM_URL=" + url})
		c.Stdin = strings.NewReader(sayHello + strings.Join([]string{
			`nonsense`,
			``,
			`[]`,
			`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`,
			`{"jsonrpc":"2.0","method":"notifications/nobody-knows"}`,
			`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"hi"}}`,
		}, "\n")) // the last line has no end
		require.NoError(t, c.Start())
		code, said := c.end(t)
		require.Zero(t, code, c.stderr.String())
		ids := map[any]bool{}
		for _, message := range said {
			ids[message["id"]] = true
		}
		require.Len(t, said, 5)
		require.Equal(t, map[any]bool{1.0: true, 2.0: true, 3.0: true, nil: true}, ids)
		require.Contains(t, c.stderr.String(), `"carrying messages"`, "the log has another way")
	})

	t.Run("TheDocumentedConfigurationWorks", func(t *testing.T) {
		t.Parallel()
		command, args, env := documentedMCP(t)
		require.Equal(t, "xencrm", command)
		require.Equal(t, "mcp", args[0])
		url, _ := mcpServer(t)
		var set []string
		for name := range env {
			set = append(set, name+"="+map[string]string{"XENCRM_URL": url}[name])
		}
		c := newMCPCommand(t, binary, args[1:], set)
		c.Stdin = strings.NewReader(sayHello)
		require.NoError(t, c.Start())
		code, said := c.end(t)
		require.Zero(t, code, c.stderr.String())
		require.Len(t, said, 1)
		require.Contains(t, said[0], "result")
	})

	t.Run("AServerThatIsAwayIsAnAnswer", func(t *testing.T) {
		t.Parallel()
		s := httptest.NewServer(http.NotFoundHandler())
		s.Close()
		c := newMCPCommand(t, binary, nil, []string{"XENCRM_URL=" + s.URL})
		c.Stdin = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize"}` + "\n")
		require.NoError(t, c.Start())
		code, said := c.end(t)
		require.Zero(t, code)
		require.Len(t, said, 1)
		require.Contains(t, said[0]["error"].(map[string]any)["message"], "check XENCRM_URL")
	})

	t.Run("SIGTERMEndsItAndSaysWhatWasNotAnswered", func(t *testing.T) {
		t.Parallel()
		url, begun := mcpServer(t)
		c := newMCPCommand(t, binary, nil, []string{"XENCRM_URL=" + url})
		in, err := c.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		_, err = in.Write([]byte(sayHello + `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"hang"}}` + "\n"))
		require.NoError(t, err)
		<-begun
		require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		code, said := c.end(t)
		require.Zero(t, code, c.stderr.String())
		require.Len(t, said, 2)
		require.Contains(t, said[1]["error"].(map[string]any)["message"], "was stopped before the answer came")
	})

	t.Run("AClientThatReadsNoLogDoesNotKillIt", func(t *testing.T) {
		t.Parallel()
		url, _ := mcpServer(t)
		c := newMCPCommand(t, binary, nil, []string{"XENCRM_URL=" + url})
		reads, writes, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, reads.Close())
		c.Stdin, c.Stderr = strings.NewReader(sayHello), writes
		require.NoError(t, c.Start())
		code, said := c.end(t)
		require.NoError(t, writes.Close())
		require.Zero(t, code)
		require.Len(t, said, 1)
	})

	refused := []struct {
		name, url, says string
	}{
		{"AKeyDoesNotCrossTheNetworkInClear", "http://crm.shop.in", "must not cross the network in clear; use https://crm.shop.in"},
		{"NoURLAtAll", "crm.shop.in", "XENCRM_URL must be https://host"},
		{"APasswordInTheURL", "https://u:" + canaryKey + "@crm.shop.in", "no user, password"},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newMCPCommand(t, binary, nil, []string{"XENCRM_URL=" + tt.url})
			require.NoError(t, c.Start())
			code, said := c.end(t)
			require.Equal(t, exitConfig, code)
			require.Empty(t, said)
			require.Contains(t, c.stderr.String(), tt.says)
		})
	}

	t.Run("HelpDoesNotShowTheKey", func(t *testing.T) {
		t.Parallel()
		c := newMCPCommand(t, binary, []string{"--help"}, nil)
		require.NoError(t, c.Run())
		require.Contains(t, c.stdout.String(), "XENCRM_URL")
		require.NotContains(t, c.stdout.String()+c.stderr.String(), canaryKey)
	})
}

// documentedMCP reads the configuration of docs/mcp.md, as a client would.
func documentedMCP(t *testing.T) (command string, args []string, env map[string]string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/mcp.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "```json\n")
	require.True(t, found)
	block, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	var file struct {
		Servers map[string]struct {
			Command string            `json:"command"`
			Args    []string          `json:"args"`
			Env     map[string]string `json:"env"`
		} `json:"mcpServers"`
	}
	require.NoError(t, json.Unmarshal([]byte(block), &file))
	server := file.Servers["xencrm"]
	return server.Command, server.Args, server.Env
}

// sayHello opens a session.
const sayHello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":` +
	`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n" +
	`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n"

// mcpServer serves a tool that answers and one that says when it has begun and then does not.
func mcpServer(t *testing.T) (url string, begun <-chan struct{}) {
	t.Helper()
	hanging := make(chan struct{}, 1)
	s := server.NewMCPServer("test", "1")
	s.AddTool(mcp.NewTool("hi"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText("hi"), nil
	})
	s.AddTool(mcp.NewTool("hang"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		hanging <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.NewStreamableHTTPServer(s))
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	return web.URL, hanging
}
