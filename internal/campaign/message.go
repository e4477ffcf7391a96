package campaign

import (
	"time"

	"github.com/google/uuid"
)

// communicationSpace is the UUIDv5 namespace of the ids that are derived here.
var communicationSpace = uuid.MustParse("6f6d6d75-6e69-4361-9469-6f6e00000001")

// CommunicationID derives the id of the one message that a campaign sends to a customer. It is also
// the vendor's idempotency key, the same on every attempt for ever.
//
// It is a UUIDv8: 16 bits of the campaign, the first 44 of the customer, and a hash of both. So a campaign's
// ids, taken in the order of its customers, which is the order of sending, rise: what is written together
// stands together in every index, the vendor's too, where UUIDv5 met another page of each for every message.
func CommunicationID(campaignID, customerID uuid.UUID) uuid.UUID {
	var pair [32]byte
	copy(pair[:16], campaignID[:])
	copy(pair[16:], customerID[:])
	id := uuid.NewSHA1(communicationSpace, pair[:])
	copy(id[:2], campaignID[14:]) // Its end: the beginning is the time in a UUIDv7, much alike in all campaigns.
	copy(id[2:6], customerID[:4])
	// 16 ms of a UUIDv7; the version takes the first half of a byte.
	id[6] = 8<<4 | customerID[4]>>4
	id[7] = customerID[4]<<4 | customerID[5]>>4
	return id
}

// Message is one row of the ledger as the sender needs it.
type Message struct {
	CommunicationID uuid.UUID
	CustomerID      uuid.UUID
	Seq             int
	Recipient       string
	RecipientName   string
	Body            string
	Status          MessageStatus
	Attempts        int
	MaxAttempts     int
	// Suppressed says that the recipient asked not to be written to after the audience was resolved.
	Suppressed bool
}

// SendContext is what all messages of a campaign share when they are sent.
type SendContext struct {
	CampaignName string
	CampaignType string
	Status       Status
	SendDeadline time.Duration
	// Hours are those of the send window; nil is at any time.
	Hours *Hours
}

// SkipReason says why a customer of the audience is not written to.
type SkipReason string

// The reasons for which a message is skipped.
const (
	SkipNoEmail    SkipReason = "NO_EMAIL"
	SkipSuppressed SkipReason = "SUPPRESSED"
	// SkipRender means that the template could not be rendered for this customer.
	SkipRender SkipReason = "RENDER_FAILED"
)

// Failure codes of our own, beside those of the vendor.
const (
	// CodeSendDeadline means that the vendor gave no answer until the campaign's send deadline.
	CodeSendDeadline = "SEND_DEADLINE"
)

// AnswerKind says what one try at sending came to.
type AnswerKind string

// The kinds of answers, named as send_attempts stores them.
const (
	// AnswerAccepted: the vendor has the message; a receipt will follow.
	AnswerAccepted AnswerKind = "ACCEPTED"
	// AnswerRetryable: the vendor refused it for now. Uses up one attempt.
	AnswerRetryable AnswerKind = "RETRYABLE"
	// AnswerPermanent: the vendor refused it for good.
	AnswerPermanent AnswerKind = "PERMANENT"
	// AnswerExpired: nobody answered until the send deadline; we give up. Uses up no attempt.
	AnswerExpired AnswerKind = "EXPIRED"
	// AnswerSkipped: we decided not to send it (unsubscribed meanwhile). Uses up no attempt.
	AnswerSkipped AnswerKind = "SKIPPED"
)

// Answer is the outcome of one try at sending one message.
type Answer struct {
	CampaignID      uuid.UUID
	CommunicationID uuid.UUID
	Kind            AnswerKind
	// Number is the vendor's own count of its answers to this message, 0 when it keeps none. It
	// makes the count right also when an earlier answer was lost in a crash of ours.
	Number    int
	VendorRef string
	Code      string
	Reason    string
	At        time.Time
	Latency   time.Duration
}

