package mock_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/mock"
	"github.com/xencrm/xencrm/internal/vendors/vendortest"
)

// patience is the one deadline of every poll here: far more than anything takes, so that only a real
// hang reaches it.
const patience = 20 * time.Second

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestMain(m *testing.M) {
	if ledger := os.Getenv(crashLedger); ledger != "" {
		serveUntilKilled(ledger)
		return
	}
	goleak.VerifyTestMain(m)
}

// quick is a vendor without latency and without receipts.
func quick(t *testing.T) mock.Config {
	t.Helper()
	c := mock.DefaultConfig()
	c.LedgerPath = filepath.Join(t.TempDir(), "vendor.db")
	c.Latency, c.ReceiptDelay, c.RetryAfter = mock.Range{}, mock.Range{}, 0
	c.ReceiptInterval = 2 * time.Millisecond
	c.Logger = slog.New(slog.DiscardHandler)
	return c
}

// world is a running mock vendor over real HTTP.
type world struct {
	*mock.Server
	c    mock.Config
	url  string
	http *http.Client
}

func start(t *testing.T, c mock.Config) *world {
	t.Helper()
	s, err := mock.New(c)
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	t.Cleanup(func() {
		require.NoError(t, s.Close()) // First: it lets hanging requests go, which the server waits for.
		client.CloseIdleConnections()
		server.Close()
	})
	return &world{Server: s, c: c, url: server.URL, http: client}
}

// said is what the vendor answered.
type said struct {
	status int
	header http.Header
	body   vendor.Answer
	raw    []byte
}

func (w *world) send(t *testing.T, r vendor.Request) (said, error) {
	t.Helper()
	body, err := json.Marshal(r)
	if err != nil {
		return said{}, err
	}
	return w.post(t, r.IdempotencyKey, r.MaxAttempts, body)
}

func (w *world) post(t *testing.T, key string, most int, body []byte) (said, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+vendor.MessagesPath, bytes.NewReader(body))
	if err != nil {
		return said{}, err
	}
	req.GetBody = nil // A dropped connection must show, not be papered over by net/http.
	if key != "" {
		req.Header.Set(vendor.HeaderIdempotencyKey, key)
	}
	if most > 0 {
		req.Header.Set(vendor.HeaderMaxAttempts, strconv.Itoa(most))
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return said{}, err
	}
	defer func() { _ = resp.Body.Close() }() // It was read.
	got := said{status: resp.StatusCode, header: resp.Header}
	if got.raw, err = io.ReadAll(resp.Body); err != nil {
		return said{}, err
	}
	_ = json.Unmarshal(got.raw, &got.body) // Garbage is looked at raw.
	return got, nil
}

func (w *world) mustSend(t *testing.T, r vendor.Request) said {
	t.Helper()
	got, err := w.send(t, r)
	require.NoError(t, err)
	return got
}

func (w *world) summary(t *testing.T) mock.Summary {
	t.Helper()
	sum, err := w.Summary(t.Context())
	require.NoError(t, err)
	return sum
}

// withOutcomes gives a request whose answers will carry these codes, "" for success.
func withOutcomes(t *testing.T, c mock.Config, codes ...vendor.Code) vendor.Request {
	t.Helper()
	return vendortest.Request(idWith(t, c, codes...))
}

func idWith(t *testing.T, c mock.Config, codes ...vendor.Code) string {
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
	t.Fatalf("no id found for %v", codes)
	return ""
}

