// Package vendor is the port to whoever delivers messages: what is asked, what comes back, and the
// wire names both sides share.
//
// The contract, which vendortest checks: one idempotency key per message for ever; a retryable
// refusal leaves the key open; a delivery or a permanent refusal settles it, and asking again
// repeats the settled answer; at most one physical delivery per key, ever.
//
// The package does no I/O, decides no retries and counts no attempts.
package vendor

import "context"

// Client hands one message to the vendor. It is safe for concurrent use.
//
// A nil error means that the vendor accepted. Any other end is an *Error; its Kind says whether the
// vendor refused for good, refused for now, or may or may not have got the message.
type Client interface {
	Send(ctx context.Context, r Request) (Result, error)
}

// Header names of a request.
const (
	// HeaderIdempotencyKey names the message; the vendor delivers one key at most once.
	HeaderIdempotencyKey = "Idempotency-Key"
	// HeaderAttempt tells the vendor which attempt this is. It is for the vendor's logs only.
	HeaderAttempt = "X-Attempt"
	// HeaderMaxAttempts is how many answers the sender wants at most for this key. A vendor that has
	// given that many repeats the last one, so an answer lost on the way never changes the end.
	HeaderMaxAttempts = "X-Max-Attempts"
)

// MessagesPath is where messages are posted, under the vendor's base URL.
const MessagesPath = "/v1/messages"

// MaxBody bounds a request and an answer in bytes. A message is a few hundred bytes, templates are
// limited well below this; more is a mistake or an attack.
const MaxBody = 64 << 10

// Request is one message for one recipient.
//
// Its JSON must be byte-identical on every attempt: vendors fingerprint the body and answer 422 when
// a key comes back with another one. So the reference's attempt_number, max_attempts and timestamp
// are not in the body; the numbers travel as HeaderAttempt and HeaderMaxAttempts.
type Request struct {
	// IdempotencyKey is the communication id as a string, the same on every attempt.
	IdempotencyKey  string `json:"-"`
	CommunicationID string `json:"communication_id"`
	CampaignID      string `json:"campaign_id"`
	CustomerID      string `json:"customer_id"`
	// Recipient is an e-mail address.
	Recipient     string `json:"customer_email"`
	RecipientName string `json:"customer_name"`
	Body          string `json:"message_text"`
	CampaignName  string `json:"campaign_name"`
	CampaignType  string `json:"campaign_type"`
	// Attempt counts from 1.
	Attempt     int `json:"-"`
	MaxAttempts int `json:"-"`
}

// Result is an acceptance.
type Result struct {
	// VendorRef is the vendor's own name for the delivery, the same whenever the key is repeated.
	VendorRef string
	// Answer is the vendor's own count of answers given for this key, 0 if it does not say. When an
	// answer was lost it is ahead of what the sender counted, and it is the truth: a retryable refusal
	// whose Answer has reached the maximum is the last word, for the vendor will only repeat it.
	Answer int
}

// Status of an Answer on the wire.
const (
	// StatusAccepted means that the message will be delivered, or has been.
	StatusAccepted = "ACCEPTED"
	// StatusFailed means that this answer is a refusal.
	StatusFailed = "FAILED"
)

// Answer is the JSON body of every answer that the vendor itself gives. An answer without it comes
// from something in between (a proxy, a load balancer) and says nothing about the message.
type Answer struct {
	Status          string `json:"status"`
	VendorRef       string `json:"vendor_ref,omitempty"`
	CommunicationID string `json:"communication_id"`
	// Answer is the vendor's count of answers for the key, absent when the key was never counted.
	Answer       int    `json:"answer,omitempty"`
	ErrorCode    Code   `json:"error_code,omitempty"`
	ErrorMessage string `json:"error_message,omitempty"`
	Retryable    bool   `json:"retryable,omitempty"`
}
