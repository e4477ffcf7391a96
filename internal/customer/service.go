package customer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// Publisher publishes one message; nil means that the broker has it safe.
type Publisher interface {
	Publish(ctx context.Context, m event.Message) error
}

// Directory knows which customers exist.
type Directory interface {
	CustomerExists(ctx context.Context, email string) (bool, error)
}

// Service takes posted customers and orders and queues them.
type Service struct {
	publisher Publisher
	directory Directory
	now       func() time.Time
	log       *slog.Logger

	// lookup bounds the search for an order's customer, poll is the pause between two looks.
	lookup, poll time.Duration
}

// NewService makes a service. now gives the time of messages.
func NewService(p Publisher, d Directory, now func() time.Time, log *slog.Logger) *Service {
	return &Service{
		publisher: p, directory: d, now: now, log: log,
		// The customer of a new order is often itself still in the queue (D48), which takes it some
		// ten milliseconds to leave; a client who is told "not found" has waited a second.
		lookup: time.Second, poll: 25 * time.Millisecond,
	}
}

// AcceptedCustomer is what was queued, normalised.
type AcceptedCustomer struct {
	Name  string
	Email string
}

// AcceptedOrder is what was queued, normalised.
type AcceptedOrder struct {
	CustomerEmail string
	OrderAmount   decimal.Decimal
	OrderStatus   string
}

// AcceptCustomer validates a posted customer and queues it. It gives errs.Invalid with the fields,
// errs.Unavailable when nothing was queued, and errs.Unknown when it may have been: repeat it with
// the same idempotencyKey and it counts once.
func (s *Service) AcceptCustomer(ctx context.Context, raw []byte, idempotencyKey string) (AcceptedCustomer, error) {
	in, err := ParseInput(raw, Strict)
	if err != nil {
		return AcceptedCustomer{}, err
	}
	data, err := json.Marshal(in.event())
	if err != nil {
		return AcceptedCustomer{}, fmt.Errorf("encode customer: %w", err)
	}
	err = s.publish(ctx, envelope{event.KeyCustomer, event.TypeCustomerReceived, event.SourceCustomerAPI, idempotencyKey, data})
	if err != nil {
		return AcceptedCustomer{}, err
	}
	return AcceptedCustomer{Name: in.Name, Email: in.Email}, nil
}

// AcceptOrder validates a posted order and queues it; see AcceptCustomer. An unknown customer gives
// errs.NotFound. When that cannot be found out the order is queued: the consumer keeps it until its
// customer is there, and ingestion does not hang on the database.
func (s *Service) AcceptOrder(ctx context.Context, raw []byte, idempotencyKey string) (AcceptedOrder, error) {
	in, err := ParseOrderInput(raw, Strict, s.now())
	if err != nil {
		return AcceptedOrder{}, err
	}
	if !s.mayExist(ctx, in.CustomerEmail) {
		return AcceptedOrder{}, errs.Errorf(errs.NotFound,
			"The specified customer email does not exist. Please create the customer first.")
	}
	data, err := json.Marshal(in.event())
	if err != nil {
		return AcceptedOrder{}, fmt.Errorf("encode order: %w", err)
	}
	err = s.publish(ctx, envelope{event.KeyOrder, event.TypeOrderReceived, event.SourceOrderAPI, idempotencyKey, data})
	if err != nil {
		return AcceptedOrder{}, err
	}
	return AcceptedOrder{CustomerEmail: in.CustomerEmail, OrderAmount: in.Amount, OrderStatus: string(in.Status)}, nil
}

// mayExist reports whether the customer exists or nobody can say so.
func (s *Service) mayExist(ctx context.Context, email string) bool {
	ctx, cancel := context.WithTimeout(ctx, s.lookup)
	defer cancel()
	ticker := time.NewTicker(s.poll)
	defer ticker.Stop()
	for answered := false; ; {
		found, err := s.directory.CustomerExists(ctx, email)
		switch {
		case found:
			return true
		case err == nil:
			answered = true
		case ctx.Err() != nil:
			return !answered // the time is up, and cut this look short
		default:
			s.log.WarnContext(ctx, "order accepted without a look at its customer", "error", err)
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

// envelope is what publish needs to know of one post.
type envelope struct {
	key, eventType, source, idempotencyKey string
	data                                   []byte
}

func (s *Service) publish(ctx context.Context, e envelope) error {
	now := s.now().UTC()
	body, err := json.Marshal(event.Envelope{
		EventType: e.eventType, SchemaVersion: event.SchemaVersion, Timestamp: now, Source: e.source, Data: e.data,
	})
	if err != nil {
		return fmt.Errorf("encode envelope: %w", err)
	}
	id, err := messageID(e.key, e.idempotencyKey)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.IngestBeforePublish)
	err = s.publisher.Publish(ctx, event.Message{
		Exchange: event.ExchangeIngestion, Key: e.key, ID: id, Timestamp: now, Body: body,
	})
	if err != nil {
		return err
	}
	return failpoint.Err(failpoint.IngestAfterConfirm)
}

// keySpace is the name space of message ids that derive from idempotency keys.
var keySpace = uuid.MustParse("8b0d2f3e-5a0c-5c55-8f6e-0f4f6c1f2a11")

// messageID derives from the client's key, so that a retry is one effect, or is new without one. The
// routing key keeps apart a customer and an order posted under the same key.
func messageID(routingKey, idempotencyKey string) (string, error) {
	if idempotencyKey != "" {
		return uuid.NewSHA1(keySpace, []byte(routingKey+"\x00"+idempotencyKey)).String(), nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make message id: %w", err)
	}
	return id.String(), nil
}
