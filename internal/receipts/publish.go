package receipts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// MessagePublisher publishes one message; nil means that the broker has it safe.
type MessagePublisher interface {
	Publish(ctx context.Context, m event.Message) error
}

// Publisher queues the receipts that the vendor posted.
type Publisher struct {
	publisher MessagePublisher
	now       func() time.Time
}

// NewPublisher makes a publisher of receipts.
func NewPublisher(p MessagePublisher, now func() time.Time) *Publisher {
	return &Publisher{publisher: p, now: now}
}

// perMessage is how many receipts share a message: 100 of them are some 40 KB and cost one confirm.
const perMessage = 100

// PublishReceipts returns nil when the broker has confirmed every receipt. After an error the caller
// posts all of them again; the consumer stores each once.
func (p *Publisher) PublishReceipts(ctx context.Context, rs []event.Receipt) error {
	for len(rs) > 0 {
		n := min(perMessage, len(rs))
		if err := p.publish(ctx, rs[:n]); err != nil {
			return err
		}
		rs = rs[n:]
	}
	return nil
}

func (p *Publisher) publish(ctx context.Context, rs []event.Receipt) error {
	body, err := json.Marshal(event.ReceiptBatch{SchemaVersion: event.SchemaVersion, Receipts: rs})
	if err != nil {
		return fmt.Errorf("encode receipts: %w", err)
	}
	failpoint.Hit(failpoint.ReceiptsInBeforePublish)
	err = p.publisher.Publish(ctx, event.Message{
		Exchange: event.ExchangeCampaign, Key: event.KeyReceipt,
		// The same receipts are the same message, so that a repeat can be told in the broker's tools.
		ID:        uuid.NewSHA1(uuid.NameSpaceOID, body).String(),
		Timestamp: p.now(), Body: body,
	})
	if err != nil {
		return err
	}
	return failpoint.Err(failpoint.ReceiptsInAfterConfirm)
}
