package campaign

// Status is where a campaign stands.
type Status string

// The statuses of a campaign. ACTIVE, as the reference calls it, means running.
const (
	Draft     Status = "DRAFT"
	Scheduled Status = "SCHEDULED"
	Active    Status = "ACTIVE"
	Paused    Status = "PAUSED"
	Completed Status = "COMPLETED"
	Cancelled Status = "CANCELLED"
	Failed    Status = "FAILED"
)

// Ended reports whether the workflow of the campaign's current round is over.
func (s Status) Ended() bool {
	switch s {
	case Completed, Cancelled, Failed:
		return true
	case Draft, Scheduled, Active, Paused:
		return false
	}
	return false
}

// MessageStatus is where one message stands. It is a rank that only rises (see rank), so receipts
// and answers may come in any order and any number of times.
type MessageStatus string

// The statuses of a message.
const (
	// MessagePending means that the vendor has not accepted it; it may have refused it retryably.
	MessagePending MessageStatus = "PENDING"
	// MessageSkipped means that it was never to be sent; the row says why.
	MessageSkipped MessageStatus = "SKIPPED"
	// MessageCancelled means that the campaign was cancelled before it was sent.
	MessageCancelled MessageStatus = "CANCELLED"
	// MessageSent means that the vendor accepted it; the receipt is awaited.
	MessageSent MessageStatus = "SENT"
	// MessageFailed means that it was refused for good, given up, or reported undeliverable.
	MessageFailed MessageStatus = "FAILED"
	// MessageDelivered means that the vendor reported it delivered. Nothing undoes that.
	MessageDelivered MessageStatus = "DELIVERED"
)

// rank orders the statuses. SKIPPED and CANCELLED stand below SENT because a fact told by the
// vendor wins over our intent: a message whose answer was lost before the cancel was sent all the
// same, and the books must say so.
func (s MessageStatus) rank() int {
	switch s {
	case MessagePending:
		return 0
	case MessageSkipped, MessageCancelled:
		return 1
	case MessageSent:
		return 2
	case MessageFailed:
		return 3
	case MessageDelivered:
		return 4
	}
	return -1
}

// MessageStatuses lists every status, in rising rank.
func MessageStatuses() []MessageStatus {
	return []MessageStatus{
		MessagePending, MessageSkipped, MessageCancelled, MessageSent, MessageFailed, MessageDelivered,
	}
}