func TestMessages(t *testing.T) {
	t.Parallel()

	t.Run("AnswersAsTheOutcomeFunctionSays", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.RetryAfter = 1200 * time.Millisecond
		w := start(t, c)
		tests := []struct {
			code       vendor.Code
			status     int
			retryAfter string
		}{
			{"", 200, ""},
			{vendor.EmailBounced, 200, ""},
			{vendor.SpamDetected, 200, ""},
			{vendor.InvalidEmail, 422, ""},
			{vendor.RateLimited, 429, "2"},
			{vendor.QuotaExceeded, 429, "2"},
			{vendor.TemporaryFailure, 503, "2"},
		}
		for _, tt := range tests {
			r := withOutcomes(t, c, tt.code)
			got := w.mustSend(t, r)
			require.Equal(t, tt.status, got.status, tt.code)
			require.Equal(t, tt.retryAfter, got.header.Get("Retry-After"))
			require.Equal(t, r.CommunicationID, got.body.CommunicationID)
			require.Equal(t, 1, got.body.Answer)
			if tt.status == 200 {
				require.Equal(t, vendor.StatusAccepted, got.body.Status)
				require.Regexp(t, `^vendor_\d{13}_[0-9a-f]{16}$`, got.body.VendorRef)
				continue
			}
			require.Equal(t, vendor.StatusFailed, got.body.Status)
			require.Equal(t, tt.code, got.body.ErrorCode)
			require.Equal(t, tt.code.Text(), got.body.ErrorMessage)
			require.Equal(t, tt.retryAfter != "", got.body.Retryable)
		}
	})

	t.Run("EveryMessageEndsAsPredicted", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.SuccessRate = 0.3 // Many retries.
		w := start(t, c)
		for i := range 200 {
			r := vendortest.Request(fmt.Sprintf("message-%d", i))
			var got said
			for got = w.mustSend(t, r); got.body.Retryable && got.body.Answer < 3; got = w.mustSend(t, r) {
			}
			want := mock.Predict(c.Seed, r.CommunicationID, 3, c.SuccessRate)
			require.Equal(t, want.Attempts, got.body.Answer)
			e, err := w.Entry(t.Context(), r.IdempotencyKey)
			require.NoError(t, err)
			require.Len(t, e.Answers, want.Attempts)
			require.Equal(t, want.Code, e.Answers[want.Attempts-1].Code)
			require.Len(t, e.Receipts, len(e.Deliveries))
		}
		require.Equal(t, 1, w.summary(t).MaxDeliveriesPerKey)
	})

	t.Run("MaxAttemptsBoundsTheAnswersUntilItRises", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.SuccessRate = 0.1 // Rare ids are found sooner.
		w := start(t, c)
		r := withOutcomes(t, c, vendor.RateLimited, vendor.QuotaExceeded, vendor.SpamDetected)
		r.MaxAttempts = 2
		for _, n := range []int{1, 2, 2, 2} {
			require.Equal(t, n, w.mustSend(t, r).body.Answer)
		}
		r.MaxAttempts = 3
		got := w.mustSend(t, r)
		require.Equal(t, 3, got.body.Answer)
		require.Equal(t, got.body, w.mustSend(t, r).body)
		require.Equal(t, 6, w.summary(t).Requests)
	})

	t.Run("RefusesBadRequests", func(t *testing.T) {
		t.Parallel()
		w := start(t, quick(t))
		good := vendortest.Request("m-1")
		noMail, noText, noCampaign := good, good, good
		noMail.Recipient, noText.Body, noCampaign.CampaignID = " ", "", ""
		encode := func(r vendor.Request) string {
			body, err := json.Marshal(r)
			require.NoError(t, err)
			return string(body)
		}
		whole := encode(good)
		tests := []struct {
			name, key, body string
			status          int
			code            vendor.Code
		}{
			{"NoKey", "", whole, 400, vendor.InvalidPayload},
			{"KeyWithSpaces", "a b", whole, 400, vendor.InvalidPayload},
			{"Empty", "m-1", "", 400, vendor.InvalidPayload},
			{"NotJSON", "m-1", "{", 400, vendor.InvalidPayload},
			{"Array", "m-1", "[" + whole + "]", 400, vendor.InvalidPayload},
			{"Null", "m-1", "null", 400, vendor.InvalidPayload},
			{"Trailing", "m-1", whole + "{}", 400, vendor.InvalidPayload},
			{"UnknownMember", "m-1", `{"x":1,` + whole[1:], 400, vendor.InvalidPayload},
			{"DuplicateMember", "m-1", `{"message_text":"x",` + whole[1:], 400, vendor.InvalidPayload},
			{"CaseVariant", "m-1", `{"Message_Text":"x",` + whole[1:], 400, vendor.InvalidPayload},
			{"WrongType", "m-1", `{"communication_id":7}`, 400, vendor.InvalidPayload},
			{"NoCampaign", "m-1", encode(noCampaign), 400, vendor.InvalidPayload},
			{"NoAddress", "m-1", encode(noMail), 400, vendor.MissingEmail},
			{"NoText", "m-1", encode(noText), 400, vendor.MissingMessage},
			{"TooLong", "m-1", whole + string(bytes.Repeat([]byte(" "), vendor.MaxBody)), 413, vendor.InvalidPayload},
		}
		for _, tt := range tests {
			got, err := w.post(t, tt.key, 3, []byte(tt.body))
			require.NoError(t, err, tt.name)
			require.Equal(t, tt.status, got.status, tt.name)
			require.Equal(t, tt.code, got.body.ErrorCode, tt.name)
			require.Zero(t, got.body.Answer, tt.name)
		}
		require.Zero(t, w.summary(t).Keys)
	})

	t.Run("LatencyIsSpent", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.Latency = mock.Range{Min: 60 * time.Millisecond, Max: 80 * time.Millisecond}
		w := start(t, c)
		began := time.Now()
		w.mustSend(t, withOutcomes(t, c, ""))
		require.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond)
	})
}

