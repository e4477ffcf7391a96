package campaign

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/segment"
)

// SegmentStore keeps segments and evaluates rules over the projected customers.
type SegmentStore interface {
	InsertSegment(ctx context.Context, s Segment) (Segment, error)
	// UpdateSegment replaces name, description, rules and count, and adds one to the version. A Version
	// other than 0 is the one that must be there; customer.ErrStale in an errs.Conflict if it is not.
	UpdateSegment(ctx context.Context, s Segment) (Segment, error)
	// DeleteSegment gives errs.Conflict when a campaign refers to the segment.
	DeleteSegment(ctx context.Context, id uuid.UUID) error
	Segment(ctx context.Context, id uuid.UUID) (Segment, error)
	Segments(ctx context.Context) ([]Segment, error)
	// SegmentsAfter gives up to limit segments that follow a position.
	SegmentsAfter(ctx context.Context, after cursor.Position, limit int) ([]Segment, error)
	// SegmentUsers gives the campaigns that refer to the segment.
	SegmentUsers(ctx context.Context, id uuid.UUID) ([]Ref, error)
}

// AudienceReader evaluates rules, with the one compiler that the launch uses too.
type AudienceReader interface {
	CountAudience(ctx context.Context, rules segment.Rules) (int, error)
	SampleAudience(ctx context.Context, rules segment.Rules, limit int) ([]SampleCustomer, error)
}

// Ref names a campaign.
type Ref struct {
	ID   uuid.UUID
	Name string
}

// Store keeps campaigns.
type Store interface {
	// InsertCampaign stores the campaign and its empty books in one transaction. When the id is taken
	// by the same request (same hash) it gives the stored campaign and false.
	InsertCampaign(ctx context.Context, c Campaign, requestHash []byte) (Campaign, bool, error)
	Campaign(ctx context.Context, id uuid.UUID) (Campaign, error)
	Campaigns(ctx context.Context, p PageRequest) (Page[Campaign], error)
	// CampaignsAfter gives up to limit campaigns that follow a position.
	CampaignsAfter(ctx context.Context, after cursor.Position, limit int) ([]Campaign, error)
	// AllCampaigns gives the newest campaigns with their books, at most limit.
	AllCampaigns(ctx context.Context, limit int) ([]Campaign, error)
	// ConfirmStart records that the workflow of the round is known to have been started.
	ConfirmStart(ctx context.Context, id uuid.UUID, round int) error
	// Unstarted gives campaigns whose start is not confirmed though they are older than age.
	Unstarted(ctx context.Context, age time.Duration, limit int) ([]Campaign, error)
	// RearmFailed starts a new round: every message that failed for a reason that may pass becomes
	// PENDING again with maxAttempts more, in one transaction with the books. It gives the campaign
	// and how many were re-armed; none leaves everything as it was.
	RearmFailed(ctx context.Context, id uuid.UUID, retryableCodes []string) (Campaign, int, error)
	DraftStore
}

// DraftStore moves and changes drafts, each by one compare-and-set: of a launch, an edit and a deletion
// at the same moment one wins. Each gives errs.Conflict when the campaign is no draft any more, and with
// customer.ErrStale in it when it is a draft of another version.
type DraftStore interface {
	// LaunchDraft moves a DRAFT to ACTIVE or SCHEDULED; version 0 takes any.
	LaunchDraft(ctx context.Context, id uuid.UUID, version int) (Campaign, error)
	// UpdateDraft replaces what a client says of a campaign. Version is the one that was read; the
	// campaign it gives has the next.
	UpdateDraft(ctx context.Context, c Campaign) (Campaign, error)
	DeleteDraft(ctx context.Context, id uuid.UUID) error
}

// Rehearser tries a launch out: the code of the launch, without storing anything.
type Rehearser interface {
	RehearseAudience(ctx context.Context, r AudienceRequest, within RehearsalLimits) (Rehearsal, error)
}

// Engine starts and steers the workflows. Every call is harmless when repeated.
type Engine interface {
	// Start starts the workflow of the campaign's current round; already started is success.
	Start(ctx context.Context, c Campaign) error
	Pause(ctx context.Context, c Campaign) (Progress, error)
	Resume(ctx context.Context, c Campaign) (Progress, error)
	Cancel(ctx context.Context, c Campaign) (Progress, error)
	SetRate(ctx context.Context, c Campaign, perSecond float64) (Progress, error)
	Progress(ctx context.Context, c Campaign) (Progress, error)
}

// DashboardRow is one customer of the reference's dashboard; never with a null that its page
// cannot bear.
type DashboardRow struct {
	Name        string
	Email       string
	TotalSpend  string
	TotalOrders int
	TotalVisits int
	Status      string
}

// Dashboard reads the projected customers, newest synchronised first.
type Dashboard interface {
	DashboardRows(ctx context.Context, p PageRequest) (Page[DashboardRow], error)
}
