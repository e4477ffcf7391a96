package api

import (
	"context"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
)

// testSends sends single messages for people to look at.
type testSends struct{ service TestSends }

// testBody is what a client says of a test send.
type testBody struct {
	MessageTemplate *string `json:"message_template" nullable:"false" doc:"The message, in Liquid." example:"Hi {{ name }}, 10% off"`
	Email           *string `json:"email" nullable:"false" format:"email" doc:"Where it goes; one address." example:"asha@shop.in"`
	CustomerID      *string `json:"customer_id,omitempty" nullable:"true" format:"uuid" doc:"Whose data fill the template; an example's if absent." example:"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11"`
}

// testView is what became of it.
type testView struct {
	CommunicationID string  `json:"communication_id" format:"uuid" doc:"The message's id, of no campaign." example:"0197e5b5-6666-7a64-8a3c-3a5ef2c43a11"`
	Accepted        bool    `json:"accepted" doc:"Whether the vendor accepted it." example:"true"`
	FailureCode     *string `json:"failure_code" nullable:"true" doc:"Why not, as the vendor calls it." example:"INVALID_EMAIL"`
	Explanation     string  `json:"explanation" doc:"The same in a sentence." example:"The vendor accepted the message."`
	VendorRef       *string `json:"vendor_ref" nullable:"true" doc:"The vendor's name for it." example:"msg_123"`
	Message         string  `json:"message" doc:"The text that was sent. An unsubscribe link in it unsubscribes nobody." example:"Hi Asha, 10% off"`
}

type testInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" doc:"Makes a repeated request one message." example:"test-1"`
	Body           jsonBody[testBody]
}

func (s testSends) send(ctx context.Context, in *testInput) (*reply[answer[testView]], error) {
	said, err := in.Body.decode()
	if err != nil {
		return nil, err
	}
	if blank(said.MessageTemplate) || blank(said.Email) {
		return nil, refused("", "Missing required fields: message_template, email")
	}
	input := campaign.TestInput{
		MessageTemplate: *said.MessageTemplate, Email: *said.Email, Principal: principalOf(ctx), IdempotencyKey: in.IdempotencyKey,
	}
	if said.CustomerID != nil {
		id, valid := parseID(*said.CustomerID)
		if !valid || id == uuid.Nil {
			return nil, refused("/customer_id", "Invalid customer_id provided")
		}
		input.CustomerID = id
	}
	sent, err := s.service.Send(ctx, input)
	if err != nil {
		return nil, err
	}
	view := testView{CommunicationID: sent.ID.String(), Accepted: sent.Accepted, Explanation: sent.Explanation(), Message: sent.Text}
	if sent.Code != "" {
		view.FailureCode = &sent.Code
	}
	if sent.VendorRef != "" {
		view.VendorRef = &sent.VendorRef
	}
	return ok(view), nil
}
