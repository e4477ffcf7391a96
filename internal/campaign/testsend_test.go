package campaign_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
)

// desk is the store of test sends, in memory, and the vendor behind it.
type desk struct {
	begun      []uuid.UUID
	sent       []campaign.TestMessage
	suppressed string
	outcome    campaign.TestOutcome
	full       bool
}

func (d *desk) BeginTestSend(_ context.Context, id uuid.UUID, _ string, _ int, _ time.Duration) error {
	if d.full {
		return errs.Errorf(errs.RateLimited, "more than 20 test sends")
	}
	d.begun = append(d.begun, id)
	return nil
}

func (d *desk) IsSuppressed(_ context.Context, email string) (bool, error) {
	return email == d.suppressed, nil
}

func (d *desk) ExampleRecipient(context.Context, uuid.UUID) (message.Recipient, error) {
	return message.Recipient{Name: new("Ravi")}, nil
}

func (d *desk) send(_ context.Context, m campaign.TestMessage) (campaign.TestOutcome, error) {
	d.sent = append(d.sent, m)
	return d.outcome, nil
}

func TestTests(t *testing.T) {
	t.Parallel()
	input := campaign.TestInput{
		MessageTemplate: "Hi {{ name }}, you spent {{ total_spend }} {{ unsubscribe_url }}", Email: "Asha@Shop.in", Principal: "asha", IdempotencyKey: "k",
	}
	accepted := campaign.TestOutcome{Accepted: true, VendorRef: "msg-1"}

	t.Run("GoToOneAddressUnderAnIdOfTheirKey", func(t *testing.T) {
		t.Parallel()
		d := &desk{outcome: accepted}
		service := campaign.NewTests(d, d.send, "https://example.com/none")
		first, err := service.Send(t.Context(), input)
		require.NoError(t, err)
		again, err := service.Send(t.Context(), input)
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID, "for the vendor it is one message")
		require.Equal(t, "asha@shop.in", d.sent[0].Email)
		require.Equal(t, "Hi Asha Rao, you spent ₹1,234.5 https://example.com/none", d.sent[0].Text)
		other := input
		other.Principal = "ravi"
		others, err := service.Send(t.Context(), other)
		require.NoError(t, err)
		require.NotEqual(t, first.ID, others.ID, "keys are each principal's own")
	})
	t.Run("TakeTheDataOfACustomerAndNotTheAddress", func(t *testing.T) {
		t.Parallel()
		d := &desk{outcome: accepted}
		in := input
		in.CustomerID, in.MessageTemplate = uuid.New(), "Hi {{ name }}"
		_, err := campaign.NewTests(d, d.send, "").Send(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, "Hi Ravi", d.sent[0].Text)
		require.Equal(t, "asha@shop.in", d.sent[0].Email)
	})
	t.Run("SayWhyTheVendorRefused", func(t *testing.T) {
		t.Parallel()
		d := &desk{outcome: campaign.TestOutcome{Code: "SPAM_DETECTED"}}
		got, err := campaign.NewTests(d, d.send, "").Send(t.Context(), input)
		require.NoError(t, err)
		require.Contains(t, got.Explanation(), "taken for spam (SPAM_DETECTED)")
		d.outcome = campaign.TestOutcome{Code: "RATE_LIMITED", MayPass: true}
		got, err = campaign.NewTests(d, d.send, "").Send(t.Context(), input)
		require.NoError(t, err)
		require.Contains(t, got.Explanation(), "try again")
	})
	for name, tt := range map[string]struct {
		change func(*campaign.TestInput, *desk)
		want   errs.Code
	}{
		"ToASuppressedAddress":  {func(_ *campaign.TestInput, d *desk) { d.suppressed = "asha@shop.in" }, errs.Conflict},
		"ToAnErasedCustomer":    {func(in *campaign.TestInput, _ *desk) { in.Email = "0197e5b5@erased.invalid" }, errs.Invalid},
		"ToAnAddressThatIsNone": {func(in *campaign.TestInput, _ *desk) { in.Email = "asha" }, errs.Invalid},
		"OfATemplateThatIsNone": {func(in *campaign.TestInput, _ *desk) { in.MessageTemplate = "{% if %}" }, errs.Invalid},
		"BeyondTheLimit":        {func(_ *campaign.TestInput, d *desk) { d.full = true }, errs.RateLimited},
	} {
		t.Run("AreRefused"+name, func(t *testing.T) {
			t.Parallel()
			d, in := &desk{outcome: accepted}, input
			tt.change(&in, d)
			_, err := campaign.NewTests(d, d.send, "").Send(t.Context(), in)
			require.Equal(t, tt.want, errs.CodeOf(err), err)
			require.Empty(t, d.sent)
		})
	}
	t.Run("AreRefusedWithoutAVendor", func(t *testing.T) {
		t.Parallel()
		_, err := campaign.NewTests(&desk{}, nil, "").Send(t.Context(), input)
		require.True(t, errs.Is(err, errs.Unavailable))
		require.ErrorContains(t, err, "VENDOR_URL")
	})
}
