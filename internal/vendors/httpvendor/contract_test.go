package httpvendor_test

import (
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/httpvendor"
	"github.com/xencrm/xencrm/internal/vendors/mock"
	"github.com/xencrm/xencrm/internal/vendors/vendortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	for _, outage := range []mock.Outage{mock.OutageClose, mock.Outage503} {
		t.Run("OutageBy_"+string(outage), func(t *testing.T) {
			t.Parallel()
			vendortest.Exercise(t, func(t *testing.T) vendortest.Harness {
				t.Helper()
				return againstMock(t, outage)
			})
		})
	}
}

func againstMock(t *testing.T, outage mock.Outage) vendortest.Harness {
	t.Helper()
	c := mock.DefaultConfig()
	c.LedgerPath = filepath.Join(t.TempDir(), "vendor.db")
	c.Latency, c.Logger = mock.Range{}, slog.New(slog.DiscardHandler)
	s, err := mock.New(c)
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	client, err := httpvendor.New(httpvendor.Config{BaseURL: server.URL})
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
		require.NoError(t, s.Close())
	})
	return vendortest.Harness{
		Client: client,
		ID: func(t *testing.T, codes ...vendor.Code) string {
			t.Helper()
		search:
			for range 1_000_000 {
				id := uuid.NewString()
				for i, code := range codes {
					if mock.Outcome(c.Seed, id, i+1, c.SuccessRate).Code != code {
						continue search
					}
				}
				return id
			}
			t.Fatalf("no id for %v", codes)
			return ""
		},
		Break: func(t *testing.T, broken bool) {
			t.Helper()
			f := mock.Faults{}
			if broken {
				f.Outage = outage
			}
			require.NoError(t, s.SetFaults(f))
		},
		Deliveries: func(t *testing.T, key string) int {
			t.Helper()
			e, err := s.Entry(t.Context(), key)
			if errs.Is(err, errs.NotFound) {
				return 0
			}
			require.NoError(t, err)
			return len(e.Deliveries)
		},
	}
}

// TestFaultsNeverChangeTheEnd sends through every fault at once and follows only what the client makes
// of it: all messages must end as predicted, each delivered at most once.
func TestFaultsNeverChangeTheEnd(t *testing.T) {
	t.Parallel()
	c := mock.DefaultConfig()
	c.LedgerPath = filepath.Join(t.TempDir(), "vendor.db")
	c.SuccessRate, c.Latency, c.RetryAfter = 0.4, mock.Range{}, 0
	c.Logger = slog.New(slog.DiscardHandler)
	c.Faults = mock.Faults{Storm: 0.1, ErrorBefore: 0.1, ErrorAfter: 0.2, DropAfter: 0.2, Garbage: 0.2}
	s, err := mock.New(c)
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	client, err := httpvendor.New(httpvendor.Config{BaseURL: server.URL})
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
		require.NoError(t, s.Close())
	})
	for range 300 {
		r := vendortest.Request(uuid.NewString())
		code, answer := sendThrough(t, client, r)
		want := mock.Predict(c.Seed, r.CommunicationID, r.MaxAttempts, c.SuccessRate)
		require.Equal(t, want.Attempts, answer)
		if code != "" {
			require.Equal(t, want.Code, code)
		}
	}
	sum, err := s.Summary(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, sum.MaxDeliveriesPerKey)
	require.Zero(t, sum.KeyReused)
}

// sendThrough is the sender's rule in five lines: ambiguous uses up nothing, and the vendor's own count
// says when the attempts are over.
func sendThrough(t *testing.T, client vendor.Client, r vendor.Request) (vendor.Code, int) {
	t.Helper()
	for range 1000 {
		got, err := client.Send(t.Context(), r)
		if err == nil {
			return "", got.Answer
		}
		var e *vendor.Error
		require.ErrorAs(t, err, &e)
		if e.Kind == vendor.Permanent || (e.Kind == vendor.Retryable && e.Answer >= r.MaxAttempts) {
			return e.Code, e.Answer
		}
	}
	t.Fatal("message never ended")
	return "", 0
}
