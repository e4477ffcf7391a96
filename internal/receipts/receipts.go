// Package receipts takes the vendor's receipts off the queue: it parses them, has them merged into
// the ledger and the books, and tells the campaigns' workflows of their new totals.
//
// It owns no transport and no transaction: messages come as bytes, the merge is the store's.
package receipts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// Store merges receipts; see business.Store.
type Store interface {
	ApplyReceipts(ctx context.Context, rs []campaign.Receipt) (
		books map[uuid.UUID]campaign.Totals, unknown []campaign.Receipt, err error)
}

// Quarantine keeps what can never be processed.
type Quarantine interface {
	Park(ctx context.Context, d event.Delivery, reason string) error
}

// Notifier is told the new books of campaigns; it may forget, never block.
type Notifier interface {
	Offer(id uuid.UUID, t campaign.Totals)
}

// Handler processes batches of messages from message_response_queue.
type Handler struct {
	store      Store
	quarantine Quarantine
	notifier   Notifier
	now        func() time.Time
}

// NewHandler makes a handler.
func NewHandler(s Store, q Quarantine, n Notifier, now func() time.Time) *Handler {
	return &Handler{store: s, quarantine: q, notifier: n, now: now}
}

// Handle merges the receipts of all messages in one transaction and gives one result a message: nil
// means that its effect is stored, errs.Invalid that it can never be. Handling a message again
// changes nothing, for every receipt is stored under its id.
func (h *Handler) Handle(ctx context.Context, messages []event.Delivery) []error {
	failpoint.Hit(failpoint.ReceiptReceived)
	results := make([]error, len(messages))
	var all []campaign.Receipt
	from := map[uuid.UUID]int{}
	for i, m := range messages {
		rs, err := Parse(m.Body, h.now)
		if bad, ok := errors.AsType[*badReceiptsError](err); ok {
			err = h.parkBad(ctx, m, bad)
		}
		if err != nil {
			results[i] = err
			continue
		}
		for _, r := range rs {
			from[r.ReceiptID] = i
		}
		all = append(all, rs...)
	}
	if len(all) == 0 {
		return results
	}
	if err := h.apply(ctx, all, messages, from); err != nil {
		for i := range results {
			if results[i] == nil {
				results[i] = err
			}
		}
	}
	return results
}

func (h *Handler) apply(ctx context.Context, rs []campaign.Receipt, messages []event.Delivery, from map[uuid.UUID]int) error {
	books, unknown, err := h.store.ApplyReceipts(ctx, rs)
	if err != nil {
		return fmt.Errorf("apply %d receipts: %w", len(rs), err)
	}
	for _, r := range unknown {
		// The known ones are stored already; parking twice keeps one, so a failure here may repeat all.
		if err := h.park(ctx, r, messages[from[r.ReceiptID]]); err != nil {
			return err
		}
	}
	for id, t := range books {
		h.notifier.Offer(id, t)
	}
	return nil
}

// parkBad keeps the receipts of a batch that can never be processed, each by itself and as it came, so
// that they take none of the others along.
func (h *Handler) parkBad(ctx context.Context, d event.Delivery, bad *badReceiptsError) error {
	for i, raw := range bad.raws {
		d.Body = raw
		if err := h.quarantine.Park(ctx, d, bad.reasons[i].Error()); err != nil {
			return fmt.Errorf("park bad receipt: %w", err)
		}
	}
	return nil
}

// park keeps one receipt whose message is not ours, as it can be published again by itself.
func (h *Handler) park(ctx context.Context, r campaign.Receipt, d event.Delivery) error {
	raw, err := json.Marshal(wireOf(r))
	if err != nil {
		return fmt.Errorf("encode unknown receipt: %w", err)
	}
	d.Body = raw
	if err := h.quarantine.Park(ctx, d, "no such message: "+r.CommunicationID.String()); err != nil {
		return fmt.Errorf("park unknown receipt: %w", err)
	}
	return nil
}

// Limits of one message: the API publishes at most 100 receipts in one, of a few hundred bytes each.
const (
	maxReceipts = 1000
	// maxAttempt bounds what a vendor may claim; the column holds far more.
	maxAttempt = 1_000_000
	maxText    = 1000
)

// badReceiptsError are those of a batch that cannot be read, as they came.
type badReceiptsError struct {
	raws    []json.RawMessage
	reasons []error
}

func (b *badReceiptsError) Error() string {
	return fmt.Sprintf("%d receipts of the batch cannot be read, the first: %v", len(b.raws), b.reasons[0])
}

