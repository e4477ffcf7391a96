package campaign_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/segment"
)

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

const spenders = `[{"id":"g","operator":"AND","rules":[{"id":"r","field":"total_spend","operator":">","value":1000}]}]`

// house is every port behind the services, in memory.
type house struct {
	campaign.Engine
	segments  map[uuid.UUID]campaign.Segment
	campaigns map[uuid.UUID]campaign.Campaign
	users     []campaign.Ref
	started   []uuid.UUID
	confirmed []uuid.UUID
	engineErr error
}

func (h *house) InsertSegment(_ context.Context, s campaign.Segment) (campaign.Segment, error) {
	s.Version = 1
	h.segments[s.ID] = s
	return s, nil
}

func (h *house) UpdateSegment(_ context.Context, s campaign.Segment) (campaign.Segment, error) {
	h.segments[s.ID] = s
	return s, nil
}

func (h *house) DeleteSegment(_ context.Context, id uuid.UUID) error {
	delete(h.segments, id)
	return nil
}

func (h *house) Segment(_ context.Context, id uuid.UUID) (campaign.Segment, error) {
	s, ok := h.segments[id]
	if !ok {
		return s, errs.Errorf(errs.NotFound, "no rows")
	}
	return s, nil
}

func (h *house) Segments(context.Context) ([]campaign.Segment, error) { return nil, nil }

func (h *house) SegmentUsers(context.Context, uuid.UUID) ([]campaign.Ref, error) { return h.users, nil }

func (h *house) CountAudience(context.Context, segment.Rules) (int, error) { return 42, nil }

func (h *house) SampleAudience(_ context.Context, _ segment.Rules, limit int) ([]campaign.SampleCustomer, error) {
	return make([]campaign.SampleCustomer, limit), nil
}

func (h *house) InsertCampaign(_ context.Context, c campaign.Campaign, _ []byte) (campaign.Campaign, bool, error) {
	if have, ok := h.campaigns[c.ID]; ok {
		return have, false, nil
	}
	c.Version = 1
	h.campaigns[c.ID] = c
	return c, true, nil
}

func (h *house) Campaign(_ context.Context, id uuid.UUID) (campaign.Campaign, error) {
	c, ok := h.campaigns[id]
	if !ok {
		return c, errs.Errorf(errs.NotFound, "no rows")
	}
	return c, nil
}

func (h *house) Campaigns(context.Context, campaign.PageRequest) (campaign.Page[campaign.Campaign], error) {
	return campaign.Page[campaign.Campaign]{}, nil
}

func (h *house) CampaignsAfter(context.Context, cursor.Position, int) ([]campaign.Campaign, error) {
	return nil, nil
}

func (h *house) SegmentsAfter(context.Context, cursor.Position, int) ([]campaign.Segment, error) {
	return nil, nil
}

func (h *house) AllCampaigns(context.Context, int) ([]campaign.Campaign, error) { return nil, nil }

func (h *house) ConfirmStart(_ context.Context, id uuid.UUID, _ int) error {
	h.confirmed = append(h.confirmed, id)
	return nil
}

func (h *house) Unstarted(context.Context, time.Duration, int) ([]campaign.Campaign, error) {
	return nil, nil
}

func (h *house) RearmFailed(_ context.Context, id uuid.UUID, _ []string) (campaign.Campaign, int, error) {
	return h.campaigns[id], 0, nil
}

func (h *house) Start(_ context.Context, c campaign.Campaign) error {
	h.started = append(h.started, c.ID)
	return h.engineErr
}

func (h *house) Pause(context.Context, campaign.Campaign) (campaign.Progress, error) {
	return campaign.Progress{Paused: true}, h.engineErr
}

func (h *house) Progress(context.Context, campaign.Campaign) (campaign.Progress, error) {
	return campaign.Progress{}, h.engineErr
}

func newHouse() (*house, *campaign.Segments, *campaign.Service) {
	h := &house{segments: map[uuid.UUID]campaign.Segment{}, campaigns: map[uuid.UUID]campaign.Campaign{}}
	segments := campaign.NewSegments(h, h)
	return h, segments, campaign.NewService(campaign.Deps{
		Store: h, Segments: segments, Audience: h, Engine: h, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Rehearser: h, ExampleLink: "https://crm.shop.in/u/example", PagedAbove: 1,
	})
}

