package receipts

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/event"
)

type publisherFunc func(event.Message) error

func (f publisherFunc) Publish(_ context.Context, m event.Message) error { return f(m) }

func TestWhatWePublishIsReadTheShortWay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	taken := false
	p := NewPublisher(publisherFunc(func(m event.Message) error {
		out, ok := parseOwn(m.Body, clock)
		taken = ok && len(out) == 1
		return nil
	}), clock)
	id := uuid.New()
	require.NoError(t, p.PublishReceipts(t.Context(), []event.Receipt{{
		ReceiptID: &id, CommunicationID: uuid.New(), ProcessedAt: now,
		Response: event.DeliveryResponse{Status: event.ResponseSuccess, DeliveredAt: &now},
	}}))
	require.True(t, taken)
}