func TestLedger(t *testing.T) {
	t.Parallel()

	t.Run("SurvivesReopening", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		w := start(t, c)
		ok := withOutcomes(t, c, "")
		open := withOutcomes(t, c, vendor.RateLimited, vendor.TemporaryFailure, "")
		first := w.mustSend(t, ok)
		require.Equal(t, 1, w.mustSend(t, open).body.Answer)
		require.NoError(t, w.Close())

		w = start(t, c)
		require.Equal(t, first.body, w.mustSend(t, ok).body)
		require.Equal(t, 2, w.mustSend(t, open).body.Answer)
		changed := ok
		changed.Body += "!"
		require.Equal(t, vendor.KeyReused, w.mustSend(t, changed).body.ErrorCode)
		require.Equal(t, 1, w.summary(t).KeyReused)
	})

	t.Run("KeyKeepsTheSeedItStartedWith", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		w := start(t, c)
		r := withOutcomes(t, c, vendor.RateLimited, vendor.QuotaExceeded, "")
		require.Equal(t, vendor.RateLimited, w.mustSend(t, r).body.ErrorCode)
		require.NoError(t, w.Close())
		changed := c
		changed.Seed, changed.SuccessRate = 99, 1
		w = start(t, changed)
		require.Equal(t, vendor.QuotaExceeded, w.mustSend(t, r).body.ErrorCode)
		e, err := w.Entry(t.Context(), r.IdempotencyKey)
		require.NoError(t, err)
		require.Equal(t, c.Seed, e.Seed)
	})

	t.Run("IsForOneVendorAtATime", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		start(t, c)
		_, err := mock.New(c)
		require.ErrorContains(t, err, "another mock vendor has it")
	})

	t.Run("OddPathsWork", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		c.LedgerPath = filepath.Join(t.TempDir(), "a b", "50%?#.db")
		w := start(t, c)
		w.mustSend(t, withOutcomes(t, c, ""))
		require.FileExists(t, c.LedgerPath)
	})

	t.Run("AlienFileIsRefused", func(t *testing.T) {
		t.Parallel()
		c := quick(t)
		require.NoError(t, os.WriteFile(c.LedgerPath, bytes.Repeat([]byte("not a database "), 1000), 0o600))
		_, err := mock.New(c)
		require.ErrorContains(t, err, "open vendor ledger")
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		set  func(c *mock.Config)
	}{
		{"NoLedger", func(c *mock.Config) { c.LedgerPath = "" }},
		{"RateAboveOne", func(c *mock.Config) { c.SuccessRate = 1.1 }},
		{"LatencyBackwards", func(c *mock.Config) { c.Latency = mock.Range{Min: 2, Max: 1} }},
		{"ReceiptURLNotHTTP", func(c *mock.Config) { c.ReceiptURL, c.ReceiptSecret = "ftp://x", secret }},
		{"NoSecret", func(c *mock.Config) { c.ReceiptURL = "http://127.0.0.1:1" }},
		{"BatchTooLarge", func(c *mock.Config) { c.ReceiptBatch = 1001 }},
		{"UnknownOutage", func(c *mock.Config) { c.Faults.Outage = "rain" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := quick(t)
			tt.set(&c)
			_, err := mock.New(c)
			require.ErrorContains(t, err, "settings are not valid")
		})
	}
}
