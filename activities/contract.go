package activities

import (
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
)

// AudienceInput asks for a campaign's audience to be resolved.
type AudienceInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
}

// AudienceResult is a resolved audience: messages 1..Sendable are to be sent.
type AudienceResult struct {
	Sendable int             `json:"sendable"`
	Totals   campaign.Totals `json:"totals"`
	// Name, SegmentID label the workflow in the Web UI; neither is personal data.
	Name      string    `json:"name"`
	SegmentID uuid.UUID `json:"segment_id"`
	// PageSize is how many messages a page holds; 0 means that every customer has an activity.
	PageSize int `json:"page_size,omitempty"`
}

// MostAhead is how far ahead sends are planned at most: over the second by which Temporal's timers may be
// late, with half of one to spare.
const MostAhead = 1500 * time.Millisecond

// SendInput names one message.
type SendInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	Seq        int       `json:"seq"`
	// Due is when to post, at most MostAhead from now; the zero time is at once. Later attempts do not wait.
	Due time.Time `json:"due,omitzero"`
	// Again says that the message was tried already, so what a cache knows of it is old.
	Again bool `json:"again,omitempty"`
	// ReturnRefusals asks for a refusal that may pass as a result that says when to try again. Without it the
	// refusal is an error, after which Temporal tries again: so it is in campaigns that older workers began.
	ReturnRefusals bool `json:"return_refusals,omitempty"`
}

// SendResult is where one message stands after an attempt: a refusal is a result too.
type SendResult struct {
	Status   campaign.MessageStatus `json:"status"`
	Attempts int                    `json:"attempts,omitempty"`
	Code     string                 `json:"code,omitempty"`
	// Wait is how long to wait before the next attempt, of a message that is still pending.
	Wait time.Duration `json:"wait,omitempty"`
}

// PageInput names the messages First to Last of a campaign.
type PageInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	First      int       `json:"first"`
	Last       int       `json:"last"`
	// Rate is the most messages a second that the page may start; 0 is unlimited.
	Rate float64 `json:"rate,omitempty"`
	// Due is when to start the first one, which may be past: then the page catches up.
	Due time.Time `json:"due,omitzero"`
}

// PageResult counts where the messages of a page stand.
type PageResult struct {
	Sent   int `json:"sent,omitempty"`
	Failed int `json:"failed,omitempty"`
	Other  int `json:"other,omitempty"`
	// Again are the messages that need another attempt.
	Again []Again `json:"again,omitempty"`
	// Next is the first message that was not started because the page was told to stop; 0 if none.
	Next int `json:"next,omitempty"`
}

// Again is one message that is to be tried again, and how long to wait before.
type Again struct {
	Seq  int           `json:"seq"`
	Wait time.Duration `json:"wait"`
}

// PendingInput asks for the pending messages after a sequence number.
type PendingInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	After      int       `json:"after"`
	Limit      int       `json:"limit"`
}

// PendingResult lists sequence numbers, rising.
type PendingResult struct {
	Seqs []int `json:"seqs"`
}

// CampaignRef names a campaign.
type CampaignRef struct {
	CampaignID uuid.UUID `json:"campaign_id"`
}

// StatusInput records a campaign's status and pace.
type StatusInput struct {
	CampaignID uuid.UUID       `json:"campaign_id"`
	Status     campaign.Status `json:"status"`
	Rate       float64         `json:"rate,omitempty"`
}

// FinalizeInput asks for the books to be closed with a status.
type FinalizeInput struct {
	CampaignID uuid.UUID       `json:"campaign_id"`
	Status     campaign.Status `json:"status"`
}

// FailInput ends a campaign that cannot go on.
type FailInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	Reason     string    `json:"reason"`
}
