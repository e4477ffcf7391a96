package mcpserver

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
)

// callTimeout bounds a call that does not wait for a campaign; the slowest is a dry run over millions.
const callTimeout = 25 * time.Second

// effect is what a tool does to the world; the annotations follow from it.
type effect int

const (
	reads effect = iota
	// adds changes what is stored and reaches nobody.
	adds
	// steers changes what a running campaign does, and can be undone by another call.
	steers
	// sends reaches people or ends a campaign for good: it asks for a confirmation.
	sends
)

// answer is what a tool gives: its structured content is the value itself, and Text a few words on it that
// hold no text of a customer's.
type answer interface{ Text() string }

// call is one call of a tool.
type call struct {
	*Server

	by      auth.Principal
	request mcp.CallToolRequest
}

// eyes are what the caller may see of people: addresses are for those who may read customers over REST.
func (c call) eyes() eyes { return eyes{full: c.by.Allows(auth.ReadCustomers)} }

// tool is one tool of the inventory.
type tool struct {
	name, title, description string
	needs                    auth.Permission
	effect                   effect
	// repeatable tells that a second call with the same arguments changes nothing more.
	repeatable bool
	// patience is how long a call may take, callTimeout if 0.
	patience time.Duration
	input    []byte
	output   mcp.ToolOption
	run      func(ctx context.Context, c call) (answer, error)
}

// define makes a tool of a function over typed arguments and results.
func define[In any, Out answer](t tool, run func(ctx context.Context, c call, in In) (Out, error)) tool {
	t.input = inputSchema[In]()
	t.output = mcp.WithOutputSchema[Out]()
	schema := compile(t.name, t.input)
	t.run = func(ctx context.Context, c call) (answer, error) {
		if err := check(schema, c.request.Params.Arguments); err != nil {
			return nil, err
		}
		var in In
		if err := decode(c.request.Params.Arguments, &in); err != nil {
			return nil, err
		}
		return run(ctx, c, in)
	}
	return t
}

// tools are all there are, in the order in which they are listed.
func tools() []tool {
	var all []tool
	for _, area := range [][]tool{customerTools(), segmentTools(), campaignTools(), controlTools(), explainTools()} {
		all = append(all, area...)
	}
	return all
}

// definition is the tool as clients see it.
func (t tool) definition() mcp.Tool {
	d := mcp.NewTool(t.name,
		mcp.WithDescription(t.description), mcp.WithRawInputSchema(t.input), t.output,
		mcp.WithTitleAnnotation(t.title), mcp.WithReadOnlyHintAnnotation(t.effect == reads),
		mcp.WithDestructiveHintAnnotation(t.effect == sends), mcp.WithIdempotentHintAnnotation(t.repeatable || t.effect == reads),
		// Messages leave for people out there.
		mcp.WithOpenWorldHintAnnotation(t.effect == sends),
	)
	d.InputSchema = mcp.ToolInputSchema{} // the raw one counts, and mcp-go takes only one of them
	return d
}

// handle runs a call: in its turn, within its time, between the two halves of its line in the audit log.
func (s *Server) handle(t tool) server.ToolHandlerFunc {
	return func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		by, ok := auth.FromContext(ctx)
		if !ok { // the door let nobody in: a mistake of ours
			return refusal(auth.ErrNoCredential), nil
		}
		release, ok := s.busy.enter(by.ID())
		if !ok {
			return refusal(errs.Errorf(errs.RateLimited, "more than %d calls at once: let some of them end first", mostAtOnce)), nil
		}
		defer release()
		patience := t.patience
		if patience == 0 {
			patience = callTimeout
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return s.audited(ctx, by, t, request)
	}
}

func (s *Server) audited(ctx context.Context, by auth.Principal, t tool, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	id, err := s.Audit.BeginEntry(ctx, auth.Entry{
		Principal: by.ID(), Operation: t.name, Target: target(request), RequestID: s.RequestID(ctx),
	})
	if err != nil {
		return s.result(ctx, t, nil, fmt.Errorf("audit log: %w", err))
	}
	var out answer
	err = errs.Errorf(errs.Forbidden, "the tool %s needs the permission %s, which this key or user does not have: ask an administrator",
		t.name, t.needs)
	if by.Allows(t.needs) {
		out, err = t.run(ctx, call{Server: s, by: by, request: request})
	}
	if err := s.Audit.EndEntry(context.WithoutCancel(ctx), id, statusOf(err)); err != nil {
		// The change is done, and the line says that it was tried.
		s.Log.WarnContext(ctx, "outcome not in the audit log", "entry", id, "error", err)
	}
	return s.result(ctx, t, out, err)
}

func (s *Server) result(ctx context.Context, t tool, out answer, err error) (*mcp.CallToolResult, error) {
	if err == nil {
		return mcp.NewToolResultStructured(out, out.Text()), nil
	}
	if refused := refusal(err); refused != nil {
		return refused, nil
	}
	if !gone(ctx) {
		s.Log.ErrorContext(ctx, "tool failed", "tool", t.name, "error", err, "request_id", s.RequestID(ctx))
	}
	return nil, fault(s.RequestID(ctx))
}

// target names what the call is about, if it has the form of an id: anything else may be personal.
func target(request mcp.CallToolRequest) string {
	for _, name := range []string{"campaign_id", "campaign", "segment_id", "segment", "customer_id"} {
		if id, err := uuid.Parse(request.GetString(name, "")); err == nil {
			return id.String()
		}
	}
	return ""
}

var _ http.Handler = (*Server)(nil)
