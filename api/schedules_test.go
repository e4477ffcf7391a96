package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

var scheduleID = uuid.MustParse("0197e5b5-5555-7a64-8a3c-3a5ef2c43a11")

const (
	scheduleCampaign   = `"campaign":{"name":"Weekly offer","segment_id":"0197e5b5-1111-7a64-8a3c-3a5ef2c43a11","message_template":"Hi {{name}}"}`
	scheduleRecurrence = `"recurrence":{"times":["09:00"],"weekdays":["MON"],"time_zone":"Asia/Kolkata"}`
	scheduleJSON       = `{` + scheduleCampaign + `,` + scheduleRecurrence + `}`
)

type fakeSchedules struct {
	create  func(ctx context.Context, in campaign.ScheduleInput) (campaign.Schedule, error)
	get     func(ctx context.Context, id uuid.UUID) (campaign.Schedule, error)
	list    func(ctx context.Context, after cursor.Position, limit int) (cursor.Page[campaign.Schedule], error)
	replace func(ctx context.Context, id uuid.UUID, m customer.Match, in campaign.ScheduleInput) (campaign.Schedule, error)
	turn    func(ctx context.Context, id uuid.UUID) (campaign.Schedule, error)
	remove  func(ctx context.Context, id uuid.UUID) error
	trigger func(ctx context.Context, id uuid.UUID, principal, key string) (campaign.Campaign, error)
}

func (f *fakeSchedules) Create(ctx context.Context, in campaign.ScheduleInput) (campaign.Schedule, error) {
	return f.create(ctx, in)
}

func (f *fakeSchedules) Get(ctx context.Context, id uuid.UUID) (campaign.Schedule, error) {
	return f.get(ctx, id)
}

func (f *fakeSchedules) ListAfter(ctx context.Context, after cursor.Position, limit int) (cursor.Page[campaign.Schedule], error) {
	return f.list(ctx, after, limit)
}

func (f *fakeSchedules) NextTimes(_ context.Context, s campaign.Schedule, _ int) []time.Time {
	if s.Paused {
		return nil
	}
	return []time.Time{now.AddDate(0, 0, 1), now.AddDate(0, 0, 8)}
}

func (f *fakeSchedules) Replace(
	ctx context.Context, id uuid.UUID, m customer.Match, in campaign.ScheduleInput,
) (campaign.Schedule, error) {
	return f.replace(ctx, id, m, in)
}

func (f *fakeSchedules) Pause(ctx context.Context, id uuid.UUID) (campaign.Schedule, error) {
	return f.turn(ctx, id)
}

func (f *fakeSchedules) Resume(ctx context.Context, id uuid.UUID) (campaign.Schedule, error) {
	return f.turn(ctx, id)
}

func (f *fakeSchedules) Delete(ctx context.Context, id uuid.UUID) error { return f.remove(ctx, id) }

func (f *fakeSchedules) Trigger(ctx context.Context, id uuid.UUID, principal, key string) (campaign.Campaign, error) {
	return f.trigger(ctx, id, principal, key)
}

func aSchedule() campaign.Schedule {
	return campaign.Schedule{
		ID: scheduleID, Version: 2, Synced: true, LastAt: new(now), LastCampaignID: new(campaignID), CreatedBy: "asha@shop.in",
		CreatedAt: now, UpdatedAt: now,
		Plan: campaign.Plan{
			Name: "Weekly offer", SegmentID: segmentID, MessageTemplate: "Hi {{name}}", Type: "NEWSLETTER", FanOut: campaign.Auto,
			SendWindow: &campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "Asia/Kolkata"}, Rate: 50, MaxAttempts: 3,
			SendDeadline: time.Hour, ReceiptDeadline: 72 * time.Hour,
		},
		Recurrence: campaign.Recurrence{Times: []string{"09:00"}, Weekdays: []string{"MON"}, TimeZone: "Asia/Kolkata", EndsAt: new(now.AddDate(1, 0, 0))},
	}
}

