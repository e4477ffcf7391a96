package master

import (
	"bytes"
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/event"
)

// EraseCustomer takes the customer's name, address and phone out of its row, out of the events that
// told of them and out of the quarantine, in one transaction with the event that makes others do the
// same. Erasing again changes nothing.
func (s *Store) EraseCustomer(ctx context.Context, id uuid.UUID) (customer.Record, error) {
	var out customer.Record
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		b, e, err := lockOne(ctx, q, id)
		if err != nil {
			return err
		}
		email := e.customer.Email
		if e.customer.Erase() {
			e.touch("erased", "")
			if err := forget(ctx, q, e.customer, email); err != nil {
				return err
			}
		}
		out, err = settled(ctx, q, b, id, event.SourceCustomerAPI)
		return err
	})
	return out, err
}

// forget takes the address out of what lies beside the customer's row.
func forget(ctx context.Context, q *mastersql.Queries, c *customer.Customer, email string) error {
	err := q.EraseOutbox(ctx, mastersql.EraseOutboxParams{EntityID: c.ID, Name: c.Name, Email: c.Email})
	if err != nil {
		return err
	}
	parked, err := q.QuarantinedWith(ctx, email)
	if err != nil {
		return err
	}
	var ids []uuid.UUID
	for _, p := range parked {
		if mentions(p.Body, email) {
			ids = append(ids, p.QuarantineID)
		}
	}
	return q.EraseQuarantined(ctx, mastersql.EraseQuarantinedParams{Ids: ids, Text: customer.ErasedText})
}

// mentions reports whether body holds the address as a whole: the message of nasha@shop.in is not to
// go with asha@shop.in, nor that of asha@shop.info.
func mentions(body []byte, email string) bool {
	body = bytes.ToLower(body)
	for {
		at := bytes.Index(body, []byte(email))
		if at < 0 {
			return false
		}
		rest := body[at+len(email):]
		if (at == 0 || !inAddress(body[at-1])) && (len(rest) == 0 || !inAddress(rest[0])) {
			return true
		}
		body = rest
	}
}

// inAddress reports whether an address may go on with c. A dot may end a sentence, but then more
// letters do not follow; taking it for a part of the address leaves such a text alone, which in a
// message of ours, a JSON string, does not happen.
func inAddress(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0
}
