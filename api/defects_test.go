package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/segment"
)

// withRealSegments puts the real segment service over a store that keeps nothing, so that these
// tests see what the reference's defects would do here.
func withRealSegments(t *testing.T) (http.Handler, *int) {
	t.Helper()
	store := &memorySegments{}
	b := setup(t)
	deps := api.Deps{
		Audit:     newFakeAccess(),
		Customers: b.customers, Segments: campaign.NewSegments(store, store), Campaigns: b.campaigns, Schedules: b.schedules,
		Dashboard: b.dashboard, Receipts: b.publisher, WebhookSecret: secret, Logger: testLogger(b), Now: clock,
	}
	return api.New(deps), &store.stored
}

type memorySegments struct {
	campaign.SegmentStore

	stored int
}

func (m *memorySegments) InsertSegment(_ context.Context, s campaign.Segment) (campaign.Segment, error) {
	m.stored++
	return s, nil
}

func (m *memorySegments) CountAudience(context.Context, segment.Rules) (int, error) { return 3, nil }

func (m *memorySegments) SampleAudience(context.Context, segment.Rules, int) ([]campaign.SampleCustomer, error) {
	return nil, nil
}

func send(t *testing.T, h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	req.Header.Set("X-Request-Id", "req-1")
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	requireContract(t, w)
	return w
}

func withRule(field, operator, value string) string {
	return `{"name":"x","rules":[{"id":"g","operator":"AND","rules":[{"id":"r","field":` + field +
		`,"operator":` + operator + `,"value":` + value + `}]}]}`
}

func TestD4InjectionThroughSavedSegments(t *testing.T) {
	t.Parallel()
	h, stored := withRealSegments(t)
	refused := []string{
		withRule(`"1=1) OR EXISTS (SELECT 1) --"`, `"="`, `"a"`),
		withRule(`"name"`, `"; drop table customers"`, `"a"`),
		withRule(`"total_spend"`, `">"`, `"0 OR 1=1"`),
	}
	for _, body := range refused {
		w := send(t, h, http.MethodPost, "/api/segments", body)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%s", w.Body)
		require.Contains(t, w.Body.String(), `"pointer":"/rules/0/rules/0/`)
	}
	require.Zero(t, *stored)
	// A text with quotes is only a text.
	require.Equal(t, http.StatusCreated, send(t, h, http.MethodPost, "/api/segments", withRule(`"name"`, `"="`, `"x' OR '1'='1"`)).Code)
}

func TestD5InjectionThroughPreview(t *testing.T) {
	t.Parallel()
	h, _ := withRealSegments(t)
	const group = `{"rules":[{"id":"g","operator":%s,"rules":[{"id":"r","field":"name","operator":"=","value":%s}]}]}`
	for _, body := range []string{
		strings.NewReplacer(`%s,"rules":[{"id":"r"`, `"AND","rules":[{"id":"r"`, `"value":%s`, `"value":["0) OR (SELECT pg_sleep(5)) IS NOT NULL --"]`).Replace(group),
		strings.NewReplacer(`%s,"rules":[{"id":"r"`, `"OR 1=1 --","rules":[{"id":"r"`, `"value":%s`, `"value":"a"`).Replace(group),
		strings.NewReplacer(`%s,"rules":[{"id":"r"`, `"AND","rules":[{"id":"r"`, `"value":%s`, `"value":{"toString":"1"}`).Replace(group),
	} {
		w := send(t, h, http.MethodPost, "/api/segments/preview", body)
		require.Equal(t, http.StatusBadRequest, w.Code, "%s", w.Body)
		require.Contains(t, w.Body.String(), "Invalid rule configuration: ")
	}
	w := send(t, h, http.MethodPost, "/api/segments/preview", `{"rules":`+someRules+`}`)
	require.JSONEq(t, `{"success":true,"count":3}`, w.Body.String(), "and the SQL is not given away")
}

func TestD6BrokenRulesAreNotStored(t *testing.T) {
	t.Parallel()
	h, stored := withRealSegments(t)
	for _, rules := range []string{`[{}]`, `[null]`, `[{"id":"g","operator":"AND","rules":[]}]`, `[{"operator":"AND"}]`, `[[]]`, `["x"]`} {
		w := send(t, h, http.MethodPost, "/api/segments", `{"name":"x","rules":`+rules+`}`)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%s: %s", rules, w.Body)
	}
	for _, rules := range []string{`[]`, `{}`, `null`, `"x"`, `1`} {
		w := send(t, h, http.MethodPost, "/api/segments", `{"name":"x","rules":`+rules+`}`)
		require.Equal(t, http.StatusBadRequest, w.Code, "%s: %s", rules, w.Body)
		require.Contains(t, w.Body.String(), `"error":"At least one rule group is required"`)
	}
	require.Zero(t, *stored)
}

