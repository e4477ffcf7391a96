package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/url"
	"strings"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/mcpserver"
)

// mcpDoor makes the door for AI assistants, on the services that REST has.
func mcpDoor(cfg config.API, d api.Deps, on backend, drafts mcpserver.Campaigns) (api.MCP, error) {
	deps := mcpserver.Deps{
		Ingest: d.Customers, Records: d.Records, Segments: d.Segments, Campaigns: drafts, Ledger: d.Ledger, Audit: d.Audit,
		Used: on.business, ConfirmKey: confirmKey(cfg.LinkKey()), RequestID: api.RequestID,
		WorkflowURL: workflowURL(cfg.TemporalUIURL, cfg.TemporalNamespace), Log: d.Logger, Now: d.Now, Version: d.Version,
	}
	if err := deps.Validate(); err != nil {
		return api.MCP{}, err
	}
	return api.MCP{
		Handler: mcpserver.New(deps), Patience: mcpserver.Patience, Hosts: api.MCPHosts(cfg.Listen, cfg.LinkBase()),
	}, nil
}

// confirmKey derives a key of its own from the secret that signs links, which all processes share: what is
// signed for one purpose must not pass for the other.
func confirmKey(secret string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("xencrm mcp confirmations"))
	return h.Sum(nil)
}

// workflowURL gives the page of a workflow, nil without a Web UI.
func workflowURL(base, namespace string) func(string) string {
	if base == "" {
		return nil
	}
	return func(id string) string {
		return strings.TrimSuffix(base, "/") + "/namespaces/" + url.PathEscape(namespace) + "/workflows/" + url.PathEscape(id)
	}
}
