package workflows

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
)

// TaskQueue is the one task queue of campaigns: eager dispatch needs workflow and activity tasks on
// the same one.
const TaskQueue = "xencrm-campaigns"

// PagesQueue is the task queue of the pages of campaigns that run on queue. It is another one, so that
// pages, which last for seconds, never keep a slot from an activity that somebody waits for.
func PagesQueue(queue string) string { return queue + "-pages" }

// Wire names of signals, updates and queries.
const (
	// ReceiptsSignal carries campaign.Totals from the receipt consumer to a campaign.
	ReceiptsSignal = "receipts"
	// controlSignal carries Control from a campaign to its lanes.
	controlSignal = "control"

	PauseUpdate   = "pause"
	ResumeUpdate  = "resume"
	CancelUpdate  = "cancel"
	SetRateUpdate = "set_rate"

	ProgressQuery = "progress"
)

// Search attributes of a campaign's workflow, all of type Keyword.
const (
	AttrCampaignStatus = "CampaignStatus"
	AttrCampaignName   = "CampaignName"
	AttrSegmentID      = "SegmentId"
)

// CampaignWorkflowID is the id of the workflow of one round of a campaign.
func CampaignWorkflowID(id uuid.UUID, round int) string { return campaign.WorkflowID(id, round) }

// LaneWorkflowID is the id of one lane of a round.
func LaneWorkflowID(id uuid.UUID, round, lane int) string {
	return fmt.Sprintf("%s-lane-%02d", CampaignWorkflowID(id, round), lane)
}

// CampaignInput starts CampaignWorkflow. Carried is empty on the first run of the chain.
type CampaignInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	Round      int       `json:"round,omitempty"`
	// StartAt delays the start; the zero time and the past mean at once.
	StartAt         time.Time     `json:"start_at,omitzero"`
	Rate            float64       `json:"rate,omitempty"`
	ReceiptDeadline time.Duration `json:"receipt_deadline"`
	// Window is when the campaign may send; nil is at any time.
	Window  *campaign.SendWindow `json:"window,omitempty"`
	Carried *CampaignState       `json:"carried,omitempty"`
}

// CampaignResult is what a campaign's workflow ends with.
type CampaignResult struct {
	Status campaign.Status `json:"status"`
	Totals campaign.Totals `json:"totals"`
}

// Phase is what a campaign is doing.
type Phase string

// The phases of a campaign, in order.
const (
	PhaseScheduled Phase = "SCHEDULED"
	PhaseAudience  Phase = "AUDIENCE"
	PhaseSending   Phase = "SENDING"
	PhaseReceipts  Phase = "RECEIPTS"
	PhaseClosing   Phase = "CLOSING"
	PhaseClosed    Phase = "CLOSED"
)

// CampaignState is everything of a campaign that survives continue-as-new.
type CampaignState struct {
	Phase     Phase `json:"phase"`
	Paused    bool  `json:"paused,omitempty"`
	Cancelled bool  `json:"cancelled,omitempty"`
	// Closed says that the send window is closed; WindowUntil is when that changes.
	Closed      bool            `json:"closed,omitempty"`
	WindowUntil time.Time       `json:"window_until,omitzero"`
	Rate        float64         `json:"rate,omitempty"`
	Totals      campaign.Totals `json:"totals"`
	// StartedAt is when the first run of the chain began.
	StartedAt time.Time `json:"started_at,omitzero"`
	// Ranges are the parts of the audience that are still to be sent, one a lane.
	Ranges []Range `json:"ranges,omitempty"`
	// Sparse says that only some messages of the ranges are pending; see LaneInput.
	Sparse bool `json:"sparse,omitempty"`
	// PageSize is that of a paged campaign, 0 of any other.
	PageSize int `json:"page_size,omitempty"`
	// ReceiptsUntil is when the books close although receipts are missing.
	ReceiptsUntil time.Time `json:"receipts_until,omitzero"`
	Runs          int       `json:"runs,omitempty"`
}

// Range is a part of the audience: the sequence numbers from First to Last, and some before First that wait for
// another attempt.
type Range struct {
	First   int     `json:"first"`
	Last    int     `json:"last"`
	Waiting []Retry `json:"waiting,omitempty"`
}

func (r Range) empty() bool { return r.First > r.Last && len(r.Waiting) == 0 }

// Control tells a lane how to go on. It is absolute, so a repeated or late one does no harm:
// the greatest Revision wins.
type Control struct {
	Revision  int     `json:"revision"`
	Paused    bool    `json:"paused,omitempty"`
	Cancelled bool    `json:"cancelled,omitempty"`
	Drain     bool    `json:"drain,omitempty"`
	Rate      float64 `json:"rate,omitempty"`
	// From is when the first send is due of a lane that has a rate and starts or goes on. Each lane has its own, so
	// that their sends alternate.
	From time.Time `json:"from,omitzero"`
}

// LaneInput starts LaneWorkflow.
type LaneInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	Range      Range     `json:"range"`
	// Sparse says that only some messages of the range are pending: the lane asks which. A retry
	// of the failed ones is sparse, a launch is not.
	Sparse bool `json:"sparse,omitempty"`
	// PageSize makes first attempts page by page; see pages.go. A sparse lane has none.
	PageSize int     `json:"page_size,omitempty"`
	Control  Control `json:"control"`
	// Tally is what earlier runs of the lane counted.
	Tally Tally `json:"tally"`
}

// LaneResult is what a lane ends with: Rest is empty unless it was asked to drain or was cancelled.
type LaneResult struct {
	Rest  Range `json:"rest"`
	Tally Tally `json:"tally"`
}

// Tally counts the ends of sends in one lane, for the Web UI; the books stand in the database.
type Tally struct {
	Sent   int `json:"sent,omitempty"`
	Failed int `json:"failed,omitempty"`
	Other  int `json:"other,omitempty"`
}
