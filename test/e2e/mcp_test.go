package e2e_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/stretchr/testify/require"
)

// TestMCP has a conversation through tools alone, from nothing to a finished campaign, on a stack with
// authentication: over HTTP and over `xencrm mcp`.
//
//nolint:paralleltest // one stack, one conversation after the other
func TestMCP(t *testing.T) {
	s := start(t, 20, "XENCRM_AUTH=on") // the demo's own customers, to whom nobody here writes
	editor := s.key(t, "--role", "editor", "--scope", "ingest")
	viewer := s.key(t, "--role", "viewer")
	t.Run("FromNothingToAFinishedCampaignOverHTTP", func(t *testing.T) {
		s.testConversation(t, conversation{Client: s.mcpOverHTTP(t, editor), viewer: s.mcpOverHTTP(t, viewer), spend: 70_000})
	})
	t.Run("AndOverStandardInputAndOutput", func(t *testing.T) {
		s.testConversation(t, conversation{Client: s.mcpOverStdio(t, editor), viewer: s.mcpOverStdio(t, viewer), spend: 80_000})
	})
	t.Run("AServerThatWasKilledIsThereForTheNextCall", func(t *testing.T) {
		c := s.mcpOverStdio(t, editor)
		s.kill9(t, "api")
		var call mcp.CallToolRequest
		call.Params.Name = "list_campaigns"
		s.eventually(t, "the tools do not come back", func() bool {
			_, err := c.CallTool(t.Context(), call)
			return err == nil
		})
	})
	t.Run("WithoutAKeyNothingIsTold", func(t *testing.T) {
		c, err := client.NewStreamableHttpClient(s.env["XENCRM_URL"] + "/mcp")
		require.NoError(t, err)
		_, err = c.Initialize(t.Context(), mcp.InitializeRequest{})
		require.Error(t, err)
	})
	t.Run("TheAuditorAgrees", s.testAuditor)
}

// key makes an API key.
func (s *system) key(t *testing.T, rights ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.demo.Path, append([]string{"keys", "create", "--name", "e2e"}, rights...)...)
	cmd.Env = s.environ()
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func (s *system) mcpOverHTTP(t *testing.T, key string) *client.Client {
	t.Helper()
	c, err := client.NewStreamableHttpClient(s.env["XENCRM_URL"]+"/mcp",
		transport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + key}))
	require.NoError(t, err)
	return hello(t, c)
}

func (s *system) mcpOverStdio(t *testing.T, key string) *client.Client {
	t.Helper()
	env := []string{"XENCRM_URL=" + s.env["XENCRM_URL"], "XENCRM_API_KEY=" + key}
	c, err := client.NewStdioMCPClient(s.demo.Path, env, "mcp")
	require.NoError(t, err)
	return hello(t, c)
}

func hello(t *testing.T, c *client.Client) *client.Client {
	t.Helper()
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	var hi mcp.InitializeRequest
	hi.Params.ClientInfo = mcp.Implementation{Name: "e2e", Version: "1"}
	_, err := c.Initialize(t.Context(), hi)
	require.NoError(t, err)
	return c
}

// offered are the names of the tools.
func offered(t *testing.T, c *client.Client) (names []string) {
	t.Helper()
	list, err := c.ListTools(t.Context(), mcp.ListToolsRequest{})
	require.NoError(t, err)
	for _, one := range list.Tools {
		names = append(names, one.Name)
	}
	return names
}

// tool calls a tool, which must do it, and reads its structured content into out.
func tool(t *testing.T, c *client.Client, name string, arguments map[string]any, out any) {
	t.Helper()
	result := use(t, c, name, arguments)
	require.False(t, result.IsError, "%s: %s", name, words(result))
	require.NotEmpty(t, words(result), "%s says nothing", name)
	raw, err := json.Marshal(result.StructuredContent)
	require.NoError(t, err)
	if out != nil {
		require.NoError(t, json.Unmarshal(raw, out), string(raw))
	}
}

// refusal calls a tool, which must refuse, and gives what it says.
func refusal(t *testing.T, c *client.Client, name string, arguments map[string]any) string {
	t.Helper()
	result := use(t, c, name, arguments)
	require.True(t, result.IsError, "%s was not refused: %s", name, words(result))
	return words(result)
}

