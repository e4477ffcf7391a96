package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestInspector has the official MCP inspector call the tools: a client that shares no code with the
// server. `make check-mcp` installs it and runs this; other runs have no Node.
//
//nolint:paralleltest // both ways to the same stack
func TestInspector(t *testing.T) {
	if os.Getenv("XENCRM_MCP_INSPECTOR") == "" {
		t.Skip("make check-mcp runs it, with the inspector")
	}
	s := start(t, 20, "XENCRM_AUTH=on")
	editor := s.key(t, "--role", "editor", "--scope", "ingest")
	t.Run("OverHTTP", func(t *testing.T) {
		s.testInspector(t, editor, "401", func(key string) inspector {
			i := inspector{target: []string{s.env["XENCRM_URL"] + "/mcp", "--transport", "http"}}
			if key != "" {
				i.target = append(i.target, "--header", "Authorization: Bearer "+key)
			}
			return i
		})
	})
	t.Run("OverStandardInputAndOutput", func(t *testing.T) {
		s.testInspector(t, editor, "set XENCRM_API_KEY", func(key string) inspector {
			return inspector{
				target: []string{s.demo.Path, "mcp"},
				env:    []string{"XENCRM_URL=" + s.env["XENCRM_URL"], "XENCRM_API_KEY=" + key},
			}
		})
	})
}

// testInspector reads, writes, writes what is refused, and asks without a key, of which keyless is said.
func (s *system) testInspector(t *testing.T, key, keyless string, with func(key string) inspector) {
	t.Helper()
	i := with(key)

	var list struct {
		Tools []struct {
			Name        string         `json:"name"`
			Description string         `json:"description"`
			InputSchema map[string]any `json:"inputSchema"`
		} `json:"tools"`
	}
	i.call(t, &list, "--method", "tools/list")
	names := map[string]bool{}
	for _, tool := range list.Tools {
		names[tool.Name] = true
		require.NotEmpty(t, tool.Description, tool.Name)
		require.Equal(t, "object", tool.InputSchema["type"], tool.Name)
	}
	for _, name := range []string{"add_customer", "list_campaigns", "launch_campaign", "explain_recipient"} {
		require.Contains(t, names, name)
	}

	var others struct {
		Prompts   []any `json:"prompts"`
		Templates []any `json:"resourceTemplates"`
	}
	i.call(t, &others, "--method", "prompts/list")
	i.call(t, &others, "--method", "resources/templates/list")
	require.NotEmpty(t, others.Prompts)
	require.NotEmpty(t, others.Templates)

	var campaigns inspected
	i.call(t, &campaigns, "--method", "tools/call", "--tool-name", "list_campaigns")
	require.False(t, campaigns.IsError)
	require.Contains(t, string(campaigns.StructuredContent), "Festival Sale", "the demo's campaign")

	email := uuid.NewString() + "@inspector.example.com"
	var added, refused inspected
	add := []string{"--method", "tools/call", "--tool-name", "add_customer", "--tool-arg", "name=Asha Rao", "--tool-arg"}
	i.call(t, &added, append(add, "email="+email)...)
	require.False(t, added.IsError, "%s", added.StructuredContent)
	s.eventually(t, "the customer does not arrive", func() bool {
		var n int
		err := s.master.QueryRow(t.Context(), "SELECT count(*) FROM customers WHERE email = $1", email).Scan(&n)
		return err == nil && n == 1
	})
	i.call(t, &refused, append(add, "email=nobody")...)
	require.True(t, refused.IsError, "%s", refused.StructuredContent)

	_, says, err := with("").run(t, "--method", "tools/list")
	require.Error(t, err, "without a key nothing is told")
	require.Contains(t, says, keyless)
}

// inspected is the result of a tool, as the inspector prints it.
type inspected struct {
	IsError           bool            `json:"isError"`
	StructuredContent json.RawMessage `json:"structuredContent"`
}

// inspector is the inspector's command line, pointed at a server.
type inspector struct {
	target, env []string
}

// call runs a method that must succeed.
func (i inspector) call(t *testing.T, out any, method ...string) {
	t.Helper()
	stdout, says, err := i.run(t, method...)
	require.NoError(t, err, says)
	require.NoError(t, json.Unmarshal(stdout, out), string(stdout))
}

func (i inspector) run(t *testing.T, method ...string) (stdout []byte, stderr string, err error) {
	t.Helper()
	// It looks for its package.json from where it is run.
	dir, err := filepath.Abs("../mcp/node_modules")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, ".bin", "mcp-inspector-cli"), append(append([]string{"--cli"}, i.target...), method...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), i.env...)
	var says bytes.Buffer
	cmd.Stderr = &says
	stdout, err = cmd.Output()
	return stdout, says.String(), err
}
