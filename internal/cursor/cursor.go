// Package cursor is how lists are paged by keyset: a page ends at a position, and the next one begins
// after it, whatever was inserted or deleted meanwhile.
//
// A cursor is the position as clients carry it: opaque, and bound to the filter and the order of its
// list. It is not signed: whoever makes one up chooses another place in a list that is his to read.
package cursor

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/errs"
)

// Position is where a page ended: the sort key of its last record and, where the key alone does not
// tell two records apart, its id. The zero value is before the first record.
type Position struct {
	Key string    `json:"k,omitempty"`
	ID  uuid.UUID `json:"i,omitzero"`
}

// IsZero reports whether it is before the first record.
func (p Position) IsZero() bool { return p == Position{} }

// Page is one page of a list.
type Page[T any] struct {
	Items []T
	// Next is where the page ended, zero when nothing follows.
	Next Position
}

// Cut makes a page of at most limit records out of what a store gave for limit+1.
func Cut[T any](found []T, limit int, at func(T) Position) Page[T] {
	if len(found) <= limit {
		return Page[T]{Items: found}
	}
	found = found[:limit]
	return Page[T]{Items: found, Next: at(found[limit-1])}
}

// maxLength bounds what is decoded: a key of 255 characters takes at most 2 KB escaped and in base64.
const maxLength = 4 << 10

// wire is what a cursor says.
type wire struct {
	Position

	// Scope tells the lists apart, and one filter of a list from another.
	Scope uint64 `json:"s"`
}

// Encode makes the cursor of a position, "" for the zero one. scope is the list's name, its filter
// and its order.
func Encode(p Position, scope ...string) string {
	if p.IsZero() {
		return ""
	}
	raw, err := json.Marshal(wire{Position: p, Scope: hash(scope)})
	if err != nil {
		return "" // Not reached: a position holds nothing that JSON cannot express.
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Decode reads a cursor, "" as the zero position. One that was made for another scope, or by somebody
// else, gives errs.Invalid.
func Decode(cursor string, scope ...string) (Position, error) {
	if cursor == "" {
		return Position{}, nil
	}
	refusal := errs.Errorf(errs.Invalid, "must be the cursor of the page before, with the same filter and order")
	if len(cursor) > maxLength {
		return Position{}, refusal
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return Position{}, refusal
	}
	var w wire
	if json.Unmarshal(raw, &w) != nil || w.Scope != hash(scope) || w.IsZero() || !text(w.Key) {
		return Position{}, refusal
	}
	return w.Position, nil
}

// text reports whether PostgreSQL can hold s.
func text(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// hash is short: it guards against mistakes and not against anybody.
func hash(scope []string) uint64 {
	sum := sha256.Sum256([]byte(strings.Join(scope, "\x00")))
	return binary.BigEndian.Uint64(sum[:])
}
