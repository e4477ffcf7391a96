package mock

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

// Outage is how the vendor is away.
type Outage string

// The ways to be away. A refused connection needs the process to be gone: stop it.
const (
	NoOutage Outage = ""
	// OutageClose resets every connection that brings a message.
	OutageClose Outage = "close"
	// Outage503 answers 503 with no body, as a load balancer with nobody behind it does.
	Outage503 Outage = "503"
)

// maxCopies is the most copies of one receipt, the worst duplicate storm in faults.md (H5).
const maxCopies = 46

// Span is a duration that is written "250ms" in JSON.
type Span time.Duration

// MarshalText gives the Go notation.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads the Go notation.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return errs.Errorf(errs.Invalid, "not a duration")
	}
	*s = Span(d)
	return nil
}

// Faults says what goes wrong now. Probabilities are per request, from 0 to 1, tried in the order in
// which they stand here. None of them lets the vendor count an answer that it did not decide on.
type Faults struct {
	// Outage stops everything before it is looked at.
	Outage Outage `json:"outage"`
	// ExtraLatency is added to every answer, before the message is accepted.
	ExtraLatency Span `json:"extra_latency"`
	// Hang never answers, and never accepts; the sender must give up.
	Hang float64 `json:"hang"`
	// Storm answers 429 with Retry-After and no body: a limiter in front of the vendor.
	Storm float64 `json:"storm"`
	// ErrorBefore answers a bare 500; nothing was accepted.
	ErrorBefore float64 `json:"error_before"`
	// ErrorAfter answers a bare 500 after the ledger has it.
	ErrorAfter float64 `json:"error_after"`
	// DropAfter closes the connection, without an answer, after the ledger has it.
	DropAfter float64 `json:"drop_after"`
	// Garbage answers 200 with something unusable after the ledger has it.
	Garbage float64 `json:"garbage"`
	// HoldReceipts keeps all receipts back until it is switched off: late receipts.
	HoldReceipts bool `json:"hold_receipts"`
	// ReceiptFirst gets the receipt confirmed before the message is answered: early receipts.
	ReceiptFirst bool `json:"receipt_first"`
	// ShuffleReceipts mixes the order of what is due at the same time.
	ShuffleReceipts bool `json:"shuffle_receipts"`
	// ReceiptCopies is the mean number of copies of each receipt; 0 and 1 mean exactly one.
	ReceiptCopies float64 `json:"receipt_copies"`
}

// DecodeFaults reads a whole set of faults; what is not named is off.
func DecodeFaults(body []byte) (Faults, error) {
	var f Faults
	err := vendor.DecodeStrict(body, &f, vendor.RefuseUnknown,
		"outage", "extra_latency", "hang", "storm", "error_before", "error_after", "drop_after", "garbage",
		"hold_receipts", "receipt_first", "shuffle_receipts", "receipt_copies")
	if err != nil {
		return Faults{}, err
	}
	if bad := f.check(); bad != nil {
		return Faults{}, errs.InvalidFields("faults are not valid", bad)
	}
	return f, nil
}

func (f Faults) check() []errs.Field {
	var bad []errs.Field
	if f.Outage != NoOutage && f.Outage != OutageClose && f.Outage != Outage503 {
		bad = append(bad, errs.Field{Pointer: "/outage", Message: `must be "", "close" or "503"`})
	}
	if f.ExtraLatency < 0 {
		bad = append(bad, errs.Field{Pointer: "/extra_latency", Message: "must not be negative"})
	}
	for _, p := range []struct {
		pointer string
		value   float64
	}{
		{"/hang", f.Hang},
		{"/storm", f.Storm},
		{"/error_before", f.ErrorBefore},
		{"/error_after", f.ErrorAfter},
		{"/drop_after", f.DropAfter},
		{"/garbage", f.Garbage},
	} {
		// Written so that NaN is refused too.
		if !(p.value >= 0 && p.value <= 1) {
			bad = append(bad, errs.Field{Pointer: p.pointer, Message: "must be from 0 to 1"})
		}
	}
	if !(f.ReceiptCopies >= 0 && f.ReceiptCopies <= maxCopies) {
		bad = append(bad, errs.Field{Pointer: "/receipt_copies", Message: "must be from 0 to 46"})
	}
	return bad
}

// Faults gives what goes wrong now.
func (s *Server) Faults() Faults { return *s.faults.Load() }

// SetFaults replaces what goes wrong; errs.Invalid changes nothing.
func (s *Server) SetFaults(f Faults) error {
	if bad := f.check(); bad != nil {
		return errs.InvalidFields("faults are not valid", bad)
	}
	s.faults.Store(&f)
	s.queue.kick() // Receipts that were held may go.
	return nil
}

// hits draws once. Faults need no seed: they never change what a run ends with, only the way there.
func hits(probability float64) bool {
	return probability > 0 && rand.Float64() < probability
}

// garbage gives an unusable 200, each kind that a client must see through.
func garbage(a vendor.Answer) []byte {
	switch rand.IntN(5) {
	case 0:
		return []byte("<html>Welcome to nginx!</html>")
	case 1:
		a.VendorRef = ""
	case 2:
		a.CommunicationID = "00000000-0000-0000-0000-000000000000"
	case 3:
		body := mustJSON(a)
		return body[:len(body)/2]
	default:
		return nil
	}
	return mustJSON(a)
}

// mustJSON encodes types of ours that cannot fail to encode.
func mustJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"status":"FAILED","error_code":"SYSTEM_ERROR"}`)
	}
	return body
}
