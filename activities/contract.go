package activities

import (
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
}

// SendInput names one message.
type SendInput struct {
	CampaignID uuid.UUID `json:"campaign_id"`
	Seq        int       `json:"seq"`
}

// SendResult is where one message stands after its send: a refusal for good is a result too.
type SendResult struct {
	Status   campaign.MessageStatus `json:"status"`
	Attempts int                    `json:"attempts,omitempty"`
	Code     string                 `json:"code,omitempty"`
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
