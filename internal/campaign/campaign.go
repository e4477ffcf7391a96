package campaign

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/message"
	"github.com/xencrm/xencrm/internal/segment"
)

// Type is what a campaign is for; transactional ones go first where the vendor's rate is limited.
type Type string

// The campaign types of the reference.
const (
	Promotional   Type = "PROMOTIONAL"
	Transactional Type = "TRANSACTIONAL"
	Newsletter    Type = "NEWSLETTER"
	Reminder      Type = "REMINDER"
)

// Campaign is a campaign as stored.
type Campaign struct {
	ID              uuid.UUID
	SegmentID       uuid.UUID
	SegmentName     string
	Rules           json.RawMessage
	Name            string
	MessageTemplate string
	Type            Type
	Status          Status
	// TargetCount is the audience: estimated when the campaign is created, exact once resolved.
	TargetCount int
	// FanOut is what was asked for, and from the resolved audience on what is done.
	FanOut FanOut
	// Rate is messages per second over the whole campaign; 0 is unlimited.
	Rate            float64
	MaxAttempts     int
	SendDeadline    time.Duration
	ReceiptDeadline time.Duration
	ScheduledAt     *time.Time
	// SendWindow is nil for a campaign that sends at any time.
	SendWindow *SendWindow
	// Version counts the edits of a draft from 1; a launch ends them.
	Version int
	// Round is 0 for the launch; each retry of the failed ones adds one.
	Round         int
	WorkflowID    string
	FailureReason string
	CreatedBy     string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	StartedAt     *time.Time
	FinishedAt    *time.Time
	// Stats is nil while the audience is not resolved.
	Stats *Stats
}

// Stats are the books as clients see them.
type Stats struct {
	Totals
	DeliveryRate decimal.Decimal
	LastUpdated  time.Time
}

// Segment is a saved audience description.
type Segment struct {
	ID           uuid.UUID
	Name         string
	Description  *string
	Rules        json.RawMessage
	PreviewCount *int
	Version      int
	CreatedBy    string
	UpdatedBy    string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// SampleCustomer is one customer of a preview.
type SampleCustomer struct {
	ID                 uuid.UUID
	Name               *string
	Email              *string
	TotalSpend         decimal.Decimal
	TotalVisits        int
	TotalOrders        int
	Status             string
	DaysSinceLastOrder *int
}

// Page is one page of the reference's numbered paging, and how many records there are in all.
type Page[T any] struct {
	Items []T
	Total int
}

// PageRequest asks for page Number (from 1) of Limit records.
type PageRequest struct {
	Number int
	Limit  int
}

// Offset is the number of records before the page.
func (p PageRequest) Offset() int { return (p.Number - 1) * p.Limit }

// Progress is what a running campaign's workflow says of itself.
type Progress struct {
	Phase  string  `json:"phase"`
	Paused bool    `json:"paused"`
	Rate   float64 `json:"rate"`
	// WaitsUntil is when the send window opens, nil when it is open or there is none.
	WaitsUntil *time.Time `json:"waits_until,omitempty"`
	Totals     Totals     `json:"totals"`
}

// WorkflowID is the id of the workflow that runs one round of a campaign: one chain for ever.
func WorkflowID(id uuid.UUID, round int) string {
	if round == 0 {
		return "campaign-" + id.String()
	}
	return fmt.Sprintf("campaign-%s-retry-%d", id, round)
}

// AudienceRequest asks the store to resolve a campaign's audience.
type AudienceRequest struct {
	CampaignID uuid.UUID
	Rules      segment.Rules
	// Render gives the message of one customer; it must be a pure function of its argument.
	Render func(message.Recipient) (string, error)
	// UnsubscribeURL gives the link of one customer; nil makes messages without.
	UnsubscribeURL func(customerID uuid.UUID) string
	// PagedAbove decides the fan-out of a campaign that left it open.
	PagedAbove int
	// OnPage is told the number of rows stored so far, after each page.
	OnPage func(stored int)
}

// Audience is a resolved audience: messages 1..Sendable are to be sent, the rest up to
// Totals.Audience are skipped ones.
type Audience struct {
	Sendable int
	// FanOut is how they are dispatched; never Auto.
	FanOut FanOut
	Totals Totals
}
