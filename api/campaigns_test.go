package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// asked records what reaches the service.
func asked(b *bundle) *campaign.CreateInput {
	var got campaign.CreateInput
	b.campaigns.create = func(_ context.Context, in campaign.CreateInput) (campaign.Campaign, error) {
		got = in
		return aCampaign(), nil
	}
	return &got
}

func TestCreateCampaignReadsTheBody(t *testing.T) {
	t.Parallel()
	const ids = `"name":"Diwali","segment_id":"0197E5B5-1111-7A64-8A3C-3A5EF2C43A11","message_template":"Hi {{name}}"`
	base := campaign.CreateInput{
		Name: "Diwali", SegmentID: segmentID, MessageTemplate: "Hi {{name}}", Launch: true, Principal: "anonymous",
	}
	with := func(change func(*campaign.CreateInput)) campaign.CreateInput {
		in := base
		change(&in)
		return in
	}
	tests := []struct {
		name, body string
		headers    []string
		want       campaign.CreateInput
	}{
		{"Least", `{` + ids + `}`, nil, base},
		{
			"Reference", `{` + ids + `,"campaign_type":"REMINDER","created_by":" asha@shop.in "}`, nil,
			with(func(in *campaign.CreateInput) { in.Type, in.Principal = "REMINDER", "asha@shop.in" }),
		},
		{"Nulls", `{` + ids + `,"campaign_type":null,"created_by":null,"launch":null,"rate":null,"scheduled_at":null}`, nil, base},
		{"Draft", `{` + ids + `,"launch":false}`, nil, with(func(in *campaign.CreateInput) { in.Launch = false })},
		{
			"Everything", `{` + ids + `,"launch":true,"scheduled_at":"2025-09-20T10:00:00+05:30","rate":12.5,"fan_out":"paged","max_attempts":5,
			"send_deadline":"90m","receipt_deadline":"24h"}`,
			[]string{"Idempotency-Key", "diwali-2025"},
			with(func(in *campaign.CreateInput) {
				at, err := time.Parse(time.RFC3339, "2025-09-20T10:00:00+05:30")
				require.NoError(t, err)
				in.ScheduledAt, in.Rate, in.FanOut, in.MaxAttempts = &at, 12.5, campaign.Paged, 5
				in.SendDeadline, in.ReceiptDeadline = 90*time.Minute, 24*time.Hour
				in.IdempotencyKey = "diwali-2025"
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			got := asked(b)
			w := b.call(t, http.MethodPost, "/api/campaigns", tt.body, tt.headers...)
			require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
			require.Empty(t, cmp.Diff(tt.want, *got))
		})
	}
}

func TestCreateCampaignRefuses(t *testing.T) {
	t.Parallel()
	const ids = `"name":"Diwali","segment_id":"0197e5b5-1111-7a64-8a3c-3a5ef2c43a11","message_template":"Hi"`
	tests := []struct {
		name, body string
		want       int
		pointer    string
	}{
		{"NoName", `{"segment_id":"x","message_template":"y"}`, 400, "/name"},
		{"BlankTemplate", strings.Replace(`{`+ids+`}`, `"Hi"`, `" "`, 1), 400, "/message_template"},
		{"NameNotAText", strings.Replace(`{`+ids+`}`, `"Diwali"`, `1`, 1), 400, "/name"},
		{"SegmentWithBraces", strings.Replace(`{`+ids+`}`, `"0197e5b5-1111-7a64-8a3c-3a5ef2c43a11"`, `"{0197e5b5-1111-7a64-8a3c-3a5ef2c43a11}"`, 1), 400, "/segment_id"},
		{"TimeWithoutZone", `{` + ids + `,"scheduled_at":"2025-09-20T10:00:00"}`, 422, "/scheduled_at"},
		{"TimeNotATime", `{` + ids + `,"scheduled_at":"tomorrow"}`, 422, "/scheduled_at"},
		{"RateNotANumber", `{` + ids + `,"rate":"fast"}`, 400, "/rate"},
		{"AttemptsZero", `{` + ids + `,"max_attempts":0}`, 422, "/max_attempts"},
		{"AttemptsFraction", `{` + ids + `,"max_attempts":1.5}`, 400, "/max_attempts"},
		{"DeadlineWithoutUnit", `{` + ids + `,"send_deadline":"10"}`, 422, "/send_deadline"},
		{"DeadlineNegative", `{` + ids + `,"send_deadline":"-5s"}`, 422, "/send_deadline"},
		{"DeadlineInYears", `{` + ids + `,"receipt_deadline":"1y"}`, 422, "/receipt_deadline"},
		{"CreatorTooLong", `{` + ids + `,"created_by":"` + strings.Repeat("é", 256) + `"}`, 422, "/created_by"},
		{"CreatorWithNewline", `{` + ids + `,"created_by":"a\nb"}`, 422, "/created_by"},
	}
	b := setup(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := b.call(t, http.MethodPost, "/api/campaigns", tt.body)
			require.Equal(t, tt.want, w.Code, "%s", w.Body)
			require.Contains(t, w.Body.String(), `"pointer":"`+tt.pointer+`"`)
		})
	}
}