func use(t *testing.T, c *client.Client, name string, arguments map[string]any) *mcp.CallToolResult {
	t.Helper()
	var call mcp.CallToolRequest
	call.Params.Name, call.Params.Arguments = name, arguments
	call.Params.Meta = &mcp.Meta{ProgressToken: name}
	result, err := c.CallTool(t.Context(), call)
	require.NoError(t, err, name)
	return result
}

func words(r *mcp.CallToolResult) string {
	var all strings.Builder
	for _, content := range r.Content {
		if text, ok := content.(mcp.TextContent); ok {
			all.WriteString(text.Text)
		}
	}
	return all.String()
}

// people is how many customers a conversation is about, a few seconds at the rate of its campaign.
const people = 30

// conversation is with an assistant of somebody who may send, beside one of somebody who may only look.
type conversation struct {
	*client.Client

	viewer *client.Client
	// spend is what the first of its customers has spent, in rupees; no other conversation's come near.
	spend int
}

// testConversation is what an assistant does for a marketer who has told it of some customers and an offer.
func (s *system) testConversation(t *testing.T, c conversation) {
	t.Helper()
	var fields struct {
		Fields []struct {
			Name string `json:"name"`
		} `json:"fields"`
	}
	tool(t, c.Client, "describe_fields", nil, &fields)
	require.Contains(t, fmt.Sprint(fields), "total_spend")

	require.Contains(t, offered(t, c.Client), "launch_campaign")
	require.NotContains(t, offered(t, c.viewer), "launch_campaign", "nobody is offered what they may not use")

	email := func(i int) string { return fmt.Sprintf("asha%d@of%d.example.com", i, c.spend) }
	for i := range people {
		tool(t, c.Client, "add_customer", map[string]any{"name": fmt.Sprintf("Asha Rao %d", i), "email": email(i)}, nil)
	}
	s.eventually(t, "the customers do not arrive", func() bool {
		var found struct {
			Customers []any `json:"customers"`
		}
		tool(t, c.Client, "search_customers", map[string]any{"query": email(people - 1)}, &found)
		return len(found.Customers) == 1
	})
	for i := range people {
		order := map[string]any{"customer_email": email(i), "order_amount": c.spend + i, "idempotency_key": email(i)}
		tool(t, c.Client, "add_order", order, nil)
		tool(t, c.Client, "add_order", order, nil) // as after a lost answer
	}
	segment := s.segmentOf(t, c)
	id := s.launchFrom(t, c, segment)
	s.followToTheEnd(t, c, id)
	s.askAfterwards(t, c, id, email(7))
	s.requireExact(t, id)
}

// segmentOf makes a segment and gives its name once its customers are there.
func (s *system) segmentOf(t *testing.T, c conversation) (name string) {
	t.Helper()
	name = fmt.Sprint("Spenders of ", c.spend)
	segment := map[string]any{"name": name, "idempotency_key": name, "rules": []any{map[string]any{"operator": "AND", "rules": []any{
		map[string]any{"field": "total_spend", "operator": ">=", "value": c.spend},
		map[string]any{"field": "total_spend", "operator": "<", "value": c.spend + people},
	}}}}
	tool(t, c.Client, "create_segment", segment, nil)
	tool(t, c.Client, "create_segment", segment, nil)
	s.eventually(t, "the orders do not arrive", func() bool {
		var seen struct {
			Count int `json:"count"`
		}
		tool(t, c.Client, "preview_segment", map[string]any{"segment": name}, &seen)
		require.LessOrEqual(t, seen.Count, people)
		return seen.Count == people
	})
	return name
}

