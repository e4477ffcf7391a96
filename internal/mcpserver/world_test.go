package mcpserver_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/idempotency"
	"github.com/xencrm/xencrm/internal/mcpserver"
)

// world stands for the services: what it was asked to change it notes in did.
type world struct {
	mu        sync.Mutex
	did       []string
	now       time.Time
	err       error // of every service, if set
	audience  int
	campaigns map[uuid.UUID]campaign.Campaign
	segments  []campaign.Segment
	customers []customer.Record
	entries   []campaign.Entry
	audit     []auth.Entry
	used      map[string]bool
	hold      chan struct{} // Count waits for it, if set
	lost      error         // what a control gives although it was done
	after     error         // what reading gives once a control was done
	code      string        // the vendor's, of the one message
}

const rules = `[{"id":"g","operator":"AND","rules":[{"id":"r","field":"total_spend","operator":">","value":5000}]}]`

func newWorld() *world {
	seg := campaign.Segment{ID: uuid.New(), Name: "high-value-customers", Rules: json.RawMessage(rules), CreatedBy: "asha"}
	email := "rohan@example.com"
	w := &world{
		now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), audience: 7, campaigns: map[uuid.UUID]campaign.Campaign{},
		segments: []campaign.Segment{seg}, used: map[string]bool{},
	}
	phone := "+919876543210"
	w.customers = []customer.Record{{Customer: customer.Customer{
		ID: uuid.New(), Name: "Rohan", Email: email, Phone: &phone, Status: "ACTIVE", TotalSpend: decimal.RequireFromString("1234567.5"),
	}}}
	return w
}

func (w *world) note(what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.did = append(w.did, what)
	return nil
}

func (w *world) changes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.did...)
}

func (w *world) AcceptCustomer(_ context.Context, raw []byte, key string) (customer.AcceptedCustomer, error) {
	in, err := customer.ParseInput(raw, customer.Strict)
	if err != nil {
		return customer.AcceptedCustomer{}, err
	}
	return customer.AcceptedCustomer{Name: in.Name, Email: in.Email}, w.note("customer " + in.Email + " " + key)
}

func (w *world) AcceptOrder(_ context.Context, raw []byte, key string) (customer.AcceptedOrder, error) {
	in, err := customer.ParseOrderInput(raw, customer.Strict, w.now)
	if err != nil {
		return customer.AcceptedOrder{}, err
	}
	got := customer.AcceptedOrder{CustomerEmail: in.CustomerEmail, OrderAmount: in.Amount, OrderStatus: string(in.Status)}
	return got, w.note("order " + in.CustomerEmail + " " + in.Amount.String() + " " + key)
}

// records is the part of the world whose methods have names that others have too.
type records struct{ *world }

func (w records) List(context.Context, customer.Filter) (cursor.Page[customer.Record], error) {
	return cursor.Page[customer.Record]{Items: w.customers}, w.err
}

func (w records) Get(_ context.Context, id uuid.UUID) (customer.Detail, error) {
	for _, c := range w.customers {
		if c.ID == id {
			return customer.Detail{Record: c}, nil
		}
	}
	return customer.Detail{}, errs.Errorf(errs.NotFound, "Customer not found")
}

type segments struct{ *world }

func (w segments) Create(_ context.Context, in campaign.SegmentInput) (campaign.Segment, error) {
	made := campaign.Segment{ID: uuid.New(), Name: in.Name, Rules: in.Rules, CreatedBy: in.Principal, PreviewCount: &w.audience}
	return made, w.note("segment " + in.Name)
}

func (w segments) Get(_ context.Context, id uuid.UUID) (campaign.Segment, error) {
	for _, s := range w.segments {
		if s.ID == id {
			return s, nil
		}
	}
	return campaign.Segment{}, errs.Errorf(errs.NotFound, "Segment not found")
}

func (w segments) List(context.Context) ([]campaign.Segment, error) { return w.segments, w.err }

func (w segments) Count(ctx context.Context, _ json.RawMessage) (int, error) {
	if w.hold != nil {
		select {
		case <-w.hold:
		case <-ctx.Done():
		}
	}
	return w.audience, w.err
}

