package campaign

import (
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/errs"
)

// Totals are the books of a campaign: every recipient is in exactly one of the counts from Pending
// to Cancelled. Sent counts across them: messages handed to the vendor at least once.
type Totals struct {
	Audience  int `json:"audience"`
	Pending   int `json:"pending"`
	InFlight  int `json:"in_flight"`
	Delivered int `json:"delivered"`
	Failed    int `json:"failed"`
	Skipped   int `json:"skipped"`
	Cancelled int `json:"cancelled"`
	Sent      int `json:"sent"`
	// Revision rises with each change; of two copies the one with the greater is the newer.
	Revision int64 `json:"revision"`
}

// Balanced reports whether every recipient is accounted for.
func (t Totals) Balanced() bool {
	return t.Audience == t.Pending+t.InFlight+t.Delivered+t.Failed+t.Skipped+t.Cancelled
}

// Settled reports whether no answer and no receipt is awaited.
func (t Totals) Settled() bool { return t.Pending == 0 && t.InFlight == 0 }

// Done counts the recipients whose outcome is known.
func (t Totals) Done() int { return t.Audience - t.Pending - t.InFlight }

// DeliveryRate is delivered / sent * 100 with two decimals, 0 when nothing was sent.
func (t Totals) DeliveryRate() decimal.Decimal {
	if t.Sent == 0 {
		return decimal.Zero
	}
	const percent, places = 100, 2
	return decimal.NewFromInt(int64(t.Delivered)*percent).DivRound(decimal.NewFromInt(int64(t.Sent)), places)
}

// Newer gives whichever of the two was read later.
func (t Totals) Newer(o Totals) Totals {
	if o.Revision > t.Revision {
		return o
	}
	return t
}

// Move counts one message's change from one state to another.
func (t *Totals) Move(from, to MessageState) {
	t.add(from.Status, -1)
	t.add(to.Status, 1)
	if to.HandedOver && !from.HandedOver {
		t.Sent++
	}
}

// Add counts one new message.
func (t *Totals) Add(status MessageStatus) {
	t.Audience++
	t.add(status, 1)
}

// IsZero reports whether a difference changes nothing.
func (t Totals) IsZero() bool { return t == Totals{} }

func (t *Totals) add(status MessageStatus, n int) {
	switch status {
	case MessagePending:
		t.Pending += n
	case MessageSent:
		t.InFlight += n
	case MessageDelivered:
		t.Delivered += n
	case MessageFailed:
		t.Failed += n
	case MessageSkipped:
		t.Skipped += n
	case MessageCancelled:
		t.Cancelled += n
	}
}

// CheckBooks compares the books with a count over the ledger, both read in one snapshot, and refuses
// books that do not balance, that differ from the ledger, or that still hold pending messages.
func CheckBooks(books, ledger Totals) error {
	ledger.Revision = books.Revision
	switch {
	case books != ledger:
		return errs.Errorf(errs.Conflict, "the books do not agree with the ledger: books %+v, ledger %+v", books, ledger)
	case !books.Balanced():
		return errs.Errorf(errs.Conflict, "the books do not balance: %+v", books)
	case books.Pending != 0:
		return errs.Errorf(errs.Conflict, "%d messages are still pending", books.Pending)
	}
	return nil
}
