package mock

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/xencrm/xencrm/internal/failpoint"
	"github.com/xencrm/xencrm/internal/vendor"
)

const (
	// A receiver that is restarting is back in a second or two; one that is down should not be knocked
	// on by a whole backlog more often than every few seconds.
	backoffFirst = 200 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// Run posts receipts until ctx ends; what is unconfirmed then stays in the ledger and is posted again
// after a restart. Call it once at a time.
func (s *Server) Run(ctx context.Context) error {
	if s.c.ReceiptURL == "" {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(s.c.ReceiptInterval)
	defer tick.Stop()
	slots := make(chan struct{}, s.c.ReceiptConcurrency)
	var posts sync.WaitGroup
	defer posts.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.queue.woken:
		}
		for _, p := range s.due() {
			if !takeSlot(ctx, slots) {
				s.queue.retry(p) // For a Run to come; the loop puts back the rest as well.
				continue
			}
			posts.Go(func() {
				defer func() { <-slots }()
				s.deliver(ctx, p)
			})
		}
	}
}

func takeSlot(ctx context.Context, slots chan<- struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) due() []*parcel {
	f := s.Faults()
	if f.HoldReceipts {
		return nil
	}
	shuffle := s.shuffle
	if !f.ShuffleReceipts {
		shuffle = nil
	}
	return s.queue.take(time.Now(), s.c.ReceiptBatch, shuffle)
}

// deliver posts one parcel and notes the confirmation. The order matters: a crash between the 2xx and
// the note means one more copy, the other way round would mean a lost receipt.
func (s *Server) deliver(ctx context.Context, p *parcel) {
	failpoint.Hit(failpoint.VendorBeforePost)
	err := s.post(ctx, p)
	if err == nil {
		err = failpoint.Err(failpoint.VendorAfterPost)
	}
	if err == nil {
		err = s.confirm(context.WithoutCancel(ctx), p)
	}
	if err == nil {
		failpoint.Hit(failpoint.VendorAfterNote)
		s.queue.done(p)
		return
	}
	p.tries++
	p.due = time.Now().Add(backoff(p.tries))
	s.queue.retry(p)
	if ctx.Err() == nil && p.tries == 1 {
		// Once per parcel: during an outage every further try says the same.
		s.c.Logger.WarnContext(ctx, "receipts not taken", slog.Int("receipts", len(p.receipts)), slog.Any("error", err))
	}
}

// confirm gets a context that does not end when we are told to stop: the receiver has the parcel.
func (s *Server) confirm(ctx context.Context, p *parcel) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	requests := make([]int64, len(p.receipts))
	for i, r := range p.receipts {
		requests[i] = r.request
	}
	if _, err := s.ledger.group.Do(ctx, work{confirmed: requests}); err != nil {
		return fmt.Errorf("note confirmed receipts: %w", err)
	}
	for _, r := range p.receipts {
		if r.confirmed != nil {
			close(r.confirmed)
			r.confirmed = nil // A copy in another parcel is another pending.
		}
	}
	return nil
}

func (s *Server) post(ctx context.Context, p *parcel) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.ReceiptTimeout)
	defer cancel()
	parcels := vendor.ReceiptBatch{Receipts: make([]vendor.Receipt, len(p.receipts))}
	for i, r := range p.receipts {
		parcels.Receipts[i] = r.receipt
	}
	body := mustJSON(parcels)
	// Signed anew on every try: the receiver refuses timestamps older than five minutes.
	now := time.Now()
	signature, err := s.webhook.Sign(p.id, now, body)
	if err != nil {
		return fmt.Errorf("sign receipts: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.ReceiptURL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(standardwebhooks.HeaderWebhookID, p.id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	resp, err := s.receiver.RoundTrip(req)
	if err != nil {
		return err
	}
	// Read so that the connection can be used again; what it says does not matter.
	_, _ = io.CopyN(io.Discard, resp.Body, vendor.MaxBody)
	_ = resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("receiver answered %d", resp.StatusCode)
	}
	return nil
}

// backoff doubles up to the cap, with half of it drawn, so that parcels that failed together do not
// come back together.
func backoff(tries int) time.Duration {
	d := backoffMost
	if shift := tries - 1; shift < 5 {
		d = min(backoffFirst<<shift, backoffMost)
	}
	return d/2 + rand.N(d/2)
}
