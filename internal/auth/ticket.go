package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
)

// ticketBytes: 256 random bits cannot be guessed.
const ticketBytes = 32

// Ticket is a random value that a browser carries in a cookie; the store keeps only its hash, so that
// whoever reads the store cannot take over a session. It prints and logs as "[withheld]".
type Ticket string

// NewTicket draws a ticket.
func NewTicket() Ticket {
	random := make([]byte, ticketBytes)
	rand.Read(random) // it never fails: the program ends if the system has no entropy
	return Ticket(base64.RawURLEncoding.EncodeToString(random))
}

// Hash is what the store keeps; see Key.Hash for why one round of SHA-256 is enough.
func (t Ticket) Hash() Hash { return sha256.Sum256([]byte(t)) }

// Reveal gives the value for the cookie.
func (t Ticket) Reveal() string { return string(t) }

// String hides the value from fmt.
func (t Ticket) String() string { return Personal(t).String() }

// GoString hides the value from %#v.
func (t Ticket) GoString() string { return t.String() }

// LogValue hides the value from slog.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText hides the value from encoding/json.
func (t Ticket) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
