package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
)

// TestBadInputOnAnyRoute is section 5.1 of the faults. The fakes are empty: a service that is
// called nevertheless panics, and the answer is a 500.
func TestBadInputOnAnyRoute(t *testing.T) {
	t.Parallel()
	const asJSON = "application/json"
	tests := []struct {
		name, method, target, body string
		headers                    []string
		want                       int
		kind                       string
	}{
		{"R1EmptyBody", "POST", "/api/segments", "", []string{"Content-Type", asJSON}, 400, "malformed-request"},
		{"R1NoBodyAtAll", "POST", "/customers", "", nil, 400, "malformed-request"},
		{"R3TrailingObject", "POST", "/api/segments", segmentJSON + "{}", nil, 400, "malformed-request"},
		{"R3TrailingGarbage", "POST", "/api/campaigns", draft + "x", nil, 400, "malformed-request"},
		{"R5CaseVariant", "POST", "/api/segments", strings.Replace(segmentJSON, `"name"`, `"NAME"`, 1), nil, 400, "malformed-request"},
		{"R5UnknownMember", "POST", "/api/campaigns/" + campaignID.String() + "/rate", `{"rate":1,"burst":2}`, nil, 400, "malformed-request"},
		{"R5DuplicateMember", "POST", "/api/segments/preview", `{"rules":[],"rules":[]}`, nil, 400, "malformed-request"},
		{"R7DeepNesting", "POST", "/api/segments/preview", `{"rules":` + strings.Repeat("[", 10_000), nil, 400, "malformed-request"},
		{"R9Gzip", "POST", "/api/segments", segmentJSON, []string{"Content-Encoding", "gzip"}, 415, "unsupported-media-type"},
		{"R11InvalidUTF8", "POST", "/api/segments", "{\"name\":\"\xff\"}", nil, 400, "malformed-request"},
		{"R11LoneSurrogate", "POST", "/api/segments", `{"name":"\ud800","rules":[{}]}`, nil, 400, "malformed-request"},
		{"R11NUL", "POST", "/api/segments", `{"name":"a\u0000b","rules":[{}]}`, nil, 400, "malformed-request"},
		{"R13DotDot", "GET", "/api/segments/..%2f", "", nil, 404, "not-found"},
		{"R13NULInPath", "GET", "/api/segments/%00", "", nil, 404, "not-found"},
		{"R13SQL", "GET", "/api/campaigns/1;drop", "", nil, 404, "not-found"},
		{"R13Braces", "DELETE", "/api/segments/%7B" + segmentID.String() + "%7D", "", nil, 404, "not-found"},
		{"R13URN", "GET", "/api/segments/urn:uuid:" + segmentID.String(), "", nil, 404, "not-found"},
		{"R13WithoutDashes", "GET", "/api/segments/" + strings.ReplaceAll(segmentID.String(), "-", ""), "", nil, 404, "not-found"},
		{"R15UnknownRoute", "GET", "/api/nope", "", nil, 404, "not-found"},
		{"R15TrailingSlash", "POST", "/api/segments/", segmentJSON, nil, 404, "not-found"},
		{"R15DoubleSlash", "GET", "//api/segments", "", nil, 404, "not-found"},
		{"R15OtherCase", "GET", "/api/campaignStats", "", nil, 404, "not-found"},
		{"R15Method", "DELETE", "/customers", "", nil, 405, "method-not-allowed"},
		{"R15Head", "OPTIONS", "/api/segments", "", nil, 405, "method-not-allowed"},
		{"R19LimitNegative", "GET", "/api/dashapi?limit=-1", "", nil, 400, "validation"},
		{"R19LimitZero", "GET", "/api/campaigns?limit=0", "", nil, 400, "validation"},
		{"R19LimitNotANumber", "GET", "/api/dashapi?limit=abc", "", nil, 400, "validation"},
		{"R19LimitFraction", "GET", "/api/dashapi?limit=1.5", "", nil, 400, "validation"},
		{"R19LimitOverflow", "GET", "/api/dashapi?limit=99999999999999999999", "", nil, 400, "validation"},
		{"R19PageZero", "GET", "/api/dashapi?page=0", "", nil, 400, "validation"},
		{"R19PageHuge", "GET", "/api/dashapi?page=1000000000", "", nil, 400, "validation"},
		{"R19SortInjection", "GET", "/api/dashapi?sort=email;--", "", nil, 400, "malformed-request"},
		{"R19Twice", "GET", "/api/dashapi?limit=1&limit=2", "", nil, 400, "validation"},
		{"R19BrokenEscape", "GET", "/api/dashapi?limit=%zz", "", nil, 400, "malformed-request"},
		{"R19NULInQuery", "GET", "/api/segments/preview?rules=%00", "", nil, 400, "malformed-request"},
		{"R19InvalidUTF8InQuery", "GET", "/api/segments/preview?rules=%ff", "", nil, 400, "malformed-request"},
		{"R21KeyEmpty", "POST", "/api/campaigns", draft, []string{"Idempotency-Key", ""}, 400, "validation"},
		{"R21KeyTooLong", "POST", "/api/campaigns", draft, []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "validation"},
		{"R21KeyControl", "POST", "/orders", order, []string{"Idempotency-Key", "a\x01"}, 400, "validation"},
		{"R21KeySpace", "POST", "/orders", order, []string{"Idempotency-Key", "a b"}, 400, "validation"},
		{"FormInsteadOfJSON", "POST", "/api/segments", segmentJSON, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"},
		{"TextInsteadOfJSON", "POST", "/api/segments", segmentJSON, []string{"Content-Type", "text/plain"}, 415, "unsupported-media-type"},
		{"OtherCharset", "POST", "/api/segments", segmentJSON, []string{"Content-Type", asJSON + "; charset=utf-16"}, 415, "unsupported-media-type"},
		{"NoContentType", "POST", "/api/segments", segmentJSON, []string{"Content-Type", ""}, 415, "unsupported-media-type"},
		{"BodyTooLarge", "POST", "/api/segments", strings.Repeat(" ", 1<<20+1), nil, 413, "body-too-large"},
		{"IngestBodyTooLarge", "POST", "/customers", strings.Repeat(" ", 100_001), nil, 413, "body-too-large"},
	}
	b := setup(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := b.call(t, tt.method, tt.target, tt.body, tt.headers...)
			require.Equal(t, tt.want, w.Code, "%s", w.Body)
			require.Contains(t, w.Body.String(), `"type":"/problems/`+tt.kind+`"`)
			require.Empty(t, w.Header().Get("Location"))
		})
	}
}

func TestTwoIdempotencyKeysAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", strings.NewReader(order))
	req.Header.Set("Content-Type", "application/json")
	req.Header["Idempotency-Key"] = []string{"one", "two"}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, req)
	require.Equal(t, http.StatusBadRequest, w.Code)
}

func TestLimitsAreInclusive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sizes := make(chan int, 1)
	b.customers.acceptCustomer = func(_ context.Context, raw []byte, _ string) (customer.AcceptedCustomer, error) {
		sizes <- len(raw)
		return customer.AcceptedCustomer{}, nil
	}
	body := `{"name":"Asha"}` + strings.Repeat(" ", 100_000-len(`{"name":"Asha"}`))
	require.Equal(t, http.StatusAccepted, b.call(t, http.MethodPost, "/customers", body).Code)
	require.Equal(t, 100_000, <-sizes)
}

func TestTakesJSONWithParameters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	for _, contentType := range []string{"application/json; charset=UTF-8", "Application/JSON"} {
		w := b.call(t, http.MethodPost, "/api/segments", segmentJSON, "Content-Type", contentType, "Content-Encoding", "identity")
		require.Equal(t, http.StatusCreated, w.Code)
	}
}

func TestUpperCaseIDIsTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	asked := make(chan uuid.UUID, 1)
	b.segments.get = func(_ context.Context, id uuid.UUID) (campaign.Segment, error) {
		asked <- id
		return aSegment(), nil
	}
	w := b.call(t, http.MethodGet, "/api/segments/"+strings.ToUpper(segmentID.String()), "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, segmentID, <-asked)
}

func TestPaging(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query string
		want  campaign.PageRequest
	}{
		{"", campaign.PageRequest{Number: 1, Limit: 10}},
		{"?limit=&page=", campaign.PageRequest{Number: 1, Limit: 10}},
		{"?limit=1&page=3", campaign.PageRequest{Number: 3, Limit: 1}},
		{"?limit=100", campaign.PageRequest{Number: 1, Limit: 100}},
		{"?limit=1000000000", campaign.PageRequest{Number: 1, Limit: 100}},
		{"?page=10000000&limit=100", campaign.PageRequest{Number: 10_000_000, Limit: 100}},
		{"?sort=email", campaign.PageRequest{Number: 1, Limit: 10}},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			asked := make(chan campaign.PageRequest, 1)
			b.dashboard.rows = func(_ context.Context, p campaign.PageRequest) (campaign.Page[campaign.DashboardRow], error) {
				asked <- p
				return campaign.Page[campaign.DashboardRow]{}, nil
			}
			require.Equal(t, http.StatusOK, b.call(t, http.MethodGet, "/api/dashapi"+tt.query, "").Code)
			require.Equal(t, tt.want, <-asked)
		})
	}
}
