package mock_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/mock"
	"github.com/xencrm/xencrm/internal/vendors/vendortest"
)

func (w *world) call(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	resp, err := w.http.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }() // It was read.
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(got)
}

func TestFaults(t *testing.T) {
	t.Parallel()

	// Whatever goes wrong, a message ends as predicted once the fault is over.
	tests := []struct {
		name     string
		faults   mock.Faults
		accepted bool // The ledger has it although the answer was lost.
		status   int  // 0 when there is no answer at all.
		bare     bool // Whether the answer has no body.
	}{
		{"OutageByReset", mock.Faults{Outage: mock.OutageClose}, false, 0, false},
		{"OutageBy503", mock.Faults{Outage: mock.Outage503}, false, 503, true},
		{"Storm", mock.Faults{Storm: 1}, false, 429, true},
		{"ErrorBefore", mock.Faults{ErrorBefore: 1}, false, 500, true},
		{"ErrorAfter", mock.Faults{ErrorAfter: 1}, true, 500, true},
		{"DropAfter", mock.Faults{DropAfter: 1}, true, 0, false},
		{"Garbage", mock.Faults{Garbage: 1}, true, 200, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := quick(t)
			w := start(t, c)
			r := withOutcomes(t, c, "")
			require.NoError(t, w.SetFaults(tt.faults))
			for range 5 {
				got, err := w.send(t, r)
				require.Equal(t, tt.status == 0, err != nil)
				require.Equal(t, tt.status, got.status)
				require.True(t, !tt.bare || len(got.raw) == 0)
			}
			_, err := w.Entry(t.Context(), r.IdempotencyKey)
			require.Equal(t, tt.accepted, err == nil)
			require.NoError(t, w.SetFaults(mock.Faults{}))
			got := w.mustSend(t, r)
			require.Equal(t, 200, got.status)
			require.Equal(t, 1, got.body.Answer)
			require.Equal(t, 1, w.summary(t).Deliveries)
		})
	}

	t.Run("HangEndsWithTheSender", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.Faults.Hang = 1
		w := start(t, c)
		w.http.Timeout = 50 * time.Millisecond
		_, err := w.send(t, withOutcomes(t, c, ""))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, w.summary(t).Keys)
	})

	t.Run("HangEndsWithTheVendor", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.Faults.Hang = 1
		w := start(t, c)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = w.send(t, vendortest.Request("m-1")) // However it ends.
		}()
		require.NoError(t, w.Close())
		<-ended
	})

	t.Run("SlowIsSlower", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.Faults.ExtraLatency = mock.Span(70 * time.Millisecond)
		w := start(t, c)
		began := time.Now()
		w.mustSend(t, withOutcomes(t, c, ""))
		require.GreaterOrEqual(t, time.Since(began), 70*time.Millisecond)
	})
}

func TestAdmin(t *testing.T) {
	t.Parallel()

	t.Run("FaultsAreReplacedAsAWhole", func(t *testing.T) {
		t.Parallel()
		w := start(t, quick(t))
		status, _ := w.call(t, http.MethodPut, "/admin/faults", `{"outage":"close","extra_latency":"250ms","hold_receipts":true}`)
		require.Equal(t, 200, status)
		require.Equal(t, mock.Faults{
			Outage: mock.OutageClose, ExtraLatency: mock.Span(250 * time.Millisecond), HoldReceipts: true,
		}, w.Faults())
		status, _ = w.call(t, http.MethodPut, "/admin/faults", `{"garbage":0.5}`)
		require.Equal(t, 200, status)
		status, body := w.call(t, http.MethodGet, "/admin/faults", "")
		require.Equal(t, 200, status)
		got, err := mock.DecodeFaults([]byte(body))
		require.NoError(t, err)
		require.Equal(t, mock.Faults{Garbage: 0.5}, got)
	})

	t.Run("BadFaultsChangeNothing", func(t *testing.T) {
		t.Parallel()
		w := start(t, quick(t))
		for _, body := range []string{
			"", "[]", `{"rain":1}`, `{"garbage":1.5}`, `{"garbage":-1}`, `{"outage":"rain"}`, `{"extra_latency":"-1s"}`,
			`{"extra_latency":"soon"}`, `{"receipt_copies":47}`, `{"hang":1,"hang":0}`, `{"HANG":1}`, `{} {}`,
		} {
			status, _ := w.call(t, http.MethodPut, "/admin/faults", body)
			require.Equal(t, 422, status, body)
			require.Zero(t, w.Faults(), body)
		}
	})

	t.Run("LedgerAndSummaryCanBeRead", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		w := start(t, c)
		r := withOutcomes(t, c, vendor.RateLimited, vendor.EmailBounced)
		w.mustSend(t, r)
		w.mustSend(t, r)
		status, body := w.call(t, http.MethodGet, "/admin/ledger/"+r.IdempotencyKey, "")
		require.Equal(t, 200, status)
		require.NotContains(t, body, r.Recipient)
		require.NotContains(t, body, r.Body)
		var e mock.Entry
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		require.Len(t, e.Answers, 2)
		require.Equal(t, r.CustomerID, e.Deliveries[0].CustomerID)
		require.Equal(t, vendor.EmailBounced, e.Receipts[0].Code)
		status, body = w.call(t, http.MethodGet, "/admin/summary", "")
		require.Equal(t, 200, status)
		var sum mock.Summary
		require.NoError(t, json.Unmarshal([]byte(body), &sum))
		require.Equal(t, mock.Summary{
			Keys: 1, Requests: 2, Answers: map[string]int{"RATE_LIMITED": 1, "EMAIL_BOUNCED": 1},
			Deliveries: 1, MaxDeliveriesPerKey: 1, ReceiptsUnconfirmed: 1,
		}, sum)
		status, _ = w.call(t, http.MethodGet, "/admin/ledger/nobody", "")
		require.Equal(t, 404, status)
	})

	t.Run("UnknownRoutesAreJSON404", func(t *testing.T) {
		t.Parallel()
		w := start(t, quick(t))
		for _, path := range []string{"/", "/v1/message", "/admin", "/v1/messages"} {
			status, body := w.call(t, http.MethodGet, path, "")
			require.Equal(t, 404, status, path)
			require.Contains(t, body, `"error_code":"NOT_FOUND"`, path)
		}
		status, _ := w.call(t, http.MethodGet, "/healthz", "")
		require.Equal(t, 200, status)
	})

	t.Run("OnlyLoopbackIsServed", func(t *testing.T) {
		t.Parallel()
		w := start(t, quick(t))
		for _, addr := range []string{"192.0.2.1:1234", "[2001:db8::1]:1", "", "garbage"} {
			req := httptest.NewRequest(http.MethodGet, "/admin/summary", nil)
			req.RemoteAddr = addr
			rec := httptest.NewRecorder()
			w.Handler().ServeHTTP(rec, req)
			require.Equal(t, 403, rec.Code, addr)
		}
	})
}