// launchFrom makes a draft for the segment, tries it out, and launches it once, whatever is tried.
func (s *system) launchFrom(t *testing.T, c conversation, segment string) uuid.UUID {
	t.Helper()
	var made, launched struct {
		CampaignID uuid.UUID `json:"campaign_id"`
		Status     string    `json:"status"`
		WorkflowID string    `json:"workflow_id"`
	}
	draft := map[string]any{
		"name": segment, "segment": segment, "message_template": "Hi {{ name }}, you have spent {{ total_spend }}: 20% off!", "rate": 10,
		"idempotency_key": segment,
	}
	tool(t, c.Client, "create_campaign", draft, &made)
	tool(t, c.Client, "create_campaign", draft, &made)
	require.Equal(t, "DRAFT", made.Status)
	var dry struct {
		ToSend  int    `json:"to_send"`
		Confirm string `json:"confirm"`
	}
	tool(t, c.Client, "dry_run_campaign", map[string]any{"campaign_id": made.CampaignID}, &dry)
	require.Equal(t, people, dry.ToSend)

	with := func(confirm string) map[string]any {
		return map[string]any{"campaign_id": made.CampaignID, "confirm": confirm}
	}
	require.Contains(t, refusal(t, c.Client, "launch_campaign", with("yes")), "dry_run_campaign")
	require.Contains(t, refusal(t, c.viewer, "launch_campaign", with(dry.Confirm)), "campaigns:control")
	require.Equal(t, "DRAFT", s.count(t, "SELECT status FROM campaigns WHERE campaign_id = $1", made.CampaignID))
	tool(t, c.Client, "launch_campaign", with(dry.Confirm), &launched)
	require.Equal(t, "campaign-"+made.CampaignID.String(), launched.WorkflowID)
	require.Contains(t, refusal(t, c.Client, "launch_campaign", with(dry.Confirm)), "launched already")
	require.Equal(t, "1", s.count(t, "SELECT count(*)::text FROM campaigns WHERE name = $1", segment))
	return made.CampaignID
}

// followToTheEnd waits for the campaign as long as it takes, and is told of its progress meanwhile.
func (s *system) followToTheEnd(t *testing.T, c conversation, id uuid.UUID) {
	t.Helper()
	steps := make(chan float64, 1000)
	c.OnNotification(func(n mcp.JSONRPCNotification) {
		if n.Method == "notifications/progress" {
			steps <- n.Params.AdditionalFields["progress"].(float64)
		}
	})
	s.eventually(t, "the campaign does not end", func() bool {
		var now struct {
			Status string `json:"status"`
			Ended  bool   `json:"ended"`
		}
		tool(t, c.Client, "campaign_progress", map[string]any{"campaign_id": id, "wait_seconds": 20}, &now)
		require.True(t, !now.Ended || now.Status == "COMPLETED", now.Status)
		return now.Ended
	})
	require.NotEmpty(t, steps)
	for last := -1.0; len(steps) > 0; {
		step := <-steps
		require.GreaterOrEqual(t, step, last)
		require.LessOrEqual(t, step, float64(people))
		last = step
	}
}

// askAfterwards has the books explained.
func (s *system) askAfterwards(t *testing.T, c conversation, id uuid.UUID, email string) {
	t.Helper()
	var stats struct {
		Status string `json:"status"`
		Books  struct {
			Audience  int `json:"audience"`
			Delivered int `json:"delivered"`
			Failed    int `json:"failed"`
		} `json:"books"`
	}
	tool(t, c.Client, "get_campaign_stats", map[string]any{"campaign_id": id}, &stats)
	require.Equal(t, "COMPLETED", stats.Status)
	require.Equal(t, people, stats.Books.Audience)
	require.Equal(t, people, stats.Books.Delivered+stats.Books.Failed)

	var one struct {
		Why    string `json:"why"`
		Email  string `json:"email"`
		Status string `json:"status"`
	}
	tool(t, c.Client, "explain_recipient", map[string]any{"campaign_id": id, "recipient": email}, &one)
	require.Equal(t, email, one.Email)
	require.NotEmpty(t, one.Why)
	require.Equal(t, one.Status, s.count(t, "SELECT status FROM communication_log WHERE campaign_id = $1 AND customer_email = $2", id, email))

	var failures struct {
		Counted int `json:"counted"`
	}
	tool(t, c.Client, "list_failures", map[string]any{"campaign_id": id}, &failures)
	require.Equal(t, stats.Books.Failed, failures.Counted)
}
