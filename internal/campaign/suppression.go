package campaign

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// SuppressionReason says why an address is not written to.
type SuppressionReason string

// The reasons of suppressions.
const (
	SuppressedUnsubscribed SuppressionReason = "UNSUBSCRIBED"
	SuppressedBounced      SuppressionReason = "BOUNCED"
	SuppressedComplained   SuppressionReason = "COMPLAINED"
	SuppressedManual       SuppressionReason = "MANUAL"
	// SuppressedErased is that of an erased customer's former address. Nobody gives it, and it is shown
	// only to who asks for the address: it is kept as a hash.
	SuppressedErased SuppressionReason = "ERASED"
)

// SuppressionReasons are those that a client may give.
func SuppressionReasons() []SuppressionReason {
	return []SuppressionReason{SuppressedUnsubscribed, SuppressedBounced, SuppressedComplained, SuppressedManual}
}

// Suppression is an address that no campaign writes to.
type Suppression struct {
	Email     string
	Reason    SuppressionReason
	CreatedBy string
	CreatedAt time.Time
}

// SuppressionFilter chooses suppressions, in the order of their addresses. Email and Reason are "" for any.
type SuppressionFilter struct {
	Email  string
	Reason SuppressionReason
	After  cursor.Position
	Limit  int
}

// SuppressionStore keeps suppressions.
type SuppressionStore interface {
	// Suppress gives the stored suppression, which may be an earlier one, and whether it is new.
	Suppress(ctx context.Context, s Suppression) (Suppression, bool, error)
	// SuppressRecipient suppresses the address that a campaign's message to the customer has. It gives
	// errs.NotFound when there is no such message.
	SuppressRecipient(ctx context.Context, l Link, reason SuppressionReason, by string) error
	// Unsuppress reports whether the address was suppressed.
	Unsuppress(ctx context.Context, email string) (bool, error)
	Suppressions(ctx context.Context, f SuppressionFilter) ([]Suppression, error)
}

// Suppressions is the service for the list of those who are not written to.
type Suppressions struct {
	store SuppressionStore
	links Links
}

// NewSuppressions makes the service.
func NewSuppressions(s SuppressionStore, l Links) *Suppressions {
	return &Suppressions{store: s, links: l}
}

// Add suppresses an address, MANUAL unless a reason is given, and reports whether it was not already:
// the first reason stands.
func (s *Suppressions) Add(ctx context.Context, email, reason, principal string) (Suppression, bool, error) {
	var fields []errs.Field
	clean, err := customer.ParseEmail("/email", email)
	fields = append(fields, fieldsOf(err)...)
	if reason == "" {
		reason = string(SuppressedManual)
	}
	if !slices.Contains(SuppressionReasons(), SuppressionReason(reason)) {
		fields = append(fields, errs.Field{Pointer: "/reason", Message: "must be one of " + reasonsText()})
	}
	if len(fields) > 0 {
		return Suppression{}, false, errs.InvalidFields(fields[0].Message, fields)
	}
	return s.store.Suppress(ctx, Suppression{Email: clean, Reason: SuppressionReason(reason), CreatedBy: principal})
}

// Remove lets an address be written to again, and reports whether it was suppressed. It also forgets the
// hash of an erased customer's address: the caller says that the person has come back.
func (s *Suppressions) Remove(ctx context.Context, email string) (bool, error) {
	clean, err := customer.ParseEmail("/email", email)
	if err != nil {
		return false, err
	}
	return s.store.Unsuppress(ctx, clean)
}

// List gives a page of suppressions. Asked for one address it also finds the hash of an erased one.
func (s *Suppressions) List(ctx context.Context, f SuppressionFilter) (cursor.Page[Suppression], error) {
	if f.Email != "" {
		clean, err := customer.ParseEmail("/email", f.Email)
		if err != nil {
			return cursor.Page[Suppression]{}, err
		}
		f.Email = clean
	}
	limit := f.Limit
	f.Limit++ // one more shows whether anything follows
	found, err := s.store.Suppressions(ctx, f)
	return cursor.Cut(found, limit, func(s Suppression) cursor.Position { return cursor.Position{Key: s.Email} }), err
}

// CheckLink reports, by errs.NotFound, a token that is not of our making. It changes nothing: mail
// scanners follow links.
func (s *Suppressions) CheckLink(token string) error {
	_, err := s.links.Read(token)
	return err
}

// Unsubscribe suppresses whom the link was sent to. Doing so again changes nothing.
func (s *Suppressions) Unsubscribe(ctx context.Context, token string) error {
	link, err := s.links.Read(token)
	if err != nil {
		return err
	}
	return s.store.SuppressRecipient(ctx, link, SuppressedUnsubscribed, unsubscribedBy(link.CampaignID))
}

// unsubscribedBy is the principal of a link: which campaign made the recipient leave.
func unsubscribedBy(campaignID uuid.UUID) string { return "link in campaign " + campaignID.String() }

func reasonsText() string {
	texts := make([]string, 0, len(SuppressionReasons()))
	for _, r := range SuppressionReasons() {
		texts = append(texts, string(r))
	}
	return strings.Join(texts, ", ")
}