func (w segments) Sample(context.Context, json.RawMessage, int) ([]campaign.SampleCustomer, error) {
	c := w.customers[0]
	return []campaign.SampleCustomer{{ID: c.ID, Name: &c.Name, Email: &c.Email, Status: c.Status, TotalSpend: c.TotalSpend}}, w.err
}

type campaigns struct{ *world }

func (w campaigns) Create(_ context.Context, in campaign.CreateInput) (campaign.Campaign, error) {
	c := campaign.Campaign{
		ID: uuid.New(), SegmentID: in.SegmentID, SegmentName: "high-value-customers", Rules: json.RawMessage(rules), Name: in.Name,
		MessageTemplate: in.MessageTemplate, Status: campaign.Draft, Version: 1, CreatedBy: in.Principal, TargetCount: w.audience,
	}
	if err := w.note("campaign " + in.Name); err != nil {
		return campaign.Campaign{}, err
	}
	w.campaigns[c.ID] = c
	return c, nil
}

func (w campaigns) Get(_ context.Context, id uuid.UUID) (campaign.Campaign, error) {
	c, ok := w.campaigns[id]
	if !ok {
		return campaign.Campaign{}, errs.Errorf(errs.NotFound, "Campaign not found")
	}
	return c, w.err
}

func (w campaigns) ListAfter(context.Context, cursor.Position, int) (cursor.Page[campaign.Campaign], error) {
	var page cursor.Page[campaign.Campaign]
	for _, c := range w.campaigns {
		page.Items = append(page.Items, c)
	}
	return page, w.err
}

func (w campaigns) RehearseDraft(ctx context.Context, id uuid.UUID) (campaign.Campaign, campaign.Rehearsal, error) {
	c, err := w.Get(ctx, id)
	r := campaign.Rehearsal{Audience: w.audience, NoEmail: 1, FanOut: campaign.PerCustomer}
	r.Sample = []campaign.SampleMessage{{CustomerID: w.customers[0].ID, Name: w.customers[0].Name, Email: w.customers[0].Email, Text: "Hi"}}
	return c, r, err
}

func (w campaigns) LaunchIf(_ context.Context, id uuid.UUID, m customer.Match) (campaign.Campaign, error) {
	c := w.campaigns[id]
	if m.Any || m.Versions[0] != int64(c.Version) {
		return campaign.Campaign{}, errs.Errorf(errs.Conflict, "the campaign is at another version")
	}
	if err := w.note("launch"); err != nil {
		return campaign.Campaign{}, err
	}
	c.Status = campaign.Active
	w.campaigns[id] = c
	return c, nil
}

func (w campaigns) steer(id uuid.UUID, what string, to campaign.Status) (campaign.Progress, error) {
	c := w.campaigns[id]
	c.Status = to
	w.campaigns[id] = c
	err := w.note(what)
	if w.after != nil {
		w.err = w.after
	}
	if w.lost != nil {
		err = w.lost
	}
	return campaign.Progress{Phase: "SENDING", Paused: to == campaign.Paused}, err
}

func (w campaigns) Pause(_ context.Context, id uuid.UUID) (campaign.Progress, error) {
	return w.steer(id, "pause", campaign.Paused)
}

func (w campaigns) Resume(_ context.Context, id uuid.UUID) (campaign.Progress, error) {
	return w.steer(id, "resume", campaign.Active)
}

func (w campaigns) Cancel(_ context.Context, id uuid.UUID) (campaign.Progress, error) {
	return w.steer(id, "cancel", campaign.Cancelled)
}

func (w campaigns) RetryFailed(_ context.Context, id uuid.UUID) (campaign.Campaign, int, error) {
	c := w.campaigns[id]
	c.Round++
	w.campaigns[id] = c
	return c, 2, w.note("retry")
}

func (w campaigns) Progress(context.Context, uuid.UUID) (campaign.Progress, error) {
	return campaign.Progress{Phase: "SENDING", Totals: campaign.Totals{Audience: 7, Pending: 7}}, w.err
}

func (w *world) Entries(context.Context, campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
	return cursor.Page[campaign.Entry]{Items: w.entries}, w.err
}

