package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

const draftPath = "/api/campaigns/0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"

// anEditable is a draft that says everything there is to say.
func anEditable() campaign.Campaign {
	c := aDraft()
	c.Version, c.ScheduledAt = 2, new(now.Add(time.Hour))
	c.SendDeadline, c.ReceiptDeadline = 90*time.Minute, 24*time.Hour
	c.SendWindow = &campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "Asia/Kolkata"}
	return c
}

// alwaysDrafts gives fakes whose every method succeeds.
func alwaysDrafts(b *bundle) {
	b.campaigns.rehearse = func(context.Context, campaign.CreateInput) (campaign.Rehearsal, error) {
		return campaign.Rehearsal{
			SegmentName: "Big spenders", Audience: 42, NoEmail: 1, Suppressed: 2, RenderFailed: 3, Rendered: 39,
			FanOut: campaign.PerCustomer, Duration: new(2*time.Second + time.Millisecond),
			Sample: []campaign.SampleMessage{{CustomerID: customerID, Name: "Asha", Email: "asha@shop.in", Text: "Hi Asha"}},
		}, nil
	}
	b.campaigns.launch = func(context.Context, uuid.UUID, customer.Match) (campaign.Campaign, error) {
		return aCampaign(), nil
	}
	b.campaigns.remove = func(context.Context, uuid.UUID) error { return nil }
	editWith(b, anEditable(), nil)
}

// editWith gives the draft to the change and keeps what comes of it in got.
func editWith(b *bundle, c campaign.Campaign, got *campaign.CreateInput) {
	b.campaigns.edit = func(
		_ context.Context, _ uuid.UUID, _ customer.Match, change func(campaign.Campaign) (campaign.CreateInput, error),
	) (campaign.Campaign, error) {
		in, err := change(c)
		if got != nil {
			*got = in
		}
		return c, err
	}
}

func TestGoldenDrafts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	golden(t, "campaigns_edit", b.call(t, http.MethodPatch, draftPath, `{"name":"Holi"}`, "If-Match", `"2"`))
	b.campaigns.get = func(context.Context, uuid.UUID) (campaign.Campaign, error) { return anEditable(), nil }
	golden(t, "campaigns_get_draft", b.call(t, http.MethodGet, draftPath, ""))
}

