// Package vendortest is the contract of vendor.Client as tests. A new client passes Exercise before
// it has tests of its own.
package vendortest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

// Harness is a client together with the far side that it talks to.
type Harness struct {
	Client vendor.Client
	// ID gives a new communication id whose answers on the far side carry these codes in this order;
	// "" is an acceptance that will be delivered.
	ID func(t *testing.T, codes ...vendor.Code) string
	// Break makes the far side unreachable, or reachable again.
	Break func(t *testing.T, broken bool)
	// Deliveries counts the physical deliveries under a key, as the far side's own books have it.
	Deliveries func(t *testing.T, key string) int
}

// Request is a full message with the given communication id.
func Request(id string) vendor.Request {
	return vendor.Request{
		IdempotencyKey: id, CommunicationID: id,
		CampaignID: uuid.NewString(), CustomerID: uuid.NewString(),
		Recipient: "asha@example.com", RecipientName: "Asha", Body: "Hi Asha",
		CampaignName: "Diwali", CampaignType: "PROMOTIONAL", Attempt: 1, MaxAttempts: 3,
	}
}

// Exercise runs the whole contract; newHarness is called once per case.
func Exercise(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"AcceptsOnceAndRepeatsTheSameReference", acceptsOnce},
		{"RetryableRefusalLeavesTheKeyOpen", retryableLeavesOpen},
		{"PermanentRefusalIsRepeated", permanentIsRepeated},
		{"OtherBodyUnderTheSameKeyIsRefusedForGood", otherBodyIsRefused},
		{"AttemptNumbersAreNotPartOfTheBody", attemptIsNotBody},
		{"NeverMoreAnswersThanMaxAttempts", answersAreBounded},
		{"ConcurrentSendsOfOneKeyDeliverOnce", concurrentDeliverOnce},
		{"OutageIsAmbiguousAndCountsNoAnswer", outageIsAmbiguous},
		{"EndedContextIsAmbiguous", endedContextIsAmbiguous},
		{"AnyTextGetsThrough", anyText},
		{"MissingAddressIsPermanent", missingAddress},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, newHarness(t))
		})
	}
}

// failure sends r and gives the *vendor.Error that must come back.
func failure(ctx context.Context, t *testing.T, h Harness, r vendor.Request) *vendor.Error {
	t.Helper()
	_, err := h.Client.Send(ctx, r)
	var e *vendor.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Text)
	require.NotContains(t, e.Error(), r.Recipient)
	return e
}

func acceptsOnce(t *testing.T, h Harness) {
	t.Helper()
	r := Request(h.ID(t, ""))
	first, err := h.Client.Send(t.Context(), r)
	require.NoError(t, err)
	require.True(t, vendor.IsRef(first.VendorRef))
	r.Attempt = 2
	again, err := h.Client.Send(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 1, h.Deliveries(t, r.IdempotencyKey))
}

func retryableLeavesOpen(t *testing.T, h Harness) {
	t.Helper()
	for _, code := range []vendor.Code{vendor.RateLimited, vendor.TemporaryFailure, vendor.QuotaExceeded} {
		r := Request(h.ID(t, code, ""))
		e := failure(t.Context(), t, h, r)
		require.Equal(t, vendor.Retryable, e.Kind)
		require.Equal(t, code, e.Code)
		require.True(t, e.UsesAttempt())
		require.True(t, errs.Retryable(e))
		require.Contains(t, []int{0, 1}, e.Answer)
		require.Zero(t, h.Deliveries(t, r.IdempotencyKey))
		r.Attempt = 2
		got, err := h.Client.Send(t.Context(), r)
		require.NoError(t, err)
		require.Contains(t, []int{0, 2}, got.Answer)
		require.Equal(t, 1, h.Deliveries(t, r.IdempotencyKey))
	}
}

func permanentIsRepeated(t *testing.T, h Harness) {
	t.Helper()
	r := Request(h.ID(t, vendor.InvalidEmail))
	for range 3 {
		e := failure(t.Context(), t, h, r)
		require.Equal(t, vendor.Permanent, e.Kind)
		require.Equal(t, vendor.InvalidEmail, e.Code)
		require.Contains(t, []int{0, 1}, e.Answer)
		require.Equal(t, errs.Invalid, errs.CodeOf(e))
	}
	require.Zero(t, h.Deliveries(t, r.IdempotencyKey))
}

