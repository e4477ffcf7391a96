package event_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

var update = flag.Bool("update", false, "write the golden files")

// The wire shapes are a contract with everyone on the bus; a change here is a new schema version.
func TestWireShapes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	id := uuid.MustParse("0190a0b0-0000-7000-8000-000000000001")
	for name, v := range map[string]any{
		"envelope": event.Envelope{
			EventType: event.TypeOrderReceived, SchemaVersion: 1, Timestamp: at, Source: event.SourceOrderAPI, Data: json.RawMessage(`{}`),
		},
		"customer": event.CustomerReceived{
			Name: "Asha", Email: "a@x.com", Phone: new("+91"), TotalSpend: new(decimal.New(1050, -2)), TotalVisits: new(int32(3)),
			LastOrderAt: &at, Status: new("ACTIVE"),
		},
		"customer_unnamed": event.CustomerReceived{Name: "Asha", Email: "a@x.com"},
		"order": event.OrderReceived{
			CustomerEmail: "a@x.com", OrderAmount: decimal.New(499, -2), OrderStatus: "COMPLETED", ExternalID: new("x-1"), Source: new("web"), OrderedAt: &at,
		},
		"customer_mv": event.CustomerMV{
			CustomerID: id, Version: 7, Name: "Asha", Email: "a@x.com", TotalSpend: decimal.New(1050, -2), TotalVisits: 3, TotalOrders: 2,
			LastOrderAt: &at, Status: "ACTIVE", Operation: "updated",
		},
		"customer_mv_erased": event.CustomerMV{
			CustomerID: id, Version: 8, Name: "[erased]", Email: "erased-" + id.String() + "@erased.invalid", Status: "INACTIVE",
			Operation: "erased", ErasedAddress: []byte(strings.Repeat("h", 32)),
		},
		"receipts": event.ReceiptBatch{SchemaVersion: 1, Receipts: []event.Receipt{{
			ReceiptID: &id, CommunicationID: id, AttemptNumber: 1, ProcessedAt: at,
			Response: event.DeliveryResponse{Status: event.ResponseFailed, ErrorCode: new("EMAIL_BOUNCED"), FailedAt: &at},
		}}},
	} {
		got, err := json.MarshalIndent(v, "", "  ")
		require.NoError(t, err)
		file := filepath.Join("testdata", "golden", name+".json")
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got)+"\n", name)
	}
}

func TestReadEnvelope(t *testing.T) {
	t.Parallel()
	e, err := event.ReadEnvelope([]byte(` {"eventType":"x","timestamp":"2026-03-01T12:00:00.000Z","data":{"a":1},"more":true}`), "x")
	require.NoError(t, err)
	require.JSONEq(t, `{"a":1}`, string(e.Data))
	for body, want := range map[string]string{
		"": "empty", "\x20\n": "empty", "\xff": "not UTF-8", "{": "not JSON", "[]": "not a JSON object", "null": "not a JSON object",
		`"str"`: "not a JSON object", "7": "not a JSON object", `{"eventType":7}`: "not an envelope",
		`{"eventType":"y","data":{}}`: "eventType is not x", `{"eventType":"x"}`: "data is missing", `{"eventType":"x","data":null}`: "data is missing",
		`{"eventType":"x","schema_version":2,"data":{}}`: "replay it after an upgrade", `{"eventType":"x","schema_version":-1,"data":{}}`: "schema_version",
		strings.Repeat(" ", event.MaxBodyBytes+1): "bytes",
	} {
		_, err := event.ReadEnvelope([]byte(body), "x")
		require.True(t, errs.Is(err, errs.Invalid), "%.40q", body)
		require.ErrorContains(t, err, want)
	}
}

func TestPropertiesHoldWhatAReplayNeeds(t *testing.T) {
	t.Parallel()
	d := event.Delivery{
		Exchange: "e", Key: "k", CorrelationID: "c", ContentType: "t", ContentEncoding: "g",
		Headers: map[string]string{"h": "v"}, Timestamp: time.Unix(0, 0),
	}
	require.Equal(t, map[string]string{
		"h": "v", "amqp.exchange": "e", "amqp.routing_key": "k", "amqp.correlation_id": "c", "amqp.content_type": "t",
		"amqp.content_encoding": "g", "amqp.timestamp": "1970-01-01T00:00:00Z",
	}, d.Properties())
	require.Empty(t, event.Delivery{}.Properties())
}