func (w *world) Find(_ context.Context, _, ref uuid.UUID) (campaign.EntryDetail, error) {
	if ref != w.customers[0].ID {
		return campaign.EntryDetail{}, errs.Errorf(errs.NotFound, "Not in the audience")
	}
	return campaign.EntryDetail{
		Entry: campaign.Entry{
			MessageState: w.state(), CustomerID: ref, CustomerEmail: w.customers[0].Email,
			CustomerName: w.customers[0].Name,
		},
		Text: "Hi Rohan", CampaignStatus: campaign.Completed,
	}, nil
}

// state is that of the one message: delivered, or failed with the world's code.
func (w *world) state() campaign.MessageState {
	if w.code == "" {
		return campaign.MessageState{Status: campaign.MessageDelivered}
	}
	return campaign.MessageState{Status: campaign.MessageFailed, Code: w.code, VendorRef: "v", Attempts: 1}
}

func (w *world) BeginEntry(_ context.Context, e auth.Entry) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.audit = append(w.audit, e)
	return int64(len(w.audit)), nil
}

func (w *world) EndEntry(_ context.Context, id int64, status int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.audit[id-1].Status = status
	return nil
}

// Claim, Renew, Settle and Release are a store of used keys.
func (w *world) Claim(_ context.Context, r idempotency.Request) (*idempotency.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.used[r.Key] {
		return &idempotency.Answer{}, nil
	}
	w.used[r.Key] = true
	return nil, nil
}

func (w *world) Renew(context.Context, idempotency.Request) error { return nil }

func (w *world) Settle(context.Context, idempotency.Request, idempotency.Answer) error { return nil }

func (w *world) Release(_ context.Context, r idempotency.Request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.used, r.Key)
	return nil
}

func (w *world) deps() mcpserver.Deps {
	return mcpserver.Deps{
		Ingest: w, Records: records{w}, Segments: segments{w}, Campaigns: campaigns{w}, Ledger: w, Audit: w, Used: w,
		ConfirmKey: []byte(strings.Repeat("k", 32)), RequestID: func(context.Context) string { return "request-1" },
		WorkflowURL: func(id string) string { return "http://temporal/" + id },
		Log:         slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now }, Version: "test",
	}
}

// principals are the callers that tests have.
func principals() map[string]auth.Principal {
	return map[string]auth.Principal{
		"nobody": {Kind: auth.APIKey, KeyID: "0"},
		"viewer": {Kind: auth.APIKey, KeyID: "1", Role: auth.Viewer},
		"editor": {Kind: auth.APIKey, KeyID: "2", Role: auth.Editor},
		"admin":  {Kind: auth.APIKey, KeyID: "3", Role: auth.Admin},
		"ingest": {Kind: auth.APIKey, KeyID: "4", Scopes: []auth.Scope{auth.Ingest}},
	}
}

// serve serves the world over HTTP; the bearer is the name of a principal.
func (w *world) serve(t *testing.T) string {
	t.Helper()
	require.NoError(t, w.deps().Validate())
	inner := mcpserver.New(w.deps())
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		who := principals()[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		inner.ServeHTTP(rw, r.WithContext(auth.WithPrincipal(r.Context(), who)))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func connect(t *testing.T, url, as string) *client.Client {
	t.Helper()
	c, err := client.NewStreamableHttpClient(url, transport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + as}))
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	var hello mcp.InitializeRequest
	hello.Params.ClientInfo = mcp.Implementation{Name: "test", Version: "1"}
	_, err = c.Initialize(t.Context(), hello)
	require.NoError(t, err)
	return c
}

func use(t *testing.T, c *client.Client, name string, arguments map[string]any) *mcp.CallToolResult {
	t.Helper()
	var call mcp.CallToolRequest
	call.Params.Name, call.Params.Arguments = name, arguments
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

// done uses a tool, which must do it, and gives its structured content.
func done(t *testing.T, c *client.Client, name string, arguments map[string]any) map[string]any {
	t.Helper()
	r := use(t, c, name, arguments)
	require.False(t, r.IsError, "%s: %s", name, words(r))
	out, ok := r.StructuredContent.(map[string]any)
	require.True(t, ok, name)
	return out
}

// refused uses a tool, which must refuse, and gives its words.
func refused(t *testing.T, c *client.Client, name string, arguments map[string]any) string {
	t.Helper()
	r := use(t, c, name, arguments)
	require.True(t, r.IsError, "%s was not refused: %s", name, words(r))
	return words(r)
}
