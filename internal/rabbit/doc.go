// Package rabbit speaks AMQP 0-9-1 for everyone else: it declares the topology, publishes with
// confirms, runs consumers, and alone decides what is acknowledged. It is the only importer of
// amqp091.
//
// It knows nothing of what messages mean: handlers get event.Delivery and answer with errors whose
// errs.Code decides (middleware.go). Nothing here is exactly-once: a message may be delivered, or
// published, more than once, and consumers tell repeats by its id.
//
// Sessions are thrown away whole. On any close of a channel or connection we redial, declare the
// topology and consume again; the library's own recovery stays off, because it acknowledges an old
// session's delivery tags on the new channel.
package rabbit

import "github.com/xencrm/xencrm/internal/event"

// Message is one message to publish.
type Message = event.Message

// Delivery is one message received.
type Delivery = event.Delivery
