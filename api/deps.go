package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/idempotency"
)

// Customers queues posted customers and orders. It validates before it looks at the broker (D51),
// and success means that the broker confirmed.
type Customers interface {
	AcceptCustomer(ctx context.Context, raw []byte, idempotencyKey string) (customer.AcceptedCustomer, error)
	AcceptOrder(ctx context.Context, raw []byte, idempotencyKey string) (customer.AcceptedOrder, error)
}

// Records shows and changes stored customers.
type Records interface {
	List(ctx context.Context, f customer.Filter) (cursor.Page[customer.Record], error)
	Get(ctx context.Context, id uuid.UUID) (customer.Detail, error)
	Edit(ctx context.Context, id uuid.UUID, m customer.Match, raw []byte) (customer.Record, error)
	Deactivate(ctx context.Context, id uuid.UUID) (customer.Record, error)
	Erase(ctx context.Context, id uuid.UUID) (customer.Record, error)
}

// Imports takes files of customers in and shows how far they are.
type Imports interface {
	Import(ctx context.Context, source io.Reader, after func() error) (bulk.Import, error)
	Get(ctx context.Context, id uuid.UUID) (bulk.Import, error)
	Errors(ctx context.Context, f bulk.ErrorFilter) (cursor.Page[bulk.RowError], error)
}

// Orders shows stored orders and moves their status.
type Orders interface {
	ListOrders(ctx context.Context, f customer.OrderFilter) (cursor.Page[customer.OrderRecord], error)
	GetOrder(ctx context.Context, id uuid.UUID) (customer.OrderRecord, error)
	MoveOrder(ctx context.Context, id uuid.UUID, to customer.OrderStatus) (customer.OrderRecord, error)
}

// Suppressions keeps the list of those who are not written to.
type Suppressions interface {
	List(ctx context.Context, f campaign.SuppressionFilter) (cursor.Page[campaign.Suppression], error)
	Add(ctx context.Context, email, reason, principal string) (campaign.Suppression, bool, error)
	Remove(ctx context.Context, email string) (bool, error)
	CheckLink(token string) error
	Unsubscribe(ctx context.Context, token string) error
}

// Segments keeps segments and counts audiences.
type Segments interface {
	Create(ctx context.Context, in campaign.SegmentInput) (campaign.Segment, error)
	Update(ctx context.Context, id uuid.UUID, in campaign.SegmentInput) (campaign.Segment, error)
	Delete(ctx context.Context, id uuid.UUID) ([]campaign.Ref, error)
	Get(ctx context.Context, id uuid.UUID) (campaign.Segment, error)
	List(ctx context.Context) ([]campaign.Segment, error)
	ListAfter(ctx context.Context, after cursor.Position, limit int) (cursor.Page[campaign.Segment], error)
	Count(ctx context.Context, rules json.RawMessage) (int, error)
	Sample(ctx context.Context, rules json.RawMessage, limit int) ([]campaign.SampleCustomer, error)
}

// Campaigns keeps and launches campaigns.
type Campaigns interface {
	Create(ctx context.Context, in campaign.CreateInput) (campaign.Campaign, error)
	Get(ctx context.Context, id uuid.UUID) (campaign.Campaign, error)
	List(ctx context.Context, p campaign.PageRequest) (campaign.Page[campaign.Campaign], error)
	ListAfter(ctx context.Context, after cursor.Position, limit int) (cursor.Page[campaign.Campaign], error)
	Recent(ctx context.Context, limit int) ([]campaign.Campaign, error)
	Drafts
	Controls
}

// Drafts tries campaigns out and changes them before their launch.
type Drafts interface {
	Rehearse(ctx context.Context, in campaign.CreateInput) (campaign.Rehearsal, error)
	EditDraft(
		ctx context.Context, id uuid.UUID, m customer.Match, change func(campaign.Campaign) (campaign.CreateInput, error),
	) (campaign.Campaign, error)
	DeleteDraft(ctx context.Context, id uuid.UUID) error
	LaunchIf(ctx context.Context, id uuid.UUID, m customer.Match) (campaign.Campaign, error)
	Duplicate(ctx context.Context, id uuid.UUID, principal string) (campaign.Campaign, error)
}

// Controls steers a campaign.
type Controls interface {
	Pause(ctx context.Context, id uuid.UUID) (campaign.Progress, error)
	Resume(ctx context.Context, id uuid.UUID) (campaign.Progress, error)
	Cancel(ctx context.Context, id uuid.UUID) (campaign.Progress, error)
	SetRate(ctx context.Context, id uuid.UUID, perSecond float64) (campaign.Progress, error)
	RetryFailed(ctx context.Context, id uuid.UUID) (campaign.Campaign, int, error)
	Progress(ctx context.Context, id uuid.UUID) (campaign.Progress, error)
}

