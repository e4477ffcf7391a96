package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/idempotency"
)

// fakeRepeats keeps answers in memory, by the rules of idempotency.Store.
type fakeRepeats struct {
	mu   sync.Mutex
	kept map[string]*keptRepeat
	// fail is what every call gives when it is set.
	fail    error
	renewed int
}

type keptRepeat struct {
	fingerprint [32]byte
	answer      *idempotency.Answer
}

func (f *fakeRepeats) Claim(_ context.Context, r idempotency.Request) (*idempotency.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have := f.kept[r.Owner+" "+r.Key]
	switch {
	case f.fail != nil:
		return nil, f.fail
	case have == nil:
		f.kept[r.Owner+" "+r.Key] = &keptRepeat{fingerprint: r.Fingerprint}
		return nil, nil
	case have.fingerprint != r.Fingerprint:
		return nil, idempotency.ErrOther
	case have.answer == nil:
		return nil, idempotency.ErrRunning
	}
	return have.answer, nil
}

func (f *fakeRepeats) Renew(context.Context, idempotency.Request) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed++
	return f.fail
}

func (f *fakeRepeats) Settle(_ context.Context, r idempotency.Request, a idempotency.Answer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.kept[r.Owner+" "+r.Key].answer = &a
	return nil
}

func (f *fakeRepeats) Release(_ context.Context, r idempotency.Request) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.kept, r.Owner+" "+r.Key)
	return f.fail
}

func (f *fakeRepeats) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.kept)
}

