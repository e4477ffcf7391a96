// Package event holds the wire shapes that cross RabbitMQ: names, envelopes, versions.
//
// It owns nothing but the shapes; who publishes and who consumes is elsewhere. A field is never
// renamed or removed within a schema version, and readers ignore what they do not know.
package event

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// SchemaVersion is what we write. A message with a greater one is quarantined, replayable after
// an upgrade; one without any is read as version 1 (the reference never wrote it).
const SchemaVersion = 1

// Event types of the data_ingestion exchange, as the reference names them.
const (
	TypeCustomerReceived = "customer_data_received"
	TypeOrderReceived    = "order_data_received"
	TypeCustomerMVUpsert = "customer_mv_upsert"
)

// Sources say which door an event came through.
const (
	SourceCustomerAPI      = "customer_api"
	SourceOrderAPI         = "order_api"
	SourceCustomerConsumer = "customer_consumer"
	SourceOrderConsumer    = "order_consumer"
	SourceCustomerImport   = "customer_import"
)

// Envelope is the outer shape of every message on data_ingestion.
type Envelope struct {
	EventType     string          `json:"eventType"`
	SchemaVersion int             `json:"schema_version,omitempty"`
	Timestamp     time.Time       `json:"timestamp"`
	Source        string          `json:"source"`
	Data          json.RawMessage `json:"data"`
}

// CustomerReceived is a posted customer. A nil field was not named and stays as it is (D40).
type CustomerReceived struct {
	Name        string           `json:"name"`
	Email       string           `json:"email"`
	Phone       *string          `json:"phone,omitempty"`
	TotalSpend  *decimal.Decimal `json:"total_spend,omitempty"`
	TotalVisits *int32           `json:"total_visits,omitempty"`
	LastOrderAt *time.Time       `json:"last_order_at,omitempty"`
	Status      *string          `json:"status,omitempty"`
}

// OrderReceived is a posted order. ExternalID, unique within Source, makes repeats one order (D43).
type OrderReceived struct {
	CustomerEmail string          `json:"customer_email"`
	OrderAmount   decimal.Decimal `json:"order_amount"`
	OrderStatus   string          `json:"order_status"`
	ExternalID    *string         `json:"external_id,omitempty"`
	Source        *string         `json:"order_source,omitempty"`
	OrderedAt     *time.Time      `json:"ordered_at,omitempty"`
}

// CustomerMV is one version of a customer as the projection shows it. Version counts the changes
// of that customer from 1; an older one than stored is ignored.
type CustomerMV struct {
	CustomerID  uuid.UUID       `json:"customer_id"`
	Version     int64           `json:"version"`
	Name        string          `json:"name"`
	Email       string          `json:"email"`
	Phone       *string         `json:"phone"`
	TotalSpend  decimal.Decimal `json:"total_spend"`
	TotalVisits int32           `json:"total_visits"`
	TotalOrders int32           `json:"total_orders"`
	LastOrderAt *time.Time      `json:"last_order_at"`
	Status      string          `json:"status"`
	Operation   string          `json:"operation"`
	// ErasedAddress is set in the one event that tells of an erasure: the SHA-256 of the address that
	// the customer had, in lower case. Whoever keeps something personal of the customer erases it, also
	// when a newer version has come before this one.
	ErasedAddress []byte `json:"erased_address_sha256,omitempty"`
}

// DeliveryResponse statuses of a Receipt, as the reference names them.
const (
	ResponseSuccess = "SUCCESS"
	ResponseFailed  = "FAILED"
)

// Receipt is what the vendor says of one message, later than its answer to the send. It names no
// person: the reference's customer_id and customer_email are read over when present.
type Receipt struct {
	ReceiptID       *uuid.UUID       `json:"receipt_id,omitempty"`
	CommunicationID uuid.UUID        `json:"communication_id"`
	CampaignID      *uuid.UUID       `json:"campaign_id,omitempty"`
	AttemptNumber   int              `json:"attempt_number,omitempty"`
	Response        DeliveryResponse `json:"delivery_response"`
	ProcessedAt     time.Time        `json:"processed_at"`
}

// DeliveryResponse is the vendor's word on one message.
type DeliveryResponse struct {
	Status       string     `json:"status"`
	VendorRef    *string    `json:"vendor_ref,omitempty"`
	DeliveredAt  *time.Time `json:"delivered_at,omitempty"`
	FailedAt     *time.Time `json:"failed_at,omitempty"`
	ErrorCode    *string    `json:"error_code,omitempty"`
	ErrorMessage *string    `json:"error_message,omitempty"`
	Retryable    bool       `json:"retryable,omitempty"`
}

// ReceiptBatch lets receipts that arrived together share one message: 100 of them cost one
// confirm instead of 100. A single Receipt on the queue stays accepted.
type ReceiptBatch struct {
	SchemaVersion int       `json:"schema_version,omitempty"`
	Receipts      []Receipt `json:"receipts"`
}