// Receipt is the vendor's later word on one message.
type Receipt struct {
	ReceiptID       uuid.UUID
	CommunicationID uuid.UUID
	Attempt         int
	VendorRef       string
	// Delivered is false for a failure, which Code and Reason then explain.
	Delivered  bool
	Code       string
	Reason     string
	OccurredAt time.Time
}

// MessageState is the part of a ledger row that answers and receipts change.
type MessageState struct {
	Status      MessageStatus
	Attempts    int
	MaxAttempts int
	// HandedOver says that the vendor is known to have seen the message.
	HandedOver bool
	VendorRef  string
	Code       string
	Reason     string
	SkipReason SkipReason
}

// AfterAnswer merges the outcome of a send. Merging the same answer again changes nothing when the
// vendor numbers its answers. A refusal never lowers what is known better: a message that was
// accepted stays accepted, whichever zombie reports an older refusal.
func (s MessageState) AfterAnswer(a Answer) MessageState {
	if a.Kind == AnswerExpired {
		return s.afterExpiry(a)
	}
	if a.Kind == AnswerSkipped {
		return s.afterSkip(a)
	}
	repeated := a.Number > 0 && a.Number <= s.Attempts && s.HandedOver
	s.HandedOver = true
	s.Attempts = countAnswer(s.Attempts, a.Number)
	switch a.Kind {
	case AnswerAccepted:
		s.VendorRef = a.VendorRef
		s = s.raise(MessageSent)
	case AnswerPermanent:
		s = s.refuse(a)
	case AnswerRetryable:
		switch {
		case s.Attempts >= s.MaxAttempts:
			s = s.refuse(a)
		case s.Status == MessagePending && !repeated:
			s.Code, s.Reason = a.Code, a.Reason
		}
	case AnswerExpired, AnswerSkipped: // handled above
	}
	return s
}

// AfterReceipt merges a receipt: the final status is the greatest rank over all receipts, so order
// and copies do not matter, and a late failure never undoes a delivery.
func (s MessageState) AfterReceipt(r Receipt) MessageState {
	s.HandedOver = true
	s.Attempts = max(s.Attempts, r.Attempt)
	if s.VendorRef == "" {
		s.VendorRef = r.VendorRef
	}
	if r.Delivered {
		return s.raise(MessageDelivered)
	}
	if s.Status.rank() < MessageFailed.rank() {
		s = s.raise(MessageFailed)
		s.Code, s.Reason = r.Code, r.Reason
	}
	return s
}

// Cancelled gives the state after the campaign was cancelled.
func (s MessageState) Cancelled() MessageState {
	if s.Status == MessagePending {
		s.Status = MessageCancelled
	}
	return s
}

func (s MessageState) afterExpiry(a Answer) MessageState {
	if s.Status == MessagePending {
		s.Status, s.Code, s.Reason = MessageFailed, a.Code, a.Reason
	}
	return s
}

func (s MessageState) afterSkip(a Answer) MessageState {
	if s.Status == MessagePending {
		s.Status, s.SkipReason = MessageSkipped, SkipReason(a.Code)
	}
	return s
}

// refuse ends a message that the vendor never took. It applies to PENDING alone: on any other
// status it is older news, or the campaign was cancelled meanwhile.
func (s MessageState) refuse(a Answer) MessageState {
	if s.Status == MessagePending {
		s.Status, s.Code, s.Reason = MessageFailed, a.Code, a.Reason
	}
	return s
}

func (s MessageState) raise(to MessageStatus) MessageState {
	if to.rank() <= s.Status.rank() {
		return s
	}
	s.Status = to
	s.Code, s.Reason, s.SkipReason = "", "", ""
	return s
}

// countAnswer prefers the vendor's number; without one each answer counts as one more.
func countAnswer(have, number int) int {
	if number > 0 {
		return max(have, number)
	}
	return have + 1
}