// Parse reads a message: one receipt in the reference's shape, or a batch of them. With the error of a
// batch come the receipts that it does not concern.
func Parse(body []byte, now func() time.Time) ([]campaign.Receipt, error) {
	if out, ok := parseOwn(body, now); ok {
		return out, nil
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errs.Errorf(errs.Invalid, "empty message")
	}
	var probe struct {
		SchemaVersion int                `json:"schema_version"`
		Receipts      *[]json.RawMessage `json:"receipts"`
	}
	if err := json.Unmarshal(body, &probe); err != nil {
		return nil, errs.Errorf(errs.Invalid, "not a JSON object: %w", err)
	}
	if probe.SchemaVersion > event.SchemaVersion {
		return nil, errs.Errorf(errs.Invalid, "schema version %d is newer than %d", probe.SchemaVersion, event.SchemaVersion)
	}
	raws := []json.RawMessage{body}
	if probe.Receipts != nil {
		raws = *probe.Receipts
	}
	if len(raws) == 0 || len(raws) > maxReceipts {
		return nil, errs.Errorf(errs.Invalid, "a message holds 1 to %d receipts, this one %d", maxReceipts, len(raws))
	}
	out := make([]campaign.Receipt, 0, len(raws))
	var bad badReceiptsError
	for i, raw := range raws {
		r, err := parseOne(raw, now)
		if err != nil {
			bad.raws = append(bad.raws, raw)
			bad.reasons = append(bad.reasons, fmt.Errorf("receipt %d: %w", i, err))
			continue
		}
		out = append(out, r)
	}
	switch {
	case len(bad.raws) == 0:
		return out, nil
	case probe.Receipts == nil:
		return nil, errs.Errorf(errs.Invalid, "%w", bad.reasons[0])
	}
	return out, errs.Errorf(errs.Invalid, "%w", &bad)
}

// ownPrefix is how a batch begins that PublishReceipts made.
var ownPrefix = fmt.Appendf(nil, `{"schema_version":%d,"receipts":`, event.SchemaVersion)

// parseOwn reads a batch of our own in which nothing is wrong, at half the cost: no receipt is kept as it came.
func parseOwn(body []byte, now func() time.Time) (out []campaign.Receipt, ok bool) {
	list, ok := bytes.CutPrefix(body, ownPrefix)
	if ok {
		list, ok = bytes.CutSuffix(list, []byte("}"))
	}
	var wires []event.Receipt
	// Whatever else the object held would make this no list.
	if !ok || json.Unmarshal(list, &wires) != nil || len(wires) == 0 || len(wires) > maxReceipts {
		return nil, false
	}
	out = make([]campaign.Receipt, len(wires))
	for i, w := range wires {
		r, err := receiptOf(w, now)
		if err != nil {
			return nil, false
		}
		out[i] = r
	}
	return out, true
}

func parseOne(raw json.RawMessage, now func() time.Time) (campaign.Receipt, error) {
	var w event.Receipt
	if err := json.Unmarshal(raw, &w); err != nil {
		return campaign.Receipt{}, err
	}
	return receiptOf(w, now)
}

func receiptOf(w event.Receipt, now func() time.Time) (campaign.Receipt, error) {
	r := campaign.Receipt{
		CommunicationID: w.CommunicationID, Attempt: w.AttemptNumber, VendorRef: deref(w.Response.VendorRef),
		Code: deref(w.Response.ErrorCode), Reason: deref(w.Response.ErrorMessage), OccurredAt: w.ProcessedAt,
	}
	switch w.Response.Status {
	case event.ResponseSuccess:
		r.Delivered = true
	case event.ResponseFailed:
	default:
		return r, fmt.Errorf("delivery_response.status %q is neither %s nor %s", w.Response.Status, event.ResponseSuccess, event.ResponseFailed)
	}
	for _, at := range []*time.Time{w.Response.DeliveredAt, w.Response.FailedAt} {
		if at != nil {
			r.OccurredAt = *at
		}
	}
	if r.OccurredAt.IsZero() {
		r.OccurredAt = now()
	}
	return r, finish(&r, w)
}

// finish checks what a column could not hold, and names the receipt when the vendor did not: the
// same fact then has the same id, however often it comes.
func finish(r *campaign.Receipt, w event.Receipt) error {
	const maxRef, maxCode = 255, 50 // the widths of the columns
	switch {
	case r.CommunicationID == uuid.Nil:
		return fmt.Errorf("communication_id is missing")
	case r.Attempt < 0 || r.Attempt > maxAttempt:
		return fmt.Errorf("attempt_number %d is out of range", r.Attempt)
	case len(r.VendorRef) > maxRef || len(r.Code) > maxCode || len(r.Reason) > maxText:
		return fmt.Errorf("vendor_ref, error_code or error_message is too long")
	case strings.ContainsRune(r.VendorRef+r.Code+r.Reason, 0):
		return fmt.Errorf("vendor_ref, error_code or error_message holds a NUL")
	case r.OccurredAt.Year() < 1970 || r.OccurredAt.Year() > 9999:
		return fmt.Errorf("the time of the receipt is out of range")
	}
	if w.ReceiptID != nil && *w.ReceiptID != uuid.Nil {
		r.ReceiptID = *w.ReceiptID
		return nil
	}
	fact := fmt.Sprintf("%s\x00%s\x00%d\x00%s\x00%s", r.CommunicationID, r.VendorRef, r.Attempt, w.Response.Status, r.Code)
	r.ReceiptID = uuid.NewSHA1(uuid.NameSpaceOID, []byte(fact))
	return nil
}

// wireOf gives a receipt as it can be published again.
func wireOf(r campaign.Receipt) event.Receipt {
	w := event.Receipt{
		ReceiptID: &r.ReceiptID, CommunicationID: r.CommunicationID, AttemptNumber: r.Attempt, ProcessedAt: r.OccurredAt,
		Response: event.DeliveryResponse{Status: event.ResponseSuccess, VendorRef: &r.VendorRef},
	}
	if r.Delivered {
		w.Response.DeliveredAt = &r.OccurredAt
		return w
	}
	w.Response.Status, w.Response.FailedAt = event.ResponseFailed, &r.OccurredAt
	w.Response.ErrorCode, w.Response.ErrorMessage = &r.Code, &r.Reason
	return w
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
