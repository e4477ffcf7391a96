// Package projection keeps customers_mv, the business database's picture of the customers, up to date
// from the events of the master database.
//
// It owns no transport and no transaction. Events may come twice, late and in any order: each carries
// the whole customer and its version, and the store keeps the newest.
package projection

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// Store keeps the newest version of each customer; see business.Store.
type Store interface {
	ApplyCustomerVersions(ctx context.Context, versions []event.CustomerMV) error
}

// Handler handles deliveries of customer_mv_queue.
type Handler struct{ store Store }

// NewHandler makes a handler.
func NewHandler(s Store) *Handler { return &Handler{store: s} }

// Handle applies the events of all deliveries in one statement and gives one result each: nil when
// its version or a newer one is stored, errs.Invalid when it can never be.
func (h *Handler) Handle(ctx context.Context, ds []event.Delivery) []error {
	failpoint.Hit(failpoint.ProjectReceived)
	results := make([]error, len(ds))
	var versions []event.CustomerMV
	var at []int
	for i, d := range ds {
		v, err := Parse(d.Body)
		if err != nil {
			results[i] = err
			continue
		}
		versions, at = append(versions, v), append(at, i)
	}
	if len(versions) == 0 {
		return results
	}
	if err := h.store.ApplyCustomerVersions(ctx, versions); err != nil {
		err = fmt.Errorf("apply %d customer versions: %w", len(versions), err)
		for _, i := range at {
			results[i] = err
		}
	}
	return results
}

// Parse reads an event and checks all that a column could not hold.
func Parse(body []byte) (event.CustomerMV, error) {
	e, err := event.ReadEnvelope(body, event.TypeCustomerMVUpsert)
	if err != nil {
		return event.CustomerMV{}, err
	}
	var v event.CustomerMV
	if err := json.Unmarshal(e.Data, &v); err != nil {
		return v, errs.Wrap(errs.Invalid, err, "data is not a customer")
	}
	return v, check(&v)
}

func check(v *event.CustomerMV) error {
	const maxText, maxPhone, maxStatus = 255, 20, 20 // the widths of the columns
	switch {
	case v.CustomerID == uuid.Nil:
		// The reference's API published these; without the id there is no row to write.
		return errs.Errorf(errs.Invalid, "customer_id is missing")
	case v.Version < 1:
		return errs.Errorf(errs.Invalid, "version is missing: without it newer cannot be told from older")
	case !fits(v.Name, maxText) || !fits(v.Email, maxText) || !fits(v.Status, maxStatus):
		return errs.Errorf(errs.Invalid, "name, email or status is missing or too long")
	case v.Phone != nil && !fits(*v.Phone, maxPhone):
		return errs.Errorf(errs.Invalid, "phone is empty or too long")
	case v.ErasedAddress != nil && len(v.ErasedAddress) != sha256.Size:
		return errs.Errorf(errs.Invalid, "erased_address_sha256 is not a SHA-256")
	case v.TotalSpend.Exponent() > maxDigits || v.TotalSpend.Exponent() < -maxDigits || v.TotalSpend.Abs().GreaterThan(maxSpend()):
		return errs.Errorf(errs.Invalid, "total_spend is out of range")
	case v.LastOrderAt != nil && v.LastOrderAt.Year() < 1:
		return errs.Errorf(errs.Invalid, "last_order_at is out of range")
	}
	return nil
}

// maxDigits bounds a decimal's exponent before it is compared, which spells it out.
const maxDigits = 40

// maxSpend is what numeric(12,2) holds.
func maxSpend() decimal.Decimal { return decimal.New(999_999_999_999, -2) }

func fits(s string, most int) bool {
	return s != "" && utf8.RuneCountInString(s) <= most && !strings.Contains(s, "\x00")
}
