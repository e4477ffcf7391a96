package mcpserver

import (
	"context"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// addPrompts offers the two conversations that marketers have most.
func addPrompts(to *server.MCPServer) {
	to.AddPrompt(mcp.NewPrompt("plan_win_back_campaign",
		mcp.WithPromptDescription("Plan a campaign that wins back customers who have not ordered for a while."),
		mcp.WithArgument("days", mcp.ArgumentDescription("Days since the last order, 90 unless said otherwise.")),
		mcp.WithArgument("offer", mcp.ArgumentDescription("What is offered to them, such as 10% off.")),
	), func(_ context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return conversation("Plan a win-back campaign", winBack(request.Params.Arguments)), nil
	})
	to.AddPrompt(mcp.NewPrompt("campaign_post_mortem",
		mcp.WithPromptDescription("Look at how a campaign went: what was delivered, what failed and why, what to do about it."),
		mcp.WithArgument("campaign", mcp.ArgumentDescription("Id or exact name of the campaign."), mcp.RequiredArgument()),
	), func(_ context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return conversation("Post-mortem of a campaign", postMortem(request.Params.Arguments)), nil
	})
}

func conversation(title, text string) *mcp.GetPromptResult {
	return mcp.NewGetPromptResult(title, []mcp.PromptMessage{mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(text))})
}

func winBack(arguments map[string]string) string {
	days := cleanName(arguments["days"])
	if days == "" {
		days = "90"
	}
	offer := ""
	if said := cleanName(arguments["offer"]); said != "" {
		offer = " The offer: " + said + "."
	}
	return fmt.Sprintf(strings.TrimSpace(`
Help me win back customers whose last order is more than %s days ago.%s
1. Call describe_fields, and propose rules; preview them with preview_segment and tell me how many customers they select.
2. When I agree, save them with create_segment.
3. Propose a short message with {{ name }} and {{ unsubscribe_url }}; when I agree, make a draft with create_campaign.
4. Call dry_run_campaign and show me its numbers and messages. Launch only if I say so.`), days, offer)
}

func postMortem(arguments map[string]string) string {
	return fmt.Sprintf(strings.TrimSpace(`
Look at how the campaign %q went.
1. get_campaign_stats: say who got it, who did not, and the delivery rate.
2. list_failures: say which failures may pass and which will not, and what each code means.
3. explain_recipient for one of each code.
4. If it has not ended, explain_stall.
5. Say what to do: retry_failed for those that may pass (it asks me to confirm), addresses to correct, what to change next time.`),
		cleanName(arguments["campaign"]))
}