func alwaysSchedules(b *bundle) {
	b.schedules.create = func(context.Context, campaign.ScheduleInput) (campaign.Schedule, error) { return aSchedule(), nil }
	b.schedules.get = func(context.Context, uuid.UUID) (campaign.Schedule, error) { return aSchedule(), nil }
	b.schedules.list = func(context.Context, cursor.Position, int) (cursor.Page[campaign.Schedule], error) {
		return cursor.Page[campaign.Schedule]{Items: []campaign.Schedule{aSchedule()}, Next: aSchedule().Position()}, nil
	}
	b.schedules.turn = func(context.Context, uuid.UUID) (campaign.Schedule, error) {
		s := aSchedule()
		s.Paused, s.LastCampaignID, s.LastError = true, nil, "Segment not found"
		return s, nil
	}
	b.schedules.remove = func(context.Context, uuid.UUID) error { return nil }
	b.schedules.trigger = func(context.Context, uuid.UUID, string, string) (campaign.Campaign, error) { return aCampaign(), nil }
}

func TestScheduleChanges(t *testing.T) {
	t.Parallel()
	path := "/api/schedules/" + scheduleID.String()

	t.Run("NeedTheVersionThatWasRead", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var meant customer.Match
		b.schedules.replace = func(_ context.Context, _ uuid.UUID, m customer.Match, in campaign.ScheduleInput) (campaign.Schedule, error) {
			meant = m
			if m.Versions[0] != 2 {
				return campaign.Schedule{}, errs.Errorf(errs.Conflict, "the schedule is at version 2: %w", customer.ErrStale)
			}
			require.Equal(t, []string{"09:00"}, in.Recurrence.Times)
			return aSchedule(), nil
		}
		require.Equal(t, http.StatusPreconditionRequired, b.call(t, http.MethodPut, path, scheduleJSON).Code)
		require.Equal(t, http.StatusPreconditionFailed, b.call(t, http.MethodPut, path, scheduleJSON, "If-Match", `"1"`).Code)
		w := b.call(t, http.MethodPut, path, scheduleJSON, "If-Match", `"2"`)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, []int64{2}, meant.Versions)
		require.Equal(t, `"2"`, w.Header().Get("ETag"))
	})
	t.Run("AreTheCallersWhateverTheBodySays", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		var by, key string
		b.schedules.create = func(_ context.Context, in campaign.ScheduleInput) (campaign.Schedule, error) {
			by, key = in.Campaign.Principal, in.Campaign.IdempotencyKey
			return aSchedule(), nil
		}
		body := `{"campaign":{"name":"x","segment_id":"` + segmentID.String() + `","message_template":"Hi","created_by":"other"},` + scheduleRecurrence + `}`
		w := b.call(t, http.MethodPost, "/api/schedules", body, "Authorization", "Bearer editor", "Idempotency-Key", "k")
		require.Equal(t, http.StatusCreated, w.Code, w.Body)
		require.Equal(t, "key:editor", by)
		require.Equal(t, "k", key)
	})
	for name, tt := range map[string]struct{ body, want string }{
		"NoCampaign":       {`{` + scheduleRecurrence + `}`, "campaign, recurrence"},
		"NoRecurrence":     {`{` + scheduleCampaign + `}`, "campaign, recurrence"},
		"ALaunch":          {`{"campaign":{"name":"x","segment_id":"` + segmentID.String() + `","message_template":"Hi","launch":true},` + scheduleRecurrence + `}`, "/campaign/launch"},
		"ANamelessOne":     {`{"campaign":{"segment_id":"` + segmentID.String() + `","message_template":"Hi"},` + scheduleRecurrence + `}`, "/campaign/name"},
		"ATimeWithoutZone": {`{` + scheduleCampaign + `,"recurrence":{"times":["09:00"],"time_zone":"UTC","starts_at":"2026-01-01"}}`, "/recurrence/starts_at"},
		"AnUnknownMember":  {`{` + scheduleCampaign + `,"recurrence":{"cron":"* * * * *","times":[],"time_zone":"UTC"}}`, "cron"},
		"NumbersForTimes":  {`{` + scheduleCampaign + `,"recurrence":{"times":[9],"time_zone":"UTC"}}`, "times"},
	} {
		t.Run("Refuse"+name, func(t *testing.T) {
			t.Parallel()
			w := setup(t).call(t, http.MethodPost, "/api/schedules", tt.body)
			require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, w.Code, w.Body)
			require.Contains(t, w.Body.String(), tt.want)
		})
	}
}
