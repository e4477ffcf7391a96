package api_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

type fakeTestSends struct {
	send func(ctx context.Context, in campaign.TestInput) (campaign.TestSend, error)
}

func (f *fakeTestSends) Send(ctx context.Context, in campaign.TestInput) (campaign.TestSend, error) {
	return f.send(ctx, in)
}

func aTestSend() campaign.TestSend {
	return campaign.TestSend{
		TestMessage: campaign.TestMessage{ID: uuid.MustParse("0197e5b5-6666-7a64-8a3c-3a5ef2c43a11"), Email: "asha@shop.in", Text: "Hi Asha"},
		TestOutcome: campaign.TestOutcome{Accepted: true, VendorRef: "msg_123"},
	}
}

func TestTestSend(t *testing.T) {
	t.Parallel()
	const path = "/api/campaigns/test-send"

	t.Run("IsOfTheCallerUnderItsKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		var said campaign.TestInput
		b.testSends.send = func(_ context.Context, in campaign.TestInput) (campaign.TestSend, error) {
			said = in
			return aTestSend(), nil
		}
		body := `{"message_template":"Hi","email":"asha@shop.in","customer_id":"` + customerID.String() + `"}`
		w := b.call(t, http.MethodPost, path, body, "Authorization", "Bearer editor", "Idempotency-Key", "k")
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.Equal(t, campaign.TestInput{
			MessageTemplate: "Hi", Email: "asha@shop.in", CustomerID: customerID, Principal: "key:editor", IdempotencyKey: "k",
		}, said)
		log := b.access.log()
		require.Equal(t, "testSend", log[len(log)-1].Operation)
		require.NotContains(t, b.logs.String(), "asha@")
	})
	t.Run("RepeatedAfterAnAnswerThatIsNotKnownItIsAskedAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		asked := 0
		b.testSends.send = func(context.Context, campaign.TestInput) (campaign.TestSend, error) {
			if asked++; asked == 1 {
				return campaign.TestSend{}, errs.Errorf(errs.Unknown, "the vendor gave no answer")
			}
			return aTestSend(), nil
		}
		body := `{"message_template":"Hi","email":"asha@shop.in"}`
		require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodPost, path, body, "Idempotency-Key", "k").Code)
		for range 2 {
			require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, path, body, "Idempotency-Key", "k").Code)
		}
		require.Equal(t, 2, asked, "the third is the second's answer")
	})
	for name, body := range map[string]string{
		"NoTemplate": `{"email":"asha@shop.in"}`, "NoAddress": `{"message_template":"Hi"}`, "TwoAddresses": `{"message_template":"Hi","email":["a@b.in","c@d.in"]}`,
		"AnIdThatIsNone": `{"message_template":"Hi","email":"asha@shop.in","customer_id":"7"}`, "NoCustomerAtAll": `{"message_template":"Hi","email":"asha@shop.in","customer_id":"00000000-0000-0000-0000-000000000000"}`,
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			w := setup(t).call(t, http.MethodPost, path, body)
			require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, w.Code, w.Body)
		})
	}
}
