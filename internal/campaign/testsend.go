package campaign

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
)

const (
	// testsAnHour is what somebody needs who is writing a template, and too little to go round campaigns,
	// which ask for consent and keep books.
	testsAnHour = 20
	testWindow  = time.Hour
)

// TestInput is what a client says of a test send.
type TestInput struct {
	MessageTemplate string
	// Email is where the message goes.
	Email string
	// CustomerID is whose data fill the template; the zero id takes an example's.
	CustomerID uuid.UUID
	Principal  string
	// IdempotencyKey, when set, makes a repeated request one message: the vendor is asked under the same key.
	IdempotencyKey string
}

// TestMessage is the message of a test send.
type TestMessage struct {
	ID          uuid.UUID
	Email, Name string
	Text        string
}

// TestOutcome is what the vendor answered.
type TestOutcome struct {
	Accepted bool
	// VendorRef is the vendor's name for an accepted message.
	VendorRef string
	// Code is why it was refused, in the vendor's words.
	Code string
	// MayPass tells that the same message may be accepted later.
	MayPass bool
}

// TestSend is a test send that was answered.
type TestSend struct {
	TestMessage
	TestOutcome
}

// Explanation says the outcome in a sentence.
func (t TestSend) Explanation() string {
	switch {
	case t.Accepted:
		return "The vendor accepted the message."
	case t.MayPass:
		return "The vendor refused the message for now" + because(t.Code) + ": try again."
	case t.Code == "":
		return "The vendor refused the message for good and named no reason."
	}
	return "The vendor refused the message for good" + because(t.Code) + "."
}

// TestSender hands one message to the vendor. errs.Unknown means that it may have been taken; the same id is
// one message, however often it is asked.
type TestSender func(ctx context.Context, m TestMessage) (TestOutcome, error)

// TestStore keeps which test sends there were.
type TestStore interface {
	// BeginTestSend takes one of limit test sends within a time; errs.RateLimited if there is none left. One
	// that was begun already takes none.
	BeginTestSend(ctx context.Context, id uuid.UUID, principal string, limit int, within time.Duration) error
	IsSuppressed(ctx context.Context, email string) (bool, error)
	// ExampleRecipient gives what a template may name of a customer.
	ExampleRecipient(ctx context.Context, customerID uuid.UUID) (message.Recipient, error)
}

// Tests is the service for test sends; every door goes through it.
type Tests struct {
	store TestStore
	send  TestSender
	// link stands for the unsubscribe link: it unsubscribes nobody.
	link string
}

// NewTests makes the service. A nil send refuses test sends, where no vendor is configured.
func NewTests(s TestStore, send TestSender, exampleLink string) *Tests {
	return &Tests{store: s, send: send, link: exampleLink}
}

// Send renders the template as a launch would and sends the message to one address, once. It belongs to no
// campaign and counts nowhere. A suppressed address is refused as everywhere.
func (t *Tests) Send(ctx context.Context, in TestInput) (TestSend, error) {
	if t.send == nil {
		return TestSend{}, errs.Errorf(errs.Unavailable, "test sends are not configured: set VENDOR_URL for the API, as for the worker")
	}
	m, err := t.render(ctx, in)
	if err != nil {
		return TestSend{}, err
	}
	suppressed, err := t.store.IsSuppressed(ctx, m.Email)
	if err != nil {
		return TestSend{}, err
	}
	if suppressed || strings.HasSuffix(m.Email, customer.ErasedDomain) {
		return TestSend{}, errs.Errorf(errs.Conflict, "the address is suppressed: nobody writes to it, not even a test")
	}
	if err := t.store.BeginTestSend(ctx, m.ID, in.Principal, testsAnHour, testWindow); err != nil {
		return TestSend{}, err
	}
	outcome, err := t.send(ctx, m)
	return TestSend{m, outcome}, err
}

func (t *Tests) render(ctx context.Context, in TestInput) (TestMessage, error) {
	var fields []errs.Field
	email, err := customer.ParseEmail("/email", in.Email)
	fields = append(fields, fieldsOf(err)...)
	template, err := message.Parse(in.MessageTemplate)
	fields = append(fields, fieldsOf(err)...)
	if len(fields) > 0 {
		return TestMessage{}, errs.InvalidFields(fields[0].Message, fields)
	}
	recipient := exampleRecipient(email)
	if in.CustomerID != uuid.Nil {
		if recipient, err = t.store.ExampleRecipient(ctx, in.CustomerID); err != nil {
			return TestMessage{}, err
		}
	}
	recipient.UnsubscribeURL = func() string { return t.link }
	text, err := template.Render(recipient)
	if err != nil {
		text := fmt.Sprintf("gives no message for this customer: %v", err)
		return TestMessage{}, errs.InvalidFields("message_template "+text, []errs.Field{{Pointer: "/message_template", Message: text}})
	}
	m := TestMessage{ID: testSendID(in), Email: email, Text: text}
	if recipient.Name != nil {
		m.Name = *recipient.Name
	}
	return m, nil
}

// exampleRecipient is a customer as there may be many.
func exampleRecipient(email string) message.Recipient {
	return message.Recipient{
		Name: new("Asha Rao"), Email: &email, TotalSpend: new(decimal.New(123450, -2)), //nolint:mnd // ₹1,234.50
		TotalOrders: new(int32(3)), TotalVisits: new(int32(7)), //nolint:mnd // as the fields' examples
	}
}

// testSendID is random, or derived from the idempotency key and its owner.
func testSendID(in TestInput) uuid.UUID {
	if in.IdempotencyKey == "" {
		return uuid.Must(uuid.NewV7())
	}
	return uuid.NewSHA1(communicationSpace, []byte("test\x00"+in.Principal+"\x00"+in.IdempotencyKey))
}
