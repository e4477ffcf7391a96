package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/vendor"
)

// signatureAge is how far the vendor's clock and ours may be apart, and so how long a captured
// request can be replayed.
const signatureAge = 5 * time.Minute

// receipts takes what the vendor says became of messages. 202 means that the broker has it.
type receipts struct {
	signatures *signatures
	publisher  ReceiptPublisher
	now        func() time.Time
}

func newReceipts(d Deps) receipts {
	s, err := newSignatures(d.WebhookSecret)
	if err != nil {
		// Fail closed and loud: a nil *signatures is good for nothing.
		d.Logger.Error("receipts are refused: the webhook secret is unusable", "error", err)
	}
	return receipts{signatures: s, publisher: d.Receipts, now: d.Now}
}

// receiptView documents vendor.Receipt.
type receiptView struct {
	ReceiptID       string  `json:"receipt_id" maxLength:"255" doc:"The same on every copy of a receipt." example:"0197e5b5-9999-7a64-8a3c-3a5ef2c43a11"`
	CommunicationID string  `json:"communication_id" format:"uuid" doc:"The message, as its Idempotency-Key named it." example:"0197e5b5-3333-5a64-8a3c-3a5ef2c43a11"`
	CampaignID      string  `json:"campaign_id" doc:"The campaign." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	VendorRef       string  `json:"vendor_ref" maxLength:"255" doc:"The vendor's own name of the message." example:"vendor_1757851200000_9f8e7d6c"`
	Attempt         int     `json:"attempt" minimum:"0" doc:"The vendor's count of its answers when it accepted." example:"1"`
	Status          string  `json:"status" doc:"DELIVERED or FAILED; any other is kept for an operator." example:"DELIVERED"`
	ErrorCode       string  `json:"error_code,omitempty" maxLength:"64" doc:"Why it failed." example:"EMAIL_BOUNCED"`
	ErrorMessage    string  `json:"error_message,omitempty" maxLength:"1000" doc:"Why it failed, in words." example:"Email address bounced"`
	OccurredAt      instant `json:"occurred_at" doc:"When it happened." example:"2025-09-14T12:00:00.000Z"`
}

type receiptsBody struct {
	Receipts []receiptView `json:"receipts" nullable:"false" minItems:"1" maxItems:"1000" doc:"Receipts, in any order, any number of times."`
}

type receiptsInput struct {
	ID        string `header:"webhook-id" doc:"Standard Webhooks: names the request." example:"msg_2b9e"`
	Timestamp string `header:"webhook-timestamp" doc:"Standard Webhooks: seconds since 1970; at most five minutes off." example:"1757851200"`
	Signature string `header:"webhook-signature" doc:"Standard Webhooks: v1 and the HMAC-SHA256 of id, timestamp and body." example:"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="`
	Body      jsonBody[receiptsBody]
}

type takenView struct {
	Accepted int `json:"accepted" doc:"Receipts that the broker now has." example:"100"`
}

// take publishes what can be read before it complains of the rest: a vendor that repeats the batch
// for the sake of one broken receipt must not hold up its neighbours.
func (r receipts) take(ctx context.Context, in *receiptsInput) (*reply[queued[takenView]], error) {
	if !mayPost(ctx) {
		if err := r.signatures.verify(in, r.now()); err != nil {
			return nil, err
		}
	}
	all, err := vendor.DecodeReceipts(in.Body.raw)
	if err != nil {
		return nil, garbage(err)
	}
	var regular, odd []event.Receipt
	var broken []errs.Field
	for i, got := range all {
		one, err := readReceipt(got)
		switch {
		case err != nil:
			broken = append(broken, underReceipt(i, err)...)
		case isRegular(one):
			regular = append(regular, one)
		default:
			odd = append(odd, one)
		}
	}
	if err := r.publish(ctx, regular, odd); err != nil {
		return nil, err
	}
	if len(broken) > 0 {
		return nil, malformed(broken[:min(len(broken), maxFaults)])
	}
	return &reply[queued[takenView]]{Body: queued[takenView]{
		Success: true, Message: "Receipts received and queued for processing", Data: takenView{Accepted: len(all)},
	}}, nil
}

// mayPost reports whether the caller's key is proof enough. Nobody in particular has to sign.
func mayPost(ctx context.Context) bool {
	p, known := auth.FromContext(ctx)
	return known && p.Kind != auth.Nobody && p.Allows(auth.WriteReceipts)
}

// publish sends an odd receipt in a message of its own: the consumer parks whole messages.
func (r receipts) publish(ctx context.Context, regular, odd []event.Receipt) error {
	if len(regular) > 0 {
		if err := r.publisher.PublishReceipts(ctx, regular); err != nil {
			return fmt.Errorf("publish receipts: %w", err)
		}
	}
	for _, one := range odd {
		if err := r.publisher.PublishReceipts(ctx, []event.Receipt{one}); err != nil {
			return fmt.Errorf("publish odd receipt: %w", err)
		}
	}
	return nil
}

// readReceipt reads one receipt. Its status may be any word (T5): the consumer parks what it does
// not know, with what the vendor said.
func readReceipt(got vendor.Decoded) (event.Receipt, error) {
	if got.Err != nil {
		return event.Receipt{}, got.Err
	}
	v := got.Receipt
	said := v.Status
	if vendor.IsRef(string(said)) {
		v.Status = vendor.Delivered
	}
	if err := v.Validate(); err != nil {
		return event.Receipt{}, err
	}
	message, err := uuid.Parse(v.CommunicationID)
	if err != nil {
		return event.Receipt{}, errs.InvalidFields("receipt is not valid",
			[]errs.Field{{Pointer: "/communication_id", Message: "must be a UUID"}})
	}
	v.Status = said
	return wireReceipt(v, message), nil
}

func wireReceipt(v vendor.Receipt, message uuid.UUID) event.Receipt {
	id, err := uuid.Parse(v.ReceiptID)
	if err != nil {
		// Derived, so that a repeat keeps its id.
		id = uuid.NewSHA1(uuid.NameSpaceOID, []byte("receipt\x00"+v.ReceiptID))
	}
	at := v.OccurredAt.UTC()
	out := event.Receipt{
		// Nothing of this depends on our clock: a repeat is the same bytes.
		ReceiptID: &id, CommunicationID: message, AttemptNumber: v.Attempt, ProcessedAt: at,
		Response: event.DeliveryResponse{
			Status: string(v.Status), VendorRef: notEmpty(v.VendorRef),
			ErrorCode: notEmpty(string(v.ErrorCode)), ErrorMessage: notEmpty(v.ErrorMessage),
		},
	}
	if c, err := uuid.Parse(v.CampaignID); err == nil {
		out.CampaignID = &c // Only a hint: the message is found by its own id.
	}
	switch v.Status {
	case vendor.Delivered:
		out.Response.Status, out.Response.DeliveredAt = event.ResponseSuccess, &at
	case vendor.Failed:
		out.Response.Status, out.Response.FailedAt = event.ResponseFailed, &at
	}
	return out
}

// isRegular reports whether the consumer will take a receipt; one that it parks would take the
// others of its message along.
func isRegular(r event.Receipt) bool {
	const maxAttempt, maxCode, maxText = 1_000_000, 50, 1000 // those of the consumer
	at := orDefault(deref(r.Response.DeliveredAt), deref(r.Response.FailedAt))
	return (r.Response.DeliveredAt != nil || r.Response.FailedAt != nil) &&
		r.CommunicationID != uuid.Nil && r.AttemptNumber <= maxAttempt &&
		len(deref(r.Response.ErrorCode)) <= maxCode && len(deref(r.Response.ErrorMessage)) <= maxText &&
		at.Year() >= 1970 && at.Year() <= 9999
}

// garbage is a body that holds no receipts at all.
func garbage(err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return malformed([]errs.Field{{Message: "is no batch of receipts: " + e.Text}})
	}
	return err
}

func underReceipt(i int, err error) []errs.Field {
	at := "/receipts/" + strconv.Itoa(i)
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Fields) == 0 {
		return []errs.Field{{Pointer: at, Message: strings.TrimPrefix(err.Error(), "body ")}}
	}
	fields := slices.Clone(e.Fields)
	for j := range fields {
		fields[j].Pointer = at + fields[j].Pointer
	}
	return fields
}

func notEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// signatures checks that a request is the vendor's and fresh.
type signatures struct{ webhook *webhooks.Webhook }

// newSignatures refuses secrets that Standard Webhooks would call too short: with an empty one,
// anybody could sign.
func newSignatures(secret string) (*signatures, error) {
	const least, most = 24, 64
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, errors.New("must be whsec_ and base64") // The cause would repeat a part of the secret.
	}
	if len(key) < least || len(key) > most {
		return nil, fmt.Errorf("must hold %d to %d bytes", least, most)
	}
	w, err := webhooks.NewWebhookRaw(key)
	return &signatures{w}, err
}

// verify compares in constant time. What exactly is wrong is not told.
func (s *signatures) verify(in *receiptsInput, now time.Time) error {
	refusal := newProblem(http.StatusUnauthorized, typeUnauthorize, "The webhook signature is not valid")
	seconds, err := strconv.ParseInt(in.Timestamp, 10, 64)
	if s == nil || err != nil {
		return refusal
	}
	if now.Sub(time.Unix(seconds, 0)).Abs() > signatureAge {
		return refusal
	}
	h := http.Header{}
	h.Set(webhooks.HeaderWebhookID, in.ID)
	h.Set(webhooks.HeaderWebhookTimestamp, in.Timestamp)
	h.Set(webhooks.HeaderWebhookSignature, in.Signature)
	// Its own age check uses a clock that tests cannot set.
	if s.webhook.VerifyIgnoringTimestamp(in.Body.raw, h) != nil {
		return refusal
	}
	return nil
}
