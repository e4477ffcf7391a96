package customer

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Meta says which message a post came in.
type Meta struct {
	// MessageID makes repeats one effect.
	MessageID string
	// Hash is of what the message says, without when it was published: a client's retry is published
	// anew, and says the same.
	Hash [sha256.Size]byte
	// Traceparent is the trace context to hand on, "" if there is none.
	Traceparent string
	// At is when it was published.
	At time.Time
	// Body is the message as it came, for the quarantine.
	Body []byte
}

// Posted is a customer that arrived in a message.
type Posted struct {
	Meta
	Input Input
}

// PostedOrder is an order that arrived in a message.
type PostedOrder struct {
	Meta
	Input OrderInput
}

// NewPosted completes the meta data with the hash.
func NewPosted(m Meta, in Input) (Posted, error) {
	var err error
	m.Hash, err = hashOf(in.event())
	return Posted{Meta: m, Input: in}, err
}

// NewPostedOrder completes the meta data with the hash.
func NewPostedOrder(m Meta, in OrderInput) (PostedOrder, error) {
	var err error
	m.Hash, err = hashOf(in.event())
	return PostedOrder{Meta: m, Input: in}, err
}

// orderIDs is the name space of the ids of orders.
var orderIDs = uuid.MustParse("1d0f9a52-55c1-5d4e-9f0b-6a1c7e0a4a57")

// Order gives the order as a first post of it makes it. Its id derives from the message, so that
// handling the message again makes no other.
func (p PostedOrder) Order(customerID uuid.UUID) *Order {
	at := p.At
	if p.Input.OrderedAt != nil {
		at = *p.Input.OrderedAt
	}
	return &Order{
		ID: uuid.NewSHA1(orderIDs, []byte(p.MessageID)), CustomerID: customerID, Amount: p.Input.Amount,
		Status: p.Input.Status, ExternalID: p.Input.ExternalID, Source: p.Input.Source, OrderedAt: at,
	}
}

func hashOf(v any) ([sha256.Size]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode for hashing: %w", err)
	}
	return sha256.Sum256(raw), nil
}
