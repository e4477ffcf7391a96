package mcpserver_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
)

var update = flag.Bool("update", false, "write the golden files")

// inventory are all tools, as an administrator sees them.
func inventory(t *testing.T) []mcp.Tool {
	t.Helper()
	listed, err := connect(t, newWorld().serve(t), "admin").ListTools(t.Context(), mcp.ListToolsRequest{})
	require.NoError(t, err)
	require.Empty(t, listed.NextCursor)
	return listed.Tools
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run with -update and read what it writes")
	require.Equal(t, string(want), got)
}

// TestToolSchemas pins what a model is told of each tool, word by word: a description that changes by
// accident, or by somebody else's hand, is seen here.
func TestToolSchemas(t *testing.T) {
	t.Parallel()
	listed := inventory(t)
	for _, tool := range listed {
		raw, err := json.MarshalIndent(tool, "", "  ")
		require.NoError(t, err)
		golden(t, filepath.Join("toolsnaps", tool.Name+".json"), string(raw)+"\n")
	}
	files, err := os.ReadDir("testdata/toolsnaps")
	require.NoError(t, err)
	require.Len(t, files, len(listed), "a tool is gone and its file is not")
}

// TestInventory holds every tool to what clients and models need.
func TestInventory(t *testing.T) {
	t.Parallel()
	listed := inventory(t)
	for _, reference := range []string{"add_customer", "add_order", "create_campaign", "list_segments", "list_campaigns", "get_campaign_stats"} {
		require.True(t, slices.ContainsFunc(listed, func(t mcp.Tool) bool { return t.Name == reference }), reference)
	}
	for _, tool := range listed {
		t.Run(tool.Name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, tool.Annotations.Title)
			require.Greater(t, len(tool.Description), 40, "a model chooses by the description")
			var in map[string]any
			raw, err := json.Marshal(tool.InputSchema)
			if tool.RawInputSchema != nil {
				raw, err = tool.RawInputSchema, nil
			}
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(raw, &in))
			require.Equal(t, "object", in["type"])
			for _, word := range []string{"oneOf", "anyOf", "allOf"} {
				require.NotContains(t, in, word, "some models' interfaces refuse the tool")
			}
			require.Equal(t, false, in["additionalProperties"], "an argument that is not known must be refused")
			properties, _ := in["properties"].(map[string]any)
			for name, p := range properties {
				require.NotEmpty(t, p.(map[string]any)["description"], name)
			}
			require.NotEmpty(t, tool.OutputSchema.Properties)
		})
	}
}

// TestAnnotations holds the hints to the permissions, which are what is enforced.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	reading := []auth.Permission{auth.ReadSegments, auth.ReadCampaigns, auth.ReadCustomers}
	viewer, editor := principals()["viewer"], principals()["editor"]
	byViewer, err := connect(t, newWorld().serve(t), "viewer").ListTools(t.Context(), mcp.ListToolsRequest{})
	require.NoError(t, err)
	for _, tool := range byViewer.Tools {
		require.True(t, *tool.Annotations.ReadOnlyHint, "%s changes something, and a viewer may use it", tool.Name)
	}
	require.False(t, viewer.Allows(auth.ControlCampaigns))
	require.True(t, slices.ContainsFunc(reading, editor.Allows))
	var destructive []string
	for _, tool := range inventory(t) {
		if *tool.Annotations.DestructiveHint {
			destructive = append(destructive, tool.Name)
			require.False(t, *tool.Annotations.ReadOnlyHint)
			require.Contains(t, string(schemaOf(t, tool)), `"confirm"`, "%s reaches people without a confirmation", tool.Name)
		}
	}
	require.Equal(t, []string{"cancel_campaign", "launch_campaign", "retry_failed"}, slices.Sorted(slices.Values(destructive)))
}

func schemaOf(t *testing.T, tool mcp.Tool) []byte {
	t.Helper()
	raw, err := json.Marshal(tool)
	require.NoError(t, err)
	return raw
}

// TestAccess calls every tool as every principal and keeps who gets in. A tool that refuses for want of a
// permission is not listed either.
func TestAccess(t *testing.T) {
	t.Parallel()
	url := newWorld().serve(t)
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 1, 2, ' ', 0)
	names := slices.Sorted(maps.Keys(principals()))
	fmt.Fprintf(table, "tool\t%s\n", strings.Join(names, "\t"))
	for _, tool := range inventory(t) {
		fmt.Fprint(table, tool.Name)
		for _, name := range names {
			c := connect(t, url, name)
			result := use(t, c, tool.Name, required(t, tool))
			refused := result.IsError && strings.Contains(words(result), "needs the permission")
			listed, err := c.ListTools(t.Context(), mcp.ListToolsRequest{})
			require.NoError(t, err)
			require.NotEqual(t, refused, slices.ContainsFunc(listed.Tools, func(l mcp.Tool) bool { return l.Name == tool.Name }), tool.Name)
			fmt.Fprintf(table, "\t%s", map[bool]string{true: "-", false: "in"}[refused])
		}
		fmt.Fprintln(table)
	}
	require.NoError(t, table.Flush())
	golden(t, "access.txt", out.String())
}

// required are arguments that the schema lets through.
func required(t *testing.T, tool mcp.Tool) map[string]any {
	t.Helper()
	all := map[string]any{
		"campaign_id": uuid.NewString(), "recipient": uuid.NewString(), "name": "x", "email": "x@example.com", "order_amount": 1,
		"message_template": "Hi", "confirm": "x",
		"rules": []any{map[string]any{"operator": "AND", "rules": []any{map[string]any{"field": "total_spend", "operator": ">", "value": 1}}}},
	}
	var schema struct {
		InputSchema struct {
			Required []string `json:"required"`
		} `json:"inputSchema"`
	}
	require.NoError(t, json.Unmarshal(schemaOf(t, tool), &schema))
	out := map[string]any{}
	for _, name := range schema.InputSchema.Required {
		require.Contains(t, all, name)
		out[name] = all[name]
	}
	return out
}

func TestEveryCallIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld()
	c := connect(t, w.serve(t), "viewer")
	id := uuid.New()
	use(t, c, "list_segments", nil)
	use(t, c, "get_campaign_stats", map[string]any{"campaign_id": id.String()})
	use(t, c, "cancel_campaign", map[string]any{"campaign_id": "Diwali, for rohan@example.com"})
	require.Len(t, w.audit, 3)
	for i, want := range []auth.Entry{
		{Operation: "list_segments", Status: 200},
		{Operation: "get_campaign_stats", Target: id.String(), Status: 404},
		{Operation: "cancel_campaign", Status: 403},
	} {
		want.Principal, want.RequestID = "key:1", "request-1"
		require.Equal(t, want, w.audit[i])
	}
}
