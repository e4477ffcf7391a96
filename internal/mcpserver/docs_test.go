package mcpserver_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/mcpserver"
)

// TestToolTable holds the table of docs/mcp.md to the inventory; with -update it writes it.
func TestToolTable(t *testing.T) {
	t.Parallel()
	const (
		page  = "../../docs/mcp.md"
		begin = "<!-- tools: go test ./internal/mcpserver -run TestToolTable -update -->\n"
		end   = "<!-- end of tools -->\n"
	)
	raw, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(raw), begin)
	require.True(t, found, "%s has lost its mark", page)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has lost its mark", page)
	want := before + begin + mcpserver.ToolTable() + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(raw), "the tools have changed: run the command that stands in the page")
}