func input(segmentID uuid.UUID) campaign.CreateInput {
	return campaign.CreateInput{
		Name: " Diwali ", SegmentID: segmentID, MessageTemplate: "Hi {{ name }}", Launch: true, Principal: "asha@shop.in",
	}
}

func saved(t *testing.T, s *campaign.Segments) uuid.UUID {
	t.Helper()
	seg, err := s.Create(t.Context(), campaign.SegmentInput{Name: "Spenders", Rules: json.RawMessage(spenders), Principal: "asha@shop.in"})
	require.NoError(t, err)
	return seg.ID
}

func TestCreate(t *testing.T) {
	t.Parallel()

	t.Run("FreezesTheRulesAndStarts", func(t *testing.T) {
		t.Parallel()
		h, segments, service := newHouse()
		c, err := service.Create(t.Context(), input(saved(t, segments)))
		require.NoError(t, err)
		require.Equal(t, "Diwali", c.Name)
		require.Equal(t, campaign.Active, c.Status)
		require.Equal(t, 42, c.TargetCount, "the audience is known at once")
		require.JSONEq(t, spenders, string(c.Rules))
		require.Equal(t, []uuid.UUID{c.ID}, h.started)
		require.Equal(t, []uuid.UUID{c.ID}, h.confirmed)
		require.Equal(t, campaign.Auto, c.FanOut, "decided when the audience is known")
	})

	t.Run("FanOutMayBeSaid", func(t *testing.T) {
		t.Parallel()
		_, segments, service := newHouse()
		in := input(saved(t, segments))
		in.FanOut = campaign.Paged
		c, err := service.Create(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, campaign.Paged, c.FanOut)
	})

	t.Run("TemporalAwayIsNoFailure", func(t *testing.T) {
		t.Parallel()
		h, segments, service := newHouse()
		h.engineErr = errs.Errorf(errs.Unavailable, "Temporal is away")
		c, err := service.Create(t.Context(), input(saved(t, segments)))
		require.NoError(t, err)
		require.Contains(t, h.campaigns, c.ID)
		require.Empty(t, h.confirmed, "the starter must come back to it")
	})

	t.Run("D12SameKeySameCampaign", func(t *testing.T) {
		t.Parallel()
		h, segments, service := newHouse()
		in := input(saved(t, segments))
		in.IdempotencyKey = "k"
		first, err := service.Create(t.Context(), in)
		require.NoError(t, err)
		again, err := service.Create(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		require.Len(t, h.started, 1)
		in.Principal = "ravi@shop.in"
		other, err := service.Create(t.Context(), in)
		require.NoError(t, err)
		require.NotEqual(t, first.ID, other.ID, "keys are each principal's own")
	})

	t.Run("DraftsAndSchedules", func(t *testing.T) {
		t.Parallel()
		h, segments, service := newHouse()
		id := saved(t, segments)
		draft := input(id)
		draft.Launch = false
		c, err := service.Create(t.Context(), draft)
		require.NoError(t, err)
		require.Equal(t, campaign.Draft, c.Status)
		require.Empty(t, h.started)
		later := now.Add(time.Hour)
		scheduled := input(id)
		scheduled.ScheduledAt = &later
		c, err = service.Create(t.Context(), scheduled)
		require.NoError(t, err)
		require.Equal(t, campaign.Scheduled, c.Status)
		require.Len(t, h.started, 1, "the workflow itself waits")
	})

	t.Run("ListsEveryFaultyFieldAndStoresNothing", func(t *testing.T) {
		t.Parallel()
		h, _, service := newHouse()
		long := now.Add(50 * 365 * 24 * time.Hour)
		_, err := service.Create(t.Context(), campaign.CreateInput{
			Name: "a\x00b", MessageTemplate: "{{ Name }}", Type: "SPAM", ScheduledAt: &long, FanOut: "pages", Rate: -1, MaxAttempts: 101, Launch: true,
			SendWindow: &campaign.SendWindow{From: "25:00", To: "20:00", TimeZone: "UTC"},
		})
		var coded *errs.Error
		require.ErrorAs(t, err, &coded)
		require.Equal(t, errs.Invalid, coded.Code)
		var pointers []string
		for _, f := range coded.Fields {
			pointers = append(pointers, f.Pointer)
		}
		for _, want := range []string{"/name", "/message_template", "/campaign_type", "/scheduled_at", "/fan_out", "/rate", "/max_attempts", "/send_window/from"} {
			require.Contains(t, strings.Join(pointers, " "), want)
		}
		require.Empty(t, h.campaigns)
	})

	t.Run("UnknownSegment", func(t *testing.T) {
		t.Parallel()
		_, _, service := newHouse()
		_, err := service.Create(t.Context(), input(uuid.New()))
		require.True(t, errs.Is(err, errs.NotFound))
		require.ErrorContains(t, err, "Segment not found")
	})
}

func TestSteer(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T, status campaign.Status) (*house, *campaign.Service, uuid.UUID) {
		t.Helper()
		h, segments, service := newHouse()
		c, err := service.Create(t.Context(), input(saved(t, segments)))
		require.NoError(t, err)
		c.Status = status
		h.campaigns[c.ID] = c
		return h, service, c.ID
	}

	t.Run("EndedCampaignsAreLeftAlone", func(t *testing.T) {
		t.Parallel()
		for _, status := range []campaign.Status{campaign.Completed, campaign.Cancelled, campaign.Failed, campaign.Draft} {
			_, service, id := setup(t, status)
			_, err := service.Pause(t.Context(), id)
			require.True(t, errs.Is(err, errs.Conflict), "%s: %v", status, err)
			require.ErrorContains(t, err, string(status))
		}
	})

	t.Run("NotStartedYetIsWorthTryingAgain", func(t *testing.T) {
		t.Parallel()
		h, service, id := setup(t, campaign.Active)
		h.engineErr = errs.Errorf(errs.NotFound, "no workflow")
		_, err := service.Pause(t.Context(), id)
		require.True(t, errs.Is(err, errs.Unavailable), "got %v", err)
	})

	t.Run("ProgressFallsBackToTheBooks", func(t *testing.T) {
		t.Parallel()
		h, service, id := setup(t, campaign.Completed)
		h.engineErr = errors.New("retention has passed")
		c := h.campaigns[id]
		c.Stats = &campaign.Stats{Totals: campaign.Totals{Audience: 3, Delivered: 3}}
		h.campaigns[id] = c
		p, err := service.Progress(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "COMPLETED", p.Phase)
		require.Equal(t, 3, p.Totals.Delivered)
	})

	t.Run("RefusesNonsenseRates", func(t *testing.T) {
		t.Parallel()
		_, service, id := setup(t, campaign.Active)
		_, err := service.SetRate(t.Context(), id, -1)
		require.True(t, errs.Is(err, errs.Invalid))
	})
}