const bigSpenders = `{"name":"Big spenders","rules":[{"id":"g","operator":"AND","rules":[` +
	`{"id":"r","field":"total_spend","operator":">","value":5000}]}]}`

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	// counting makes an API whose segments are counted as they are made.
	counting := func(t *testing.T) (*bundle, *int) {
		t.Helper()
		b, made := setup(t), 0
		b.segments.create = func(_ context.Context, in campaign.SegmentInput) (campaign.Segment, error) {
			made++
			return campaign.Segment{ID: segmentID, Name: in.Name, Rules: in.Rules, CreatedAt: now, UpdatedAt: now}, nil
		}
		return b, &made
	}

	t.Run("ARepeatGetsTheFirstAnswerAndIsNotDone", func(t *testing.T) {
		t.Parallel()
		b, made := counting(t)
		first := b.call(t, http.MethodPost, "/api/segments", bigSpenders, "Idempotency-Key", "k")
		again := b.call(t, http.MethodPost, "/api/segments", bigSpenders, "Idempotency-Key", "k")
		require.Equal(t, http.StatusCreated, first.Code)
		require.Equal(t, first.Code, again.Code)
		require.Equal(t, first.Body.String(), again.Body.String())
		require.Empty(t, first.Header().Get("Idempotency-Replayed"))
		require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
		require.Equal(t, 1, *made)
	})

	t.Run("ARepeatGetsTheHeadersToo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.campaigns.create = func(context.Context, campaign.CreateInput) (campaign.Campaign, error) {
			return campaign.Campaign{ID: campaignID, Name: "Diwali"}, nil
		}
		body := `{"name":"Diwali","segment_id":"` + segmentID.String() + `","message_template":"Hi {{ name }}"}`
		first := b.call(t, http.MethodPost, "/api/campaigns", body, "Idempotency-Key", "k")
		again := b.call(t, http.MethodPost, "/api/campaigns", body, "Idempotency-Key", "k")
		require.NotEmpty(t, first.Header().Get("Location"))
		require.Equal(t, first.Header().Get("Location"), again.Header().Get("Location"))
		require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	})

	t.Run("WithoutAKeyEveryRequestIsDone", func(t *testing.T) {
		t.Parallel()
		b, made := counting(t)
		b.call(t, http.MethodPost, "/api/segments", bigSpenders)
		b.call(t, http.MethodPost, "/api/segments", bigSpenders)
		require.Equal(t, 2, *made)
		require.Zero(t, b.repeats.size())
	})

	t.Run("AnotherRequestUnderTheKeyIsRefused", func(t *testing.T) {
		t.Parallel()
		b, made := counting(t)
		b.call(t, http.MethodPost, "/api/segments", bigSpenders, "Idempotency-Key", "k")
		for _, other := range []struct{ method, target, body, match string }{
			{http.MethodPost, "/api/segments", `{"name":"Others","rules":[]}`, ""},
			{http.MethodPut, "/api/segments/" + segmentID.String(), bigSpenders, ""},
			{http.MethodPost, "/api/segments", bigSpenders, `"2"`},
			{http.MethodPost, "/api/campaigns/" + campaignID.String() + "/pause", "", ""},
		} {
			headers := []string{"Idempotency-Key", "k"}
			if other.match != "" {
				headers = append(headers, "If-Match", other.match)
			}
			w := b.call(t, other.method, other.target, other.body, headers...)
			require.Equal(t, http.StatusUnprocessableEntity, w.Code, other.target)
			require.Contains(t, w.Body.String(), "/problems/idempotency-key-reused")
		}
		require.Equal(t, 1, *made)
	})

	t.Run("ARequestThatIsBeingWorkedOnIsNotDoneASecondTime", func(t *testing.T) {
		t.Parallel()
		b, _ := counting(t)
		entered, leave := make(chan struct{}), make(chan struct{})
		b.campaigns.steer = func(context.Context, string, uuid.UUID) (campaign.Progress, error) {
			close(entered) // a second call would close it again and panic
			<-leave
			return campaign.Progress{}, nil
		}
		target := "/api/campaigns/" + campaignID.String() + "/pause"
		done := make(chan int)
		go func() {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, nil)
			req.Header.Set("Idempotency-Key", "k")
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, req)
			done <- w.Code
		}()
		<-entered
		w := b.call(t, http.MethodPost, target, "", "Idempotency-Key", "k")
		require.Equal(t, http.StatusConflict, w.Code)
		require.Contains(t, w.Body.String(), "/problems/idempotency-key-running")
		close(leave)
		require.Equal(t, http.StatusOK, <-done)
		require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, target, "", "Idempotency-Key", "k").Code)
	})

	t.Run("TheKeyIsRenewedWhileTheRequestIsWorkedOn", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.campaigns.steer = func(context.Context, string, uuid.UUID) (campaign.Progress, error) {
				time.Sleep(3 * idempotency.Lease) // on the test's own clock
				return campaign.Progress{}, nil
			}
			target := "/api/campaigns/" + campaignID.String() + "/pause"
			require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, target, "", "Idempotency-Key", "k").Code)
			b.repeats.mu.Lock()
			defer b.repeats.mu.Unlock()
			require.GreaterOrEqual(t, b.repeats.renewed, 8)
		})
	})

	t.Run("ARefusalIsKeptAndAFaultIsNot", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			err  error
			want int
			kept bool
		}{
			{errs.Errorf(errs.Invalid, "no"), http.StatusUnprocessableEntity, true},
			{errs.Errorf(errs.NotFound, "no"), http.StatusNotFound, true},
			{errs.Errorf(errs.RateLimited, "slower"), http.StatusTooManyRequests, false},
			{errs.Errorf(errs.Unavailable, "away"), http.StatusServiceUnavailable, false},
			{errs.Errorf(errs.Unknown, "who knows"), http.StatusServiceUnavailable, false},
			{errors.New("secret-inside"), http.StatusInternalServerError, false},
		} {
			b, calls := setup(t), 0
			b.segments.create = func(context.Context, campaign.SegmentInput) (campaign.Segment, error) {
				calls++
				return campaign.Segment{}, c.err
			}
			for range 2 {
				require.Equal(t, c.want, b.call(t, http.MethodPost, "/api/segments", bigSpenders, "Idempotency-Key", "k").Code)
			}
			require.Equal(t, c.kept, calls == 1, "%v", c.err)
		}
	})

	t.Run("APanicFreesTheKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t) // the fake of segments has no create and panics
		w := b.call(t, http.MethodPost, "/api/segments", bigSpenders, "Idempotency-Key", "k")
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.Zero(t, b.repeats.size())
	})

	t.Run("WithoutItsStoreNothingIsDone", func(t *testing.T) {
		t.Parallel()
		b, made := counting(t)
		b.repeats.fail = errs.Errorf(errs.Unavailable, "the database is away")
		w := b.call(t, http.MethodPost, "/api/segments", bigSpenders, "Idempotency-Key", "k")
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Zero(t, *made)
	})

	t.Run("IngestKeepsItsOwnMeaningOfTheKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.repeats.fail = errors.New("must not be asked")
		var key string
		b.customers.acceptCustomer = func(_ context.Context, _ []byte, k string) (customer.AcceptedCustomer, error) {
			key = k
			return customer.AcceptedCustomer{}, nil
		}
		w := b.call(t, http.MethodPost, "/customers", `{}`, "Idempotency-Key", "k")
		require.Equal(t, http.StatusAccepted, w.Code)
		require.Equal(t, "k", key)
	})
}