func TestControlsReachTheCampaign(t *testing.T) {
	t.Parallel()
	b := setup(t)
	calls := make(chan string, 8)
	b.campaigns.steer = func(_ context.Context, verb string, id uuid.UUID) (campaign.Progress, error) {
		calls <- verb + " " + id.String()
		return aProgress(), nil
	}
	b.campaigns.setRate = func(_ context.Context, id uuid.UUID, rate float64) (campaign.Progress, error) {
		calls <- "rate " + id.String() + " " + jsonOf(t, rate)
		return aProgress(), nil
	}
	path := "/api/campaigns/" + campaignID.String()
	for _, verb := range []string{"pause", "resume", "cancel"} {
		require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, path+"/"+verb, "").Code)
		require.Equal(t, verb+" "+campaignID.String(), <-calls)
	}
	require.Equal(t, http.StatusOK, b.call(t, http.MethodGet, path+"/progress", "").Code)
	require.Equal(t, "progress "+campaignID.String(), <-calls)
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, path+"/rate", `{"rate":0}`).Code)
	require.Equal(t, "rate "+campaignID.String()+" 0", <-calls)
	require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodPost, path+"/rate", `{}`).Code)
	require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodPost, path+"/rate", `{"rate":null}`).Code)
}

// TestCodesBecomeStatuses is the whole mapping of problem.go.
func TestCodesBecomeStatuses(t *testing.T) {
	t.Parallel()
	cause := errors.New("secret-inside")
	tests := []struct {
		err  error
		want int
		kind string
	}{
		{errs.Wrap(errs.Invalid, cause, "not valid"), 422, "validation"},
		{errs.Wrap(errs.NotFound, cause, "not there"), 404, "not-found"},
		{errs.Wrap(errs.Conflict, cause, "not now"), 409, "conflict"},
		{errs.Wrap(errs.Unauthorized, cause, "who"), 401, "unauthorized"},
		{errs.Wrap(errs.Forbidden, cause, "not you"), 403, "forbidden"},
		{errs.Wrap(errs.RateLimited, cause, "slower"), 429, "rate-limited"},
		{errs.Wrap(errs.Unavailable, cause, "away"), 503, "unavailable"},
		{errs.Wrap(errs.Unknown, cause, "maybe"), 503, "outcome-unknown"},
		{errs.Wrap(errs.Internal, cause, "secret-inside"), 500, "internal"},
		{cause, 500, "internal"},
		{context.DeadlineExceeded, 503, "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.campaigns.get = func(context.Context, uuid.UUID) (campaign.Campaign, error) {
				return campaign.Campaign{}, errors.Join(errors.New("get campaign"), tt.err)
			}
			w := b.call(t, http.MethodGet, "/api/campaigns/"+campaignID.String(), "")
			require.Equal(t, tt.want, w.Code)
			require.Contains(t, w.Body.String(), `"/problems/`+tt.kind+`"`)
			require.Equal(t, tt.want >= 500, strings.Contains(b.logs.String(), "request failed"))
		})
	}
}

func TestIngestHandsOnBytesAndKey(t *testing.T) {
	t.Parallel()
	type handed struct{ body, key string }
	b := setup(t)
	got := make(chan handed, 1)
	b.customers.acceptCustomer = func(_ context.Context, raw []byte, key string) (customer.AcceptedCustomer, error) {
		got <- handed{string(raw), key}
		return customer.AcceptedCustomer{}, nil
	}
	b.customers.acceptOrder = func(_ context.Context, raw []byte, key string) (customer.AcceptedOrder, error) {
		got <- handed{string(raw), key}
		return customer.AcceptedOrder{}, nil
	}
	const body = `{ "email":"a@b.in" , "total_spend":1.10 }`
	require.Equal(t, http.StatusAccepted, b.call(t, http.MethodPost, "/customers", body, "Idempotency-Key", "k1").Code)
	require.Equal(t, handed{body, "k1"}, <-got)
	require.Equal(t, http.StatusAccepted, b.call(t, http.MethodPost, "/orders", body).Code)
	require.Equal(t, handed{body, ""}, <-got)
}
