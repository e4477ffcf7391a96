package app

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/httpvendor"
)

// testSender hands test sends to the vendor, nil where none is configured.
func testSender(cfg config.API) (campaign.TestSender, error) {
	if cfg.VendorURL == "" {
		return nil, nil //nolint:nilnil // test sends are refused then
	}
	client, err := httpvendor.New(httpvendor.Config{BaseURL: cfg.VendorURL, Token: cfg.VendorToken, Timeout: cfg.VendorTimeout})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, m campaign.TestMessage) (campaign.TestOutcome, error) {
		id := m.ID.String()
		got, err := client.Send(ctx, vendor.Request{
			// Of no campaign: vendors want an id, and this one is nobody's.
			IdempotencyKey: id, CommunicationID: id, CampaignID: uuid.Nil.String(), CustomerID: uuid.Nil.String(),
			Recipient: m.Email, RecipientName: m.Name, Body: m.Text, CampaignName: "Test", CampaignType: string(campaign.Transactional),
			Attempt: 1, MaxAttempts: 1,
		})
		return testOutcome(got, err)
	}, nil
}

func testOutcome(got vendor.Result, err error) (campaign.TestOutcome, error) {
	if err == nil {
		return campaign.TestOutcome{Accepted: true, VendorRef: got.VendorRef}, nil
	}
	refused, ok := errors.AsType[*vendor.Error](err)
	if !ok {
		return campaign.TestOutcome{}, err
	}
	if refused.Kind == vendor.Ambiguous {
		return campaign.TestOutcome{}, errs.Wrap(errs.Unknown, err,
			"the vendor gave no answer, and may have taken the message: repeat the request under the same Idempotency-Key")
	}
	return campaign.TestOutcome{Code: string(refused.Code), MayPass: refused.Kind == vendor.Retryable}, nil
}
