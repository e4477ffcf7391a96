package customer

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/errs"
)

// ErrStale says that a change was meant for another version of the customer than there is.
var ErrStale = errors.New("read it again and repeat the change on what it says now")

// Match says which versions of a customer a change is meant for.
type Match struct {
	// Any is "whatever there is".
	Any      bool
	Versions []int64
}

func (m Match) check(version int64) error {
	if m.Any || slices.Contains(m.Versions, version) {
		return nil
	}
	return errs.Errorf(errs.Conflict, "the customer is at version %d: %w", version, ErrStale)
}

// Edit is what a client changes of a customer. A nil field stays as it is.
type Edit struct {
	Name   *string
	Phone  *string
	Status *string
	// NoPhone takes the phone away.
	NoPhone bool
}

// ParseEdit reads an edit by the rules of ParseInput. null takes the phone away; nothing else can go.
func ParseEdit(raw []byte) (Edit, error) {
	o, err := readObject(raw, Strict, "name", "phone", "status")
	if err != nil {
		return Edit{}, err
	}
	if len(o.values) == 0 && len(o.faults) == 0 {
		return Edit{}, whole("name one of name, phone and status")
	}
	var e Edit
	if name, ok := o.shortText("name", false, maxName); ok {
		e.Name = &name
	}
	if string(o.values["phone"]) == "null" {
		e.NoPhone = true
	} else {
		e.Phone = o.phone("phone")
	}
	e.Status = o.oneOf("status", StatusActive, StatusInactive)
	return e, o.err()
}

// Edit applies an edit and reports whether it changed anything. An erased customer stays erased:
// errs.Conflict.
func (c *Customer) Edit(e Edit) (bool, error) {
	if c.Erased() {
		return false, errs.Errorf(errs.Conflict, "the customer was erased and cannot be changed")
	}
	before := *c
	if e.Name != nil {
		c.Name = *e.Name
	}
	if e.Phone != nil || e.NoPhone {
		c.Phone = e.Phone
	}
	if e.Status != nil {
		c.Status = *e.Status
	}
	samePhone := (before.Phone == nil) == (c.Phone == nil) && (c.Phone == nil || *before.Phone == *c.Phone)
	return !samePhone || before.Name != c.Name || before.Status != c.Status, nil
}

// ErasedText stands where a text about an erased customer stood.
const ErasedText = "[erased]"

// ErasedDomain ends the address of every erased customer. Nothing is ever delivered there (RFC 6761),
// and nobody can post it.
const ErasedDomain = "@erased.invalid"

// ErasedEmail is the address of an erased customer: one each, for addresses are unique.
func ErasedEmail(id uuid.UUID) string { return "erased-" + id.String() + ErasedDomain }

// Erased reports whether the customer was erased.
func (c *Customer) Erased() bool { return strings.HasSuffix(c.Email, ErasedDomain) }

// Erase forgets who the customer is and reports whether that was still known. What was bought stays:
// the books are of the shop. The hash of the address goes into the event, so that nobody writes to it
// again.
func (c *Customer) Erase() bool {
	if c.Erased() {
		return false
	}
	c.erasedAddress = AddressHash(c.Email)
	c.Name, c.Email, c.Phone, c.Status = ErasedText, ErasedEmail(c.ID), nil, StatusInactive
	return true
}

// AddressHash is how an address is remembered that must not be readable.
func AddressHash(email string) []byte {
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	return sum[:]
}
