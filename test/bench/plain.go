package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/httpvendor"
)

// plainConnections is how many the plain loop posts over: more did not make it faster on two cores.
const plainConnections = 100

// plainLoop posts as many messages to the same sort of vendor from a loop, and keeps nothing of it: no ledger, no
// retries, no receipts. It is what the guarantees cost.
func (b *bench) plainLoop(ctx context.Context) (figures, error) {
	url, stop, err := b.aloofVendor(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	client, err := httpvendor.New(httpvendor.Config{BaseURL: url, MaxIdleConns: plainConnections})
	if err != nil {
		return nil, err
	}
	campaign := uuid.NewString()
	var next, unanswered atomic.Int64
	var loops sync.WaitGroup
	begin := time.Now()
	for range plainConnections {
		loops.Go(func() {
			for i := next.Add(1); i <= int64(b.paged); i = next.Add(1) {
				_, err := client.Send(ctx, plainMessage(campaign, i))
				if e, ok := errors.AsType[*vendor.Error](err); ok && e.Kind == vendor.Ambiguous {
					unanswered.Add(1)
				}
			}
		})
	}
	loops.Wait()
	took := time.Since(begin)
	if n := unanswered.Load(); n > 0 {
		return nil, fmt.Errorf("the vendor gave no answer to %d messages", n)
	}
	return figures{"per_s": float64(b.paged) / took.Seconds()}, ctx.Err()
}

func plainMessage(campaign string, i int64) vendor.Request {
	key := uuid.NewString()
	return vendor.Request{
		IdempotencyKey: key, CommunicationID: key, CampaignID: campaign, CustomerID: uuid.NewString(),
		Recipient: fmt.Sprintf("c%d@example.com", i), RecipientName: fmt.Sprintf("Customer %d", i),
		Body:         fmt.Sprintf("Hi Customer %d, you have spent %d with us", i, i%9999),
		CampaignName: "bench", CampaignType: "PROMOTIONAL", Attempt: 1, MaxAttempts: 3,
	}
}
