package mock_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/mock"
	"github.com/xencrm/xencrm/internal/vendors/vendortest"
)

// inbox is a receiver that verifies every post as our API will.
type inbox struct {
	url     string
	webhook *standardwebhooks.Webhook

	mu      sync.Mutex
	refuse  int // How many posts to answer with 503 first; negative is for ever.
	ids     []string
	batches [][]vendor.Receipt
	bad     []string
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	in := &inbox{webhook: wh}
	server := httptest.NewServer(in)
	t.Cleanup(server.Close)
	in.url = server.URL + "/receipts"
	return in
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ids = append(in.ids, r.Header.Get(standardwebhooks.HeaderWebhookID))
	if in.refuse != 0 {
		in.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if err == nil {
		err = in.webhook.Verify(body, r.Header)
	}
	all, decodeErr := vendor.DecodeReceipts(body)
	if err != nil || decodeErr != nil {
		in.bad = append(in.bad, string(body))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var batch []vendor.Receipt
	for _, one := range all {
		if err := errors.Join(one.Err, one.Receipt.Validate()); err != nil {
			in.bad = append(in.bad, err.Error())
		}
		batch = append(batch, one.Receipt)
	}
	in.batches = append(in.batches, batch)
	w.WriteHeader(http.StatusAccepted)
}

func (in *inbox) receipts() []vendor.Receipt {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Concat(in.batches...)
}

func (in *inbox) byMessage() map[string][]vendor.Receipt {
	all := map[string][]vendor.Receipt{}
	for _, r := range in.receipts() {
		all[r.CommunicationID] = append(all[r.CommunicationID], r)
	}
	return all
}

// posting is a vendor that posts its receipts to in; stop ends its Run.
func posting(t *testing.T, c mock.Config, in *inbox) (*world, func()) {
	t.Helper()
	c.ReceiptURL, c.ReceiptSecret = in.url, secret
	w := start(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop) // Before the Close of start: cleanups run last in, first out.
	return w, stop
}

func (w *world) awaitConfirmed(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		sum := w.summary(t)
		return sum.ReceiptsConfirmed == n && sum.ReceiptsQueued == 0
	}, patience, 5*time.Millisecond)
}

func TestReceipts(t *testing.T) {
	t.Parallel()

	t.Run("EachAcceptedMessageGetsItsSignedReceipt", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		in := newInbox(t)
		w, _ := posting(t, c, in)
		want := map[string]vendor.Code{}
		for _, code := range []vendor.Code{"", "", vendor.EmailBounced, vendor.SpamDetected} {
			r := withOutcomes(t, c, code)
			w.mustSend(t, r)
			want[r.CommunicationID] = code
		}
		w.mustSend(t, withOutcomes(t, c, vendor.InvalidEmail))
		w.mustSend(t, withOutcomes(t, c, vendor.RateLimited))
		w.awaitConfirmed(t, len(want))
		got := in.byMessage()
		require.Empty(t, in.bad)
		require.Len(t, got, len(want))
		for id, code := range want {
			require.Len(t, got[id], 1)
			require.Equal(t, code, got[id][0].ErrorCode)
			require.Equal(t, code == "", got[id][0].Status == vendor.Delivered)
			require.Equal(t, 1, got[id][0].Attempt)
		}
	})

	t.Run("AreSentAgainUntilTaken", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		in := newInbox(t)
		in.refuse = 2
		w, _ := posting(t, c, in)
		w.mustSend(t, withOutcomes(t, c, ""))
		w.awaitConfirmed(t, 1)
		require.Len(t, in.ids, 3)
		require.Len(t, slices.Compact(slices.Clone(in.ids)), 1, "a retried batch keeps its webhook-id")
	})

	t.Run("GoOnAfterARestart", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		in := newInbox(t)
		in.refuse = -1
		w, stop := posting(t, c, in)
		r := withOutcomes(t, c, vendor.RateLimited, vendor.EmailBounced)
		w.mustSend(t, r)
		accepted := w.mustSend(t, r)
		stop()
		require.NoError(t, w.Close())
		in.mu.Lock()
		in.refuse = 0
		in.mu.Unlock()
		w, _ = posting(t, c, in)
		w.awaitConfirmed(t, 1)
		got := in.receipts()[0]
		require.Equal(t, accepted.body.VendorRef, got.VendorRef)
		require.Equal(t, r.CampaignID, got.CampaignID)
		require.Equal(t, 2, got.Attempt)
		require.Equal(t, vendor.EmailBounced.Text(), got.ErrorMessage)
		require.False(t, got.OccurredAt.IsZero())
	})

	t.Run("AreHeldUntilReleased", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.Faults.HoldReceipts = true
		in := newInbox(t)
		w, _ := posting(t, c, in)
		for range 5 {
			w.mustSend(t, withOutcomes(t, c, ""))
		}
		require.Never(t, func() bool { return len(in.receipts()) > 0 }, 20*c.ReceiptInterval, c.ReceiptInterval)
		require.NoError(t, w.SetFaults(mock.Faults{}))
		w.awaitConfirmed(t, 5)
	})

	t.Run("MayComeBeforeTheAnswer", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.Faults.ReceiptFirst = true
		c.ReceiptDelay = mock.Range{Min: time.Hour, Max: time.Hour}
		in := newInbox(t)
		w, _ := posting(t, c, in)
		for range 3 {
			r := withOutcomes(t, c, "")
			w.mustSend(t, r)
			require.Len(t, in.byMessage()[r.CommunicationID], 1)
		}
	})

	t.Run("CopiesAndShuffleChangeNothingElse", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.ReceiptBatch = 7
		c.SuccessRate = 1
		c.Faults = mock.Faults{ReceiptCopies: 3, ShuffleReceipts: true}
		in := newInbox(t)
		w, _ := posting(t, c, in)
		const n = 100
		for i := range n {
			w.mustSend(t, vendortest.Request("copied-"+string(rune('a'+i%26))+string(rune('a'+i/26))))
		}
		w.awaitConfirmed(t, n)
		got := in.byMessage()
		require.Len(t, got, n)
		for id, copies := range got {
			for _, one := range copies {
				require.Equal(t, copies[0], one)
			}
			e, err := w.Entry(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, len(copies), e.Receipts[0].CopiesSent)
		}
		// Geometric with mean 3: variance 6, so 300 +- 4*sqrt(600).
		require.InDelta(t, 3*n, len(in.receipts()), 98)
		for _, batch := range in.batches {
			require.LessOrEqual(t, len(batch), 7)
		}
	})

	t.Run("AnEndedReceiverDoesNotStopSends", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		in := newInbox(t)
		in.url = "http://127.0.0.1:1/receipts" // Nobody listens there.
		w, stop := posting(t, c, in)
		for range 20 {
			require.Equal(t, 200, w.mustSend(t, withOutcomes(t, c, "")).status)
		}
		stop()
		require.Equal(t, 20, w.summary(t).ReceiptsUnconfirmed)
	})
}
