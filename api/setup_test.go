package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/api"
)

var update = flag.Bool("update", false, "write the golden files and openapi.yaml anew")

// secret is 32 bytes of zeros: no secret of anyone.
const secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// The ids and the time of every example.
var (
	segmentID  = uuid.MustParse("0197e5b5-1111-7a64-8a3c-3a5ef2c43a11")
	customerID = uuid.MustParse("0197e5b5-3333-7a64-8a3c-3a5ef2c43a11")
	orderID    = uuid.MustParse("0197e5b5-4444-7a64-8a3c-3a5ef2c43a11")
	campaignID = uuid.MustParse("0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11")
	now        = time.Date(2025, 9, 14, 12, 0, 0, 123_456_789, time.UTC)
)

// bundle is the API over fakes.
type bundle struct {
	handler      http.Handler
	customers    *fakeCustomers
	records      *fakeRecords
	imports      *fakeImports
	suppressions *fakeSuppressions
	segments     *fakeSegments
	campaigns    *fakeCampaigns
	schedules    *fakeSchedules
	testSends    *fakeTestSends
	ledger       *fakeLedger
	dashboard    *fakeDashboard
	publisher    *fakePublisher
	repeats      *fakeRepeats
	access       *fakeAccess
	readiness    map[string]func(context.Context) error
	logs         *safeBuffer
}

func setup(t testing.TB, change ...func(*api.Deps)) *bundle {
	t.Helper()
	b := &bundle{
		access:    newFakeAccess(),
		customers: &fakeCustomers{}, records: &fakeRecords{}, imports: &fakeImports{}, suppressions: &fakeSuppressions{}, segments: &fakeSegments{}, campaigns: &fakeCampaigns{}, schedules: &fakeSchedules{}, testSends: &fakeTestSends{}, ledger: &fakeLedger{},
		dashboard: &fakeDashboard{}, publisher: &fakePublisher{}, repeats: &fakeRepeats{kept: map[string]*keptRepeat{}}, logs: &safeBuffer{},
		readiness: map[string]func(context.Context) error{
			"postgres": func(context.Context) error { return nil },
			"rabbitmq": func(context.Context) error { return nil },
		},
	}
	deps := api.Deps{
		Customers: b.customers, Records: b.records, Imports: b.imports, Orders: b.records, Suppressions: b.suppressions, Segments: b.segments, Campaigns: b.campaigns, Schedules: b.schedules, TestSends: b.testSends, Ledger: b.ledger, Dashboard: b.dashboard,
		Receipts: b.publisher, Repeats: b.repeats, Keys: keysOf{b.access}, AuditLog: logOf{b.access}, Audit: b.access, Readiness: b.readiness, WebhookSecret: secret,
		Logger: testLogger(b), Version: "v0.0.0-test", Now: clock,
	}
	for _, c := range change {
		c(&deps)
	}
	require.NoError(t, deps.Validate())
	b.handler = api.New(deps)
	return b
}

func testLogger(b *bundle) *slog.Logger { return slog.New(slog.NewJSONHandler(b.logs, nil)) }

func clock() time.Time { return now }

// call makes a request; a body that is not empty is sent as JSON unless a header says otherwise.
func (b *bundle) call(t *testing.T, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequestWithContext(t.Context(), method, target, r)
	req.Header.Set("X-Request-Id", "req-1")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, req)
	requireContract(t, w)
	return w
}

// postReceipts signs a body as the vendor does.
func (b *bundle) postReceipts(t *testing.T, body string, at time.Time) *httptest.ResponseRecorder {
	t.Helper()
	return b.call(t, http.MethodPost, "/receipts", body, sign(t, secret, body, at)...)
}

func sign(t *testing.T, with, body string, at time.Time) []string {
	t.Helper()
	w, err := webhooks.NewWebhook(with)
	require.NoError(t, err)
	signature, err := w.Sign("msg_1", at, []byte(body))
	require.NoError(t, err)
	return []string{
		"webhook-id", "msg_1", "webhook-timestamp", jsonOf(t, at.Unix()), "webhook-signature", signature,
	}
}

// requireContract holds for every answer: a JSON object with success, typed by its status, with the
// security headers, and without a word of what is inside.
func requireContract(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var body map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body), "body: %s", w.Body)
	require.Equal(t, w.Code < 400, body["success"], "body: %s", w.Body)
	if w.Code >= 400 && body["status"] != "Unhealthy" {
		require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		require.InDelta(t, w.Code, body["status"], 0)
		for _, member := range []string{"type", "title", "detail", "error", "message", "instance", "request_id"} {
			require.NotEmpty(t, body[member], "%s in %s", member, w.Body)
		}
	} else {
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	}
	busy := body["type"] == "/problems/idempotency-key-running"
	require.Equal(t, w.Code == 503 || w.Code == 429 || busy, w.Header().Get("Retry-After") != "" || body["status"] == "Unhealthy")
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Request-Id": "req-1",
	} {
		require.Equal(t, want, w.Header().Get(name), name)
	}
	require.Empty(t, w.Header().Get("Server"))
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
	for _, leak := range []string{"pq:", "SQLSTATE", "goroutine", ".go:", "runtime error", "secret-inside"} {
		require.NotContains(t, w.Body.String(), leak)
	}
}

// golden compares an answer with a file: status, own headers, body.
func golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	var out bytes.Buffer
	out.WriteString(http.StatusText(w.Code) + " " + jsonOf(t, w.Code) + "\n")
	for _, h := range []string{"Content-Type", "Location", "ETag", "Retry-After", "Allow"} {
		if v := w.Header().Get(h); v != "" {
			out.WriteString(h + ": " + v + "\n")
		}
	}
	out.WriteString("\n")
	require.NoError(t, json.Indent(&out, w.Body.Bytes(), "", "  "))
	file := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(file, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update")
	require.Equal(t, string(want), out.String())
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// safeBuffer is a log that may be written to and read at once.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