func otherBodyIsRefused(t *testing.T, h Harness) {
	t.Helper()
	r := Request(h.ID(t, ""))
	first, err := h.Client.Send(t.Context(), r)
	require.NoError(t, err)
	other := r
	other.Body = "Hi Asha!"
	e := failure(t.Context(), t, h, other)
	require.Equal(t, vendor.Permanent, e.Kind)
	require.Equal(t, vendor.KeyReused, e.Code)
	again, err := h.Client.Send(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 1, h.Deliveries(t, r.IdempotencyKey))
}

func attemptIsNotBody(t *testing.T, h Harness) {
	t.Helper()
	r := Request(h.ID(t, vendor.RateLimited, ""))
	require.Equal(t, vendor.RateLimited, failure(t.Context(), t, h, r).Code)
	r.Attempt, r.MaxAttempts = 2, 5
	_, err := h.Client.Send(t.Context(), r)
	require.NoError(t, err)
}

func answersAreBounded(t *testing.T, h Harness) {
	t.Helper()
	r := Request(h.ID(t, vendor.RateLimited, vendor.QuotaExceeded, ""))
	r.MaxAttempts = 2
	for _, want := range []vendor.Code{vendor.RateLimited, vendor.QuotaExceeded, vendor.QuotaExceeded} {
		require.Equal(t, want, failure(t.Context(), t, h, r).Code)
	}
	r.MaxAttempts = 3
	_, err := h.Client.Send(t.Context(), r)
	require.NoError(t, err)
}

func concurrentDeliverOnce(t *testing.T, h Harness) {
	t.Helper()
	r := Request(h.ID(t, ""))
	refs := make([]string, 32)
	var wg sync.WaitGroup
	for i := range refs {
		wg.Go(func() {
			got, err := h.Client.Send(t.Context(), r)
			if err != nil {
				t.Errorf("send %d: %v", i, err)
			}
			refs[i] = got.VendorRef
		})
	}
	wg.Wait()
	for _, ref := range refs {
		require.Equal(t, refs[0], ref)
	}
	require.Equal(t, 1, h.Deliveries(t, r.IdempotencyKey))
}

func outageIsAmbiguous(t *testing.T, h Harness) {
	t.Helper()
	r := Request(h.ID(t, vendor.RateLimited, ""))
	h.Break(t, true)
	for range 4 {
		e := failure(t.Context(), t, h, r)
		require.Equal(t, vendor.Ambiguous, e.Kind)
		require.False(t, e.UsesAttempt())
		require.Equal(t, errs.Unknown, errs.CodeOf(e))
	}
	h.Break(t, false)
	require.Equal(t, vendor.RateLimited, failure(t.Context(), t, h, r).Code)
	_, err := h.Client.Send(t.Context(), r)
	require.NoError(t, err)
}

func endedContextIsAmbiguous(t *testing.T, h Harness) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	e := failure(ctx, t, h, Request(h.ID(t, "")))
	require.Equal(t, vendor.Ambiguous, e.Kind)
	require.ErrorIs(t, e, context.DeadlineExceeded)
}

func anyText(t *testing.T, h Harness) {
	t.Helper()
	for _, text := range []string{
		`"quoted" \ back`, "two\r\nlines", "नमस्ते 🪔", "<b>&amp;", "\x00nul", "\xff not UTF-8", strings.Repeat("x", 10_000),
	} {
		r := Request(h.ID(t, ""))
		r.Body, r.RecipientName, r.CampaignName = text, text, text
		first, err := h.Client.Send(t.Context(), r)
		require.NoError(t, err)
		again, err := h.Client.Send(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

func missingAddress(t *testing.T, h Harness) {
	t.Helper()
	r := Request(h.ID(t, ""))
	r.Recipient = ""
	_, err := h.Client.Send(t.Context(), r)
	var e *vendor.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, vendor.Permanent, e.Kind)
	require.Equal(t, vendor.MissingEmail, e.Code)
	require.Zero(t, h.Deliveries(t, r.IdempotencyKey))
}