// TestSends sends single messages for people to look at.
type TestSends interface {
	Send(ctx context.Context, in campaign.TestInput) (campaign.TestSend, error)
}

// Schedules keeps campaigns that come again.
type Schedules interface {
	Create(ctx context.Context, in campaign.ScheduleInput) (campaign.Schedule, error)
	Get(ctx context.Context, id uuid.UUID) (campaign.Schedule, error)
	ListAfter(ctx context.Context, after cursor.Position, limit int) (cursor.Page[campaign.Schedule], error)
	NextTimes(ctx context.Context, s campaign.Schedule, limit int) []time.Time
	Replace(ctx context.Context, id uuid.UUID, m customer.Match, in campaign.ScheduleInput) (campaign.Schedule, error)
	Pause(ctx context.Context, id uuid.UUID) (campaign.Schedule, error)
	Resume(ctx context.Context, id uuid.UUID) (campaign.Schedule, error)
	Delete(ctx context.Context, id uuid.UUID) error
	Trigger(ctx context.Context, id uuid.UUID, principal, idempotencyKey string) (campaign.Campaign, error)
}

// Ledger shows what became of a campaign's recipients.
type Ledger interface {
	Entries(ctx context.Context, f campaign.EntryFilter) (cursor.Page[campaign.Entry], error)
	Find(ctx context.Context, campaignID, ref uuid.UUID) (campaign.EntryDetail, error)
}

// Keys makes, lists and revokes API keys.
type Keys interface {
	Create(ctx context.Context, by string, in auth.KeyInput) (auth.Key, auth.KeyInfo, error)
	List(ctx context.Context, after cursor.Position, limit int) (cursor.Page[auth.KeyInfo], error)
	Revoke(ctx context.Context, by, id string) (auth.KeyInfo, error)
}

// AuditLog shows the audit log.
type AuditLog interface {
	List(ctx context.Context, principal string, after cursor.Position, limit int) (cursor.Page[auth.Entry], error)
}

// ReceiptPublisher hands receipts to the broker, in as many messages as suit the consumer; nil means
// that all are confirmed.
type ReceiptPublisher interface {
	PublishReceipts(ctx context.Context, receipts []event.Receipt) error
}

// Deps are what New needs. Every field but Version and MCP is required.
type Deps struct {
	Customers    Customers
	Records      Records
	Imports      Imports
	Orders       Orders
	Suppressions Suppressions
	Segments     Segments
	Campaigns    Campaigns
	Schedules    Schedules
	TestSends    TestSends
	Ledger       Ledger
	Dashboard    campaign.Dashboard
	Receipts     ReceiptPublisher
	Keys         Keys
	AuditLog     AuditLog
	// Audit is where the audit log is written.
	Audit auth.AuditWriter
	// Access decides who gets in; its zero value lets everybody do everything.
	Access Access
	// MCP is the door for AI assistants; its zero value is closed.
	MCP MCP
	// Repeats keeps the answers that repeated requests get again.
	Repeats idempotency.Store
	// Readiness names the dependencies and checks them; a check must honour its context.
	Readiness map[string]func(context.Context) error
	// WebhookSecret signs the vendor's receipts, as Standard Webhooks write it: whsec_ and base64.
	WebhookSecret string
	Logger        *slog.Logger
	// Version is the build, shown by /healthz.
	Version string
	Now     func() time.Time
}

// Validate lists everything that is missing or unusable. Start-up calls it; New assumes it.
func (d Deps) Validate() error {
	var faults []error
	for name, missing := range map[string]bool{
		"Customers": d.Customers == nil, "Records": d.Records == nil, "Imports": d.Imports == nil, "Orders": d.Orders == nil,
		"Suppressions": d.Suppressions == nil,
		"Segments":     d.Segments == nil, "Campaigns": d.Campaigns == nil, "Schedules": d.Schedules == nil, "TestSends": d.TestSends == nil,
		"Ledger":  d.Ledger == nil,
		"Repeats": d.Repeats == nil,
		"Keys":    d.Keys == nil, "AuditLog": d.AuditLog == nil, "Audit": d.Audit == nil,
		"Access.Sessions": d.Access.Login != nil && d.Access.Sessions == nil,
		"Dashboard":       d.Dashboard == nil, "Receipts": d.Receipts == nil, "Logger": d.Logger == nil, "Now": d.Now == nil,
	} {
		if missing {
			faults = append(faults, fmt.Errorf("api: %s is not set", name))
		}
	}
	if _, err := newSignatures(d.WebhookSecret); err != nil {
		faults = append(faults, fmt.Errorf("api: webhook secret: %w", err))
	}
	for _, origin := range d.Access.Origins {
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
			faults = append(faults, fmt.Errorf("api: origin %q: %w", origin, err))
		}
	}
	return errors.Join(faults...)
}