func TestEditDraft(t *testing.T) {
	t.Parallel()
	c := anEditable()
	base := campaign.CreateInput{
		Name: c.Name, SegmentID: c.SegmentID, MessageTemplate: c.MessageTemplate, Type: "PROMOTIONAL", Launch: true,
		FanOut: campaign.PerCustomer, ScheduledAt: c.ScheduledAt, Rate: 12.5, MaxAttempts: 3,
		SendWindow:   c.SendWindow,
		SendDeadline: 90 * time.Minute, ReceiptDeadline: 24 * time.Hour, Principal: "anonymous",
	}
	tests := []struct {
		name, body string
		want       func(*campaign.CreateInput)
	}{
		{"NothingNamedNothingChanged", `{}`, func(*campaign.CreateInput) {}},
		{"OneMember", `{"name":"Holi"}`, func(in *campaign.CreateInput) { in.Name = "Holi" }},
		{"NullGivesTheDefaultBack", `{"scheduled_at":null,"rate":null,"send_deadline":null,"fan_out":null}`, func(in *campaign.CreateInput) {
			in.ScheduledAt, in.Rate, in.SendDeadline, in.FanOut = nil, 0, 0, ""
		}},
		{"NoSendWindow", `{"send_window":null}`, func(in *campaign.CreateInput) { in.SendWindow = nil }},
		{"APartOfTheSendWindow", `{"send_window":{"to":"21:00"}}`, func(in *campaign.CreateInput) {
			in.SendWindow = &campaign.SendWindow{From: "09:00", To: "21:00", TimeZone: "Asia/Kolkata"}
		}},
		{"Everything", `{"name":"Holi","send_window":{"from":"10:00","to":"11:00","time_zone":"UTC"},"segment_id":"0197e5b5-3333-7a64-8a3c-3a5ef2c43a11","message_template":"Hi","campaign_type":"REMINDER",
			"scheduled_at":"2025-09-20T10:00:00Z","rate":1,"fan_out":"paged","max_attempts":5,"send_deadline":"2h","receipt_deadline":"3h"}`, func(in *campaign.CreateInput) {
			*in = campaign.CreateInput{
				Name: "Holi", SegmentID: customerID, MessageTemplate: "Hi", Type: "REMINDER", Launch: true, FanOut: campaign.Paged,
				ScheduledAt: new(time.Date(2025, 9, 20, 10, 0, 0, 0, time.UTC)), Rate: 1, MaxAttempts: 5,
				SendWindow:   &campaign.SendWindow{From: "10:00", To: "11:00", TimeZone: "UTC"},
				SendDeadline: 2 * time.Hour, ReceiptDeadline: 3 * time.Hour, Principal: "anonymous",
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var got campaign.CreateInput
			editWith(b, anEditable(), &got)
			w := b.call(t, http.MethodPatch, draftPath, tt.body, "If-Match", `"2"`)
			require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
			require.Equal(t, `"2"`, w.Header().Get("ETag"))
			want := base
			tt.want(&want)
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestEditDraftRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, match string
		want              int
		says              string
	}{
		{"NoIfMatch", `{"name":"x"}`, "", 428, "precondition-required"},
		{"UnknownMember", `{"launch":true}`, `"2"`, 400, `"/launch"`},
		{"TheCreator", `{"created_by":"x"}`, `"2"`, 400, `"/created_by"`},
		{"NameTakenAway", `{"name":null}`, `"2"`, 400, `"/name"`},
		{"P1SegmentNoID", `{"segment_id":"x"}`, `"2"`, 400, `"/segment_id"`},
		{"P5TimeWithoutZone", `{"scheduled_at":"2025-09-20T10:00:00"}`, `"2"`, 422, `"/scheduled_at"`},
		{"RateNotANumber", `{"rate":"fast"}`, `"2"`, 400, `"/rate"`},
		{"WindowNoObject", `{"send_window":"09:00-20:00"}`, `"2"`, 400, `"/send_window"`},
		{"WindowWithUnknownMember", `{"send_window":{"zone":"UTC"}}`, `"2"`, 400, `"/send_window/zone"`},
		{"NoObject", `[]`, `"2"`, 400, "malformed-request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			editWith(b, anEditable(), nil)
			var headers []string
			if tt.match != "" {
				headers = []string{"If-Match", tt.match}
			}
			w := b.call(t, http.MethodPatch, draftPath, tt.body, headers...)
			require.Equal(t, tt.want, w.Code, "%s", w.Body)
			require.Contains(t, w.Body.String(), tt.says)
		})
	}
}

// TestStaleDrafts: another version is 412, no draft is 409, on each route that takes If-Match.
func TestStaleDrafts(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		http.StatusPreconditionFailed: errs.Errorf(errs.Conflict, "the campaign is at version 3: %w", customer.ErrStale),
		http.StatusConflict:           errs.Errorf(errs.Conflict, "the campaign is ACTIVE; only a DRAFT can be edited"),
	} {
		b := setup(t)
		b.campaigns.edit = func(context.Context, uuid.UUID, customer.Match, func(campaign.Campaign) (campaign.CreateInput, error)) (campaign.Campaign, error) {
			return campaign.Campaign{}, err
		}
		b.campaigns.launch = func(context.Context, uuid.UUID, customer.Match) (campaign.Campaign, error) {
			return campaign.Campaign{}, err
		}
		b.campaigns.remove = func(context.Context, uuid.UUID) error { return err }
		b.segments.update = func(context.Context, uuid.UUID, campaign.SegmentInput) (campaign.Segment, error) {
			return campaign.Segment{}, err
		}
		require.Equal(t, want, b.call(t, http.MethodPatch, draftPath, `{}`, "If-Match", `"2"`).Code)
		require.Equal(t, want, b.call(t, http.MethodPost, draftPath+"/launch", "", "If-Match", `"2"`).Code)
		require.Equal(t, want, b.call(t, http.MethodPut, "/api/segments/"+segmentID.String(), segmentJSON, "If-Match", `"2"`).Code)
		require.Equal(t, http.StatusConflict, b.call(t, http.MethodDelete, draftPath, "").Code)
	}
}

func TestLaunchTakesWhatWasSeen(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]customer.Match{
		"": {Any: true}, "*": {Any: true}, `"2"`: {Versions: []int64{2}}, `"2", "x"`: {Versions: []int64{2}}, `"x"`: {},
	} {
		b := setup(t)
		got := make(chan customer.Match, 1)
		b.campaigns.launch = func(_ context.Context, _ uuid.UUID, m customer.Match) (campaign.Campaign, error) {
			got <- m
			return aCampaign(), nil
		}
		var headers []string
		if header != "" {
			headers = []string{"If-Match", header}
		}
		w := b.call(t, http.MethodPost, draftPath+"/launch", "", headers...)
		require.Equal(t, http.StatusOK, w.Code)
		require.Empty(t, w.Header().Get("ETag"), "a campaign that runs changes without being edited")
		require.Equal(t, want, <-got, "If-Match: %s", header)
	}
}

func TestSegmentsCarryTheirVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	path := "/api/segments/" + segmentID.String()
	got := make(chan *customer.Match, 1)
	b.segments.update = func(_ context.Context, _ uuid.UUID, in campaign.SegmentInput) (campaign.Segment, error) {
		got <- in.Match
		s := aSegment()
		s.Version = 2
		return s, nil
	}
	require.Equal(t, `"1"`, b.call(t, http.MethodGet, path, "").Header().Get("ETag"))
	require.Equal(t, `"2"`, b.call(t, http.MethodPut, path, segmentJSON, "If-Match", `"1"`).Header().Get("ETag"))
	require.Equal(t, &customer.Match{Versions: []int64{1}}, <-got)
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPut, path, segmentJSON).Code, "the reference's client sends no If-Match")
	require.Nil(t, <-got)
}

// TestDryRunIsACreate: the same body, checked by the same code.
func TestDryRunIsACreate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.call(t, http.MethodPost, "/api/campaigns/dry-run", `{"name":"x"}`)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), "Missing required fields")
	got := make(chan campaign.CreateInput, 1)
	b.campaigns.rehearse = func(_ context.Context, in campaign.CreateInput) (campaign.Rehearsal, error) {
		got <- in
		return campaign.Rehearsal{Audience: 7, Estimated: true}, nil
	}
	w = b.call(t, http.MethodPost, "/api/campaigns/dry-run", draft)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, "NEWSLETTER", (<-got).Type)
	require.Contains(t, w.Body.String(), `"estimated_seconds":null`)
	require.Contains(t, w.Body.String(), `"skipped_estimated":true`)
	require.Contains(t, w.Body.String(), `"sample":[]`)
}
