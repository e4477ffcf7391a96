package campaign

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// Entry is one row of the ledger as people read it: what became of one recipient.
type Entry struct {
	MessageState

	CommunicationID uuid.UUID
	CustomerID      uuid.UUID
	Seq             int
	CustomerName    string
	CustomerEmail   string
	CreatedAt       time.Time
	LastAttemptAt   *time.Time
	// SentAt is when the vendor first answered for it, nil when it was never handed over.
	SentAt      *time.Time
	DeliveredAt *time.Time
}

// EntryFilter chooses entries of one campaign, in the order of their numbers.
type EntryFilter struct {
	CampaignID uuid.UUID
	// Statuses are any of these; none is any status.
	Statuses []MessageStatus
	// FailureCode is "" for any.
	FailureCode string
	// After is the number of the last entry of the page before, 0 for the first page.
	After int
	Limit int
}

// EntryTry is what one try at sending came to.
type EntryTry struct {
	Number  int
	Outcome AnswerKind
	Code    string
	Latency time.Duration
	At      time.Time
}

// EntryReceipt is a receipt and when it came.
type EntryReceipt struct {
	Receipt

	ReceivedAt time.Time
}

// EntryDetail is everything that is known of one message.
type EntryDetail struct {
	Entry

	Text           string
	CampaignStatus Status
	// Tries are the vendor's answers, and the giving up at the deadline, in the order of their times.
	Tries    []EntryTry
	Receipts []EntryReceipt
}

// Why is the sentence of the message; see the function of that name.
func (d EntryDetail) Why() string { return Why(d.MessageState, d.CampaignStatus) }

// LedgerStore reads the ledger.
type LedgerStore interface {
	Campaign(ctx context.Context, id uuid.UUID) (Campaign, error)
	// LedgerEntries gives up to f.Limit entries after f.After.
	LedgerEntries(ctx context.Context, f EntryFilter) ([]Entry, error)
	// EntryDetail finds the message by the customer's id or by its own, in one snapshot. It gives
	// errs.NotFound when the campaign has no such message.
	EntryDetail(ctx context.Context, campaignID, ref uuid.UUID) (EntryDetail, error)
}

// Ledger is the service that shows what became of a campaign's recipients; every door goes through it.
type Ledger struct{ store LedgerStore }

// NewLedger makes the service.
func NewLedger(s LedgerStore) *Ledger { return &Ledger{store: s} }

// Entries gives one page. It gives errs.NotFound when there is no such campaign; one whose audience is
// not resolved has no entries yet.
func (l *Ledger) Entries(ctx context.Context, f EntryFilter) (cursor.Page[Entry], error) {
	limit := f.Limit
	f.Limit++ // one more shows whether anything follows
	found, err := l.store.LedgerEntries(ctx, f)
	if err != nil {
		return cursor.Page[Entry]{}, err
	}
	if len(found) == 0 {
		// Rows prove that the campaign is there, so it is looked up only when there are none.
		if _, err := l.campaign(ctx, f.CampaignID); err != nil {
			return cursor.Page[Entry]{}, err
		}
	}
	return cursor.Cut(found, limit, func(e Entry) cursor.Position { return cursor.Position{Key: strconv.Itoa(e.Seq)} }), nil
}

// EntryPosition reads the number that a position of Entries stands for.
func EntryPosition(p cursor.Position) (int, error) {
	if p.IsZero() {
		return 0, nil
	}
	// 31 bits: the column's width, less the sign.
	n, err := strconv.ParseInt(p.Key, 10, 32)
	if err != nil || n < 1 {
		return 0, errs.Errorf(errs.Invalid, "must be the cursor of the page before, with the same filter and order")
	}
	return int(n), nil
}

// Find gives everything that is known of the message to one recipient. ref is the customer's id or the
// message's.
func (l *Ledger) Find(ctx context.Context, campaignID, ref uuid.UUID) (EntryDetail, error) {
	d, err := l.store.EntryDetail(ctx, campaignID, ref)
	if !errs.Is(err, errs.NotFound) {
		return d, err
	}
	c, lookup := l.campaign(ctx, campaignID)
	if lookup != nil {
		return EntryDetail{}, lookup
	}
	return EntryDetail{}, errs.Wrap(errs.NotFound, err, absence(c))
}

// absence says why a campaign has no message for somebody.
func absence(c Campaign) string {
	switch {
	case c.Status == Draft:
		return "Nobody has been chosen yet: the campaign is a DRAFT and has no audience"
	case c.Stats == nil && !c.Status.Ended():
		return "Nobody has been chosen yet: the campaign's audience is resolved when it starts"
	case c.Stats == nil:
		return "Nobody was chosen: the campaign ended before its audience was resolved"
	}
	return "Not in the audience: the segment's rules did not match this customer when the campaign started, " +
		"or there is no customer or message with this id"
}

func (l *Ledger) campaign(ctx context.Context, id uuid.UUID) (Campaign, error) {
	c, err := l.store.Campaign(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return Campaign{}, errs.Wrap(errs.NotFound, err, "Campaign not found")
	}
	return c, err
}

// ParseMessageStatuses reads a comma list of statuses, each once and in rising rank, so that two ways
// to write one filter are one filter. An empty text is none.
func ParseMessageStatuses(raw string) ([]MessageStatus, error) {
	if raw == "" {
		return nil, nil
	}
	given := strings.Split(raw, ",")
	var out []MessageStatus
	for _, s := range MessageStatuses() {
		if slices.Contains(given, string(s)) {
			out = append(out, s)
		}
	}
	for _, g := range given {
		if !slices.Contains(out, MessageStatus(g)) {
			return nil, errs.Errorf(errs.Invalid, "must be a comma list of %s", statusesText())
		}
	}
	return out, nil
}

func statusesText() string {
	texts := make([]string, 0, len(MessageStatuses()))
	for _, s := range MessageStatuses() {
		texts = append(texts, string(s))
	}
	return strings.Join(texts, ", ")
}
