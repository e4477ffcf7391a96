package vendor

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// ReceiptStatus is what finally became of an accepted message.
type ReceiptStatus string

// The statuses that a receipt may carry.
const (
	Delivered ReceiptStatus = "DELIVERED"
	Failed    ReceiptStatus = "FAILED"
)

const (
	// MaxReceipts bounds one batch. The mock sends 100; a vendor may send more, a page of history
	// that was replayed is cut here so that one request stays one short piece of work.
	MaxReceipts = 1000
	// MaxRef bounds ids and references to what the columns of delivery_receipts have room for, so that
	// nothing is published that the consumer could not store.
	MaxRef = 255
	// MaxCode bounds reason codes for the same reason.
	MaxCode = 64
	// MaxText bounds texts, in characters, for the same reason.
	MaxText = 1000
)

// Receipt is the vendor's word on one delivery. Receipts come at least once, in any order, and may
// come before the answer to the send itself: merge them by communication id, never by vendor_ref.
type Receipt struct {
	// ReceiptID is the same on every copy of a receipt.
	ReceiptID       string `json:"receipt_id"`
	CommunicationID string `json:"communication_id"`
	CampaignID      string `json:"campaign_id"`
	VendorRef       string `json:"vendor_ref"`
	// Attempt is the vendor's count of answers when it accepted.
	Attempt      int           `json:"attempt"`
	Status       ReceiptStatus `json:"status"`
	ErrorCode    Code          `json:"error_code,omitempty"`
	ErrorMessage string        `json:"error_message,omitempty"`
	OccurredAt   time.Time     `json:"occurred_at"`
}

// ReceiptBatch is the body that the vendor posts, signed as Standard Webhooks describe.
type ReceiptBatch struct {
	Receipts []Receipt `json:"receipts"`
}

// Decoded is a receipt as it was posted, not validated, or why it is none: errs.Invalid.
type Decoded struct {
	Receipt Receipt
	Err     error
}

// DecodeReceipts reads the receipts of a posted body, in their order, so that one that cannot be read does not take
// its neighbours along. It is errs.Invalid when there is no list of receipts. Members that are not known are ignored:
// vendors add them.
func DecodeReceipts(body []byte) ([]Decoded, error) {
	if all, ok := decodeTogether(body); ok {
		return all, nil
	}
	return decodeEach(body)
}

// decodeTogether reads a body in which nothing is odd in one go: half of the time that it takes to read each
// receipt by itself. False leaves it to decodeEach, which says what is odd.
func decodeTogether(body []byte) ([]Decoded, bool) {
	var batch ReceiptBatch
	if json.Unmarshal(body, &batch) != nil || !plainMembers(body, len(batch.Receipts)) {
		return nil, false
	}
	if n := len(batch.Receipts); n == 0 || n > MaxReceipts {
		return nil, false
	}
	out := make([]Decoded, len(batch.Receipts))
	for i, r := range batch.Receipts {
		out[i].Receipt = r
	}
	return out, true
}

func decodeEach(body []byte) ([]Decoded, error) {
	var batch struct {
		Receipts []json.RawMessage `json:"receipts"`
	}
	if err := DecodeStrict(body, &batch, KeepUnknown, "receipts"); err != nil {
		return nil, err
	}
	if len(batch.Receipts) == 0 {
		return nil, errs.Errorf(errs.Invalid, "no receipts in the body")
	}
	if len(batch.Receipts) > MaxReceipts {
		return nil, errs.Errorf(errs.Invalid, "%d receipts in one body, at most %d", len(batch.Receipts), MaxReceipts)
	}
	out := make([]Decoded, len(batch.Receipts))
	for i, raw := range batch.Receipts {
		out[i].Err = DecodeStrict(raw, &out[i].Receipt, KeepUnknown, receiptMembers...)
	}
	return out, nil
}

// receiptMembers are those of a Receipt.
var receiptMembers = []string{
	"receipt_id", "communication_id", "campaign_id", "vendor_ref", "attempt", "status", "error_code", "error_message", "occurred_at",
}

// plainMembers reports whether data, which is valid JSON, is {"receipts":[{…},…]} with n objects, of which no
// member is unknown, is there twice, or holds an object or a list.
func plainMembers(data []byte, n int) bool {
	// By depth: the members that an object there may have, and which of them the present one has had.
	known := [...][]string{1: {"receipts"}, 2: nil, 3: receiptMembers}
	var seen [len(known)]uint
	depth, objects, expectName := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			depth++
			if depth == len(known) || (known[depth] == nil) != (data[i] == '[') {
				return false
			}
			seen[depth], expectName = 0, data[i] == '{'
			if depth == len(known)-1 {
				objects++
			}
		case '}', ']':
			depth--
		case ',':
			expectName = known[depth] != nil
		case '"':
			end := stringEnd(data, i)
			if expectName {
				at := slices.Index(known[depth], string(data[i+1:end]))
				if at < 0 || seen[depth]&(1<<at) != 0 {
					return false
				}
				seen[depth] |= 1 << at
				expectName = false
			}
			i = end
		}
	}
	return objects == n
}

// Validate gives errs.Invalid with every faulty field, or nil.
func (r Receipt) Validate() error {
	var bad []errs.Field
	refuse := func(pointer, message string) { bad = append(bad, errs.Field{Pointer: pointer, Message: message}) }
	for _, id := range []struct{ pointer, value string }{
		{"/receipt_id", r.ReceiptID},
		{"/communication_id", r.CommunicationID},
		{"/campaign_id", r.CampaignID},
		{"/vendor_ref", r.VendorRef},
	} {
		if !IsRef(id.value) {
			refuse(id.pointer, "must be 1 to 255 printable ASCII characters")
		}
	}
	if !slices.Contains([]ReceiptStatus{Delivered, Failed}, r.Status) {
		refuse("/status", "must be DELIVERED or FAILED")
	}
	if r.Attempt < 0 {
		refuse("/attempt", "must not be negative")
	}
	if r.ErrorCode != "" && !IsCode(r.ErrorCode) {
		refuse("/error_code", "must be at most 64 upper-case letters, digits and underscores")
	}
	if r.ErrorMessage != CleanText(r.ErrorMessage) {
		refuse("/error_message", "must be at most 1000 characters without control characters")
	}
	if r.OccurredAt.IsZero() {
		refuse("/occurred_at", "must be an RFC 3339 time")
	}
	if bad == nil {
		return nil
	}
	return errs.InvalidFields("receipt is not valid", bad)
}

// IsRef reports whether s can be an id or reference: printable ASCII without spaces, so that it can
// stand in a header, a column and a log line as it is.
func IsRef(s string) bool {
	if s == "" || len(s) > MaxRef {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// IsCode reports whether c can be a reason code.
func IsCode(c Code) bool {
	if c == "" || len(c) > MaxCode {
		return false
	}
	return !strings.ContainsFunc(string(c), func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
}

// CleanText makes a vendor's text safe to store: PostgreSQL cannot hold NUL, and a log line must stay
// one line.
func CleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > MaxText {
		return string(runes[:MaxText])
	}
	return s
}