func TestRuleIDsComeBackUnchanged(t *testing.T) {
	t.Parallel()
	h, _ := withRealSegments(t)
	w := send(t, h, http.MethodPost, "/api/segments", segmentJSON)
	require.Equal(t, http.StatusCreated, w.Code)
	var body struct {
		Data struct {
			Rules json.RawMessage `json:"rules"`
		} `json:"data"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
	require.JSONEq(t, someRules, string(body.Data.Rules))
}

// TestD7NoCrossOriginIsWavedThrough: authentication is the API issue's; the wildcard is gone.
func TestD7NoCrossOriginIsWavedThrough(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	w := b.call(t, http.MethodPost, "/orders", order, "Origin", "https://evil.example")
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
	w = b.call(t, http.MethodOptions, "/orders", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
}

func TestD8NoRawExceptionText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.campaigns.create = func(context.Context, campaign.CreateInput) (campaign.Campaign, error) {
		return campaign.Campaign{}, json.Unmarshal([]byte(`secret-inside`), new(int))
	}
	w := b.call(t, http.MethodPost, "/api/campaigns", draft)
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), `"error":"Failed to create campaign"`)
	require.NotContains(t, w.Body.String(), "details")
	require.NotContains(t, w.Body.String(), "invalid character")
}

// TestD36UncertainPublishIsNoPlainFailure: the reference answered 500 although the message was
// queued, and the client's retry became a second order.
func TestD36UncertainPublishIsNoPlainFailure(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers.acceptOrder = func(context.Context, []byte, string) (customer.AcceptedOrder, error) {
		return customer.AcceptedOrder{}, errs.Errorf(errs.Unknown, "the broker did not confirm")
	}
	w := b.call(t, http.MethodPost, "/orders", order, "Idempotency-Key", "k")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "5", w.Header().Get("Retry-After"))
	require.Contains(t, w.Body.String(), "/problems/outcome-unknown")
}

func TestD47NoBodyQueuesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t) // whose services panic
	for _, path := range []string{"/customers", "/orders"} {
		require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodPost, path, "").Code)
		require.Equal(t, http.StatusUnsupportedMediaType, b.call(t, http.MethodPost, path, "name=x", "Content-Type", "application/x-www-form-urlencoded").Code)
		require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodPost, path, "", "Content-Type", "application/json").Code)
	}
}

// TestD51InvalidInputIsToldEvenWhenTheBrokerIsAway: nothing stands before the service's own order.
func TestD51InvalidInputIsToldEvenWhenTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.readiness["rabbitmq"] = func(context.Context) error { return context.DeadlineExceeded }
	b.customers.acceptCustomer = func(context.Context, []byte, string) (customer.AcceptedCustomer, error) {
		return customer.AcceptedCustomer{}, errs.InvalidFields("no", []errs.Field{{Pointer: "/name", Message: `"name" is required`}})
	}
	w := b.call(t, http.MethodPost, "/customers", `{}`)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), `"message":"Validation failed"`)
	require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodGet, "/health", "").Code, "and health is true")
}

// TestD52PaginationTellsAllRecords: the page shows ten rows, the answer says of how many.
func TestD52PaginationTellsAllRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	w := b.call(t, http.MethodGet, "/api/dashapi?limit=2", "")
	require.Contains(t, w.Body.String(), `"pagination":{"currentPage":1,"limit":2,"totalRecords":11,"totalPage":6,"hasNext":true,"hasPrevious":false}`)
}

func TestD54StatsAreCapped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	limits := make(chan int, 1)
	b.campaigns.recent = func(_ context.Context, limit int) ([]campaign.Campaign, error) {
		limits <- limit
		return nil, nil
	}
	require.Equal(t, http.StatusOK, b.call(t, http.MethodGet, "/api/campaignstats", "").Code)
	require.Equal(t, 1000, <-limits)
}

func TestD57MalformedIDsAndSegmentsInUse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.segments.remove = func(context.Context, uuid.UUID) ([]campaign.Ref, error) {
		return []campaign.Ref{{ID: campaignID, Name: "Diwali"}}, errs.Errorf(errs.Conflict, "in use")
	}
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodDelete, "/api/segments/not-a-uuid", "").Code)
	w := b.call(t, http.MethodDelete, "/api/segments/"+segmentID.String(), "")
	require.Equal(t, http.StatusConflict, w.Code)
	require.Contains(t, w.Body.String(), `"campaigns":[{"campaign_id":"`+campaignID.String()+`","name":"Diwali"}]`)
}

func TestD57PreviewDecodesItsQueryOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seen := make(chan json.RawMessage, 1)
	b.segments.sample = func(_ context.Context, raw json.RawMessage, _ int) ([]campaign.SampleCustomer, error) {
		seen <- raw
		return nil, nil
	}
	w := b.call(t, http.MethodGet, "/api/segments/preview?rules=%5B%7B%22value%22%3A%22100%25%2541%22%7D%5D", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `[{"value":"100%%41"}]`, string(<-seen))
}
