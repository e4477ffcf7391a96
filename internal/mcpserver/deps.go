package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/idempotency"
)

// Ingest queues customers and orders.
type Ingest interface {
	AcceptCustomer(ctx context.Context, raw []byte, idempotencyKey string) (customer.AcceptedCustomer, error)
	AcceptOrder(ctx context.Context, raw []byte, idempotencyKey string) (customer.AcceptedOrder, error)
}

// Records shows stored customers.
type Records interface {
	List(ctx context.Context, f customer.Filter) (cursor.Page[customer.Record], error)
	Get(ctx context.Context, id uuid.UUID) (customer.Detail, error)
}

// Segments keeps segments and counts audiences.
type Segments interface {
	Create(ctx context.Context, in campaign.SegmentInput) (campaign.Segment, error)
	Get(ctx context.Context, id uuid.UUID) (campaign.Segment, error)
	List(ctx context.Context) ([]campaign.Segment, error)
	Count(ctx context.Context, rules json.RawMessage) (int, error)
	Sample(ctx context.Context, rules json.RawMessage, limit int) ([]campaign.SampleCustomer, error)
}

// Campaigns keeps, rehearses, launches and steers campaigns.
type Campaigns interface {
	Create(ctx context.Context, in campaign.CreateInput) (campaign.Campaign, error)
	Get(ctx context.Context, id uuid.UUID) (campaign.Campaign, error)
	ListAfter(ctx context.Context, after cursor.Position, limit int) (cursor.Page[campaign.Campaign], error)
	RehearseDraft(ctx context.Context, id uuid.UUID) (campaign.Campaign, campaign.Rehearsal, error)
	LaunchIf(ctx context.Context, id uuid.UUID, m customer.Match) (campaign.Campaign, error)
	Pause(ctx context.Context, id uuid.UUID) (campaign.Progress, error)
	Resume(ctx context.Context, id uuid.UUID) (campaign.Progress, error)
	Cancel(ctx context.Context, id uuid.UUID) (campaign.Progress, error)
	RetryFailed(ctx context.Context, id uuid.UUID) (campaign.Campaign, int, error)
	Progress(ctx context.Context, id uuid.UUID) (campaign.Progress, error)
}

// Ledger shows what became of a campaign's recipients.
type Ledger interface {
	Entries(ctx context.Context, f campaign.EntryFilter) (cursor.Page[campaign.Entry], error)
	Find(ctx context.Context, campaignID, ref uuid.UUID) (campaign.EntryDetail, error)
}

// Deps are what New needs. Every field but WorkflowURL and Version is required.
type Deps struct {
	Ingest    Ingest
	Records   Records
	Segments  Segments
	Campaigns Campaigns
	Ledger    Ledger
	Audit     auth.AuditWriter
	// Used keeps which confirmations were used, for all processes.
	Used idempotency.Store
	// ConfirmKey signs confirmations. All processes that share a database have the same.
	ConfirmKey []byte
	// RequestID names the request of a context, for the audit log; "" outside of one.
	RequestID func(ctx context.Context) string
	// WorkflowURL gives the page of a workflow in the Temporal Web UI; nil where there is none to link to.
	WorkflowURL func(workflowID string) string
	Log         *slog.Logger
	Now         func() time.Time
	// Version is the build, told to clients.
	Version string
}

// leastKey: a shorter secret than this many bytes could be tried out.
const leastKey = 32

// Validate lists everything that is missing. Start-up calls it; New assumes it.
func (d Deps) Validate() error {
	var faults []error
	for name, missing := range map[string]bool{
		"Ingest": d.Ingest == nil, "Records": d.Records == nil, "Segments": d.Segments == nil, "Campaigns": d.Campaigns == nil,
		"Ledger": d.Ledger == nil, "Audit": d.Audit == nil, "Used": d.Used == nil, "RequestID": d.RequestID == nil,
		"Log": d.Log == nil, "Now": d.Now == nil, "ConfirmKey (32 bytes or more)": len(d.ConfirmKey) < leastKey,
	} {
		if missing {
			faults = append(faults, fmt.Errorf("mcpserver: %s is not set", name))
		}
	}
	return errors.Join(faults...)
}
