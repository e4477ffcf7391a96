package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

// scheme is that of our resources' addresses.
const scheme = "xencrm://"

// addResources gives campaigns and segments addresses under which a client can attach one to a conversation.
func (s *Server) addResources(to *server.MCPServer) {
	for _, r := range []resource{
		{"campaigns", "campaign", "A campaign and its books, as JSON.", auth.ReadCampaigns, func(ctx context.Context, id uuid.UUID) (any, error) {
			found, err := s.Campaigns.Get(ctx, id)
			return campaignOf(found), err
		}},
		{"segments", "segment", "A segment, in words, as JSON.", auth.ReadSegments, func(ctx context.Context, id uuid.UUID) (any, error) {
			found, err := s.Segments.Get(ctx, id)
			return segmentOf(found), err
		}},
	} {
		to.AddResourceTemplate(mcp.NewResourceTemplate(r.prefix()+"{id}", r.name,
			mcp.WithTemplateDescription(r.about), mcp.WithTemplateMIMEType("application/json")),
			func(ctx context.Context, request mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
				return s.resource(ctx, r, request.Params.URI)
			})
	}
}

// resource is one kind of thing that can be read by its address.
type resource struct {
	kind, name, about string
	needs             auth.Permission
	read              func(ctx context.Context, id uuid.UUID) (any, error)
}

func (r resource) prefix() string { return scheme + r.kind + "/" }

// resource reads one resource. A refusal is a protocol error here, for resources know no other.
func (s *Server) resource(ctx context.Context, r resource, uri string) ([]mcp.ResourceContents, error) {
	prefix := r.prefix()
	if _, err := auth.Require(ctx, r.needs); err != nil {
		return nil, errors.New(textOf(err))
	}
	id, err := uuid.Parse(strings.TrimPrefix(uri, prefix))
	if err != nil {
		return nil, errors.New("a resource is named by its id, as " + prefix + "0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11")
	}
	found, err := r.read(ctx, id)
	if errs.CodeOf(err) == errs.Internal {
		s.Log.ErrorContext(ctx, "resource failed", "uri", prefix, "error", err, "request_id", s.RequestID(ctx))
		return nil, fault(s.RequestID(ctx))
	}
	if err != nil {
		return nil, errors.New(textOf(err))
	}
	raw, err := json.Marshal(found)
	if err != nil {
		return nil, fault(s.RequestID(ctx))
	}
	return []mcp.ResourceContents{mcp.TextResourceContents{URI: prefix + id.String(), MIMEType: "application/json", Text: string(raw)}}, nil
}

// textOf is the part of an error that may be shown.
func textOf(err error) string {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return sentence(e.Text)
	}
	return "something went wrong."
}