func TestSegments(t *testing.T) {
	t.Parallel()

	t.Run("D10EmptyGroupsAreNeverEveryone", func(t *testing.T) {
		t.Parallel()
		h, segments, _ := newHouse()
		for _, rules := range []string{`[]`, `[{"id":"g","operator":"AND","rules":[]}]`, `null`, `{}`} {
			_, err := segments.Create(t.Context(), campaign.SegmentInput{Name: "x", Rules: json.RawMessage(rules)})
			require.True(t, errs.Is(err, errs.Invalid), "%s: %v", rules, err)
			_, err = segments.Count(t.Context(), json.RawMessage(rules))
			require.True(t, errs.Is(err, errs.Invalid), "%s: %v", rules, err)
		}
		require.Empty(t, h.segments)
	})

	t.Run("NamesAreTrimmedAndBounded", func(t *testing.T) {
		t.Parallel()
		_, segments, _ := newHouse()
		for _, name := range []string{"", "   ", strings.Repeat("x", 256), "a\nb"} {
			_, err := segments.Create(t.Context(), campaign.SegmentInput{Name: name, Rules: json.RawMessage(spenders)})
			require.True(t, errs.Is(err, errs.Invalid), "%q", name)
		}
	})

	t.Run("D57SegmentsInUseStay", func(t *testing.T) {
		t.Parallel()
		h, segments, _ := newHouse()
		id := saved(t, segments)
		h.users = []campaign.Ref{{ID: uuid.New(), Name: "Diwali"}}
		users, err := segments.Delete(t.Context(), id)
		require.True(t, errs.Is(err, errs.Conflict))
		require.Equal(t, h.users, users)
		require.Contains(t, h.segments, id)
	})

	t.Run("SamplesAreCapped", func(t *testing.T) {
		t.Parallel()
		_, segments, _ := newHouse()
		got, err := segments.Sample(t.Context(), json.RawMessage(spenders), 1_000_000)
		require.NoError(t, err)
		require.Len(t, got, 100)
	})
}
