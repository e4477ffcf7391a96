package event

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Exchanges, queues and routing keys, as the reference names them. They are wire names: renaming
// one is a breaking change. How they are declared is rabbit's business.
const (
	ExchangeIngestion = "data_ingestion"
	ExchangeCampaign  = "campaign_messaging"

	QueueCustomers   = "customer_ingestion_queue"
	QueueOrders      = "order_ingestion_queue"
	QueueCustomersMV = "customer_mv_queue"
	QueueReceipts    = "message_response_queue"

	KeyCustomer   = "customer"
	KeyOrder      = "order"
	KeyCustomerMV = "customer_mv"
	KeyReceipt    = "response.process"
)

// MaxBodyBytes is the largest body that is published, and the largest that is parsed. The shapes
// of this package take a few hundred bytes, a full batch of receipts under 100 KiB.
const MaxBodyBytes = 1 << 20

// Message is one message to publish. ID identifies the fact it carries: publishing the same fact
// again, after an unknown outcome, must reuse it, because consumers tell repeats by it.
type Message struct {
	Exchange      string
	Key           string
	ID            string
	CorrelationID string
	// Headers hold at most trace context; no personal data, since broker tools show them.
	Headers   map[string]string
	Timestamp time.Time
	// Body is JSON.
	Body []byte
}

// Delivery is one message received. Strings in it are valid UTF-8 without NUL, whatever was sent,
// so that they can be stored; Body is exactly what was sent.
type Delivery struct {
	Queue           string
	Exchange        string
	Key             string
	ID              string
	CorrelationID   string
	ContentType     string
	ContentEncoding string
	Headers         map[string]string
	// Timestamp is the publisher's claim, zero when there is none.
	Timestamp time.Time
	// Redelivered says that it may have been handled before; it is a hint, never a reason to skip.
	Redelivered bool
	Body        []byte
}

// Properties gives what the quarantine keeps beside the body: the headers, and under "amqp." names
// everything else that a replay needs.
func (d Delivery) Properties() map[string]string {
	out := make(map[string]string, len(d.Headers))
	maps.Copy(out, d.Headers)
	for k, v := range map[string]string{
		"amqp.exchange": d.Exchange, "amqp.routing_key": d.Key, "amqp.correlation_id": d.CorrelationID,
		"amqp.content_type": d.ContentType, "amqp.content_encoding": d.ContentEncoding,
	} {
		if v != "" {
			out[k] = v
		}
	}
	if !d.Timestamp.IsZero() {
		out["amqp.timestamp"] = d.Timestamp.UTC().Format(time.RFC3339)
	}
	return out
}

// ParkID is the id of this message in a quarantine: a redelivered copy has the same one.
func (d Delivery) ParkID() uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, slices.Concat([]byte(d.Queue+"\x00"+d.ID+"\x00"), d.Body))
}
