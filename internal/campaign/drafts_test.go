package campaign_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/message"
)

func (h *house) LaunchDraft(_ context.Context, id uuid.UUID, version int) (campaign.Campaign, error) {
	c := h.campaigns[id]
	if version != 0 && version != c.Version {
		return c, errs.Errorf(errs.Conflict, "version: %w", customer.ErrStale)
	}
	c.Status = campaign.Active
	h.campaigns[id] = c
	return c, nil
}

func (h *house) UpdateDraft(_ context.Context, c campaign.Campaign) (campaign.Campaign, error) {
	c.Version++
	h.campaigns[c.ID] = c
	return c, nil
}

func (h *house) DeleteDraft(_ context.Context, id uuid.UUID) error {
	delete(h.campaigns, id)
	return nil
}

// RehearseAudience renders one message, for one customer of three who has an address.
func (h *house) RehearseAudience(
	_ context.Context, r campaign.AudienceRequest, _ campaign.RehearsalLimits,
) (campaign.Rehearsal, error) {
	text, err := r.Render(message.Recipient{
		Name: new("Asha"), UnsubscribeURL: func() string { return r.UnsubscribeURL(uuid.New()) },
	})
	return campaign.Rehearsal{
		Audience: 3, NoEmail: 1, Suppressed: 1, Rendered: 1, Sample: []campaign.SampleMessage{{Text: text}},
	}, err
}

// aDraft stores a draft with everything said.
func aDraft(t *testing.T, segments *campaign.Segments, service *campaign.Service) campaign.Campaign {
	t.Helper()
	in := input(saved(t, segments))
	in.Launch, in.Rate, in.FanOut, in.ScheduledAt = false, 50, campaign.Paged, new(now.Add(time.Hour))
	in.SendWindow = &campaign.SendWindow{From: "09:00", To: "20:00", TimeZone: "Asia/Kolkata"}
	c, err := service.Create(t.Context(), in)
	require.NoError(t, err)
	return c
}

func rename(name string) func(campaign.Campaign) (campaign.CreateInput, error) {
	return func(c campaign.Campaign) (campaign.CreateInput, error) {
		in := input(c.SegmentID)
		in.Name = name
		return in, nil
	}
}

func TestEditDraft(t *testing.T) {
	t.Parallel()
	anyVersion := customer.Match{Any: true}

	t.Run("ItStaysADraftOfItsMaker", func(t *testing.T) {
		t.Parallel()
		h, segments, service := newHouse()
		c := aDraft(t, segments, service)
		other, err := segments.Update(t.Context(), c.SegmentID, campaign.SegmentInput{
			Name: "Spenders", Rules: json.RawMessage(strings.Replace(spenders, "1000", "2000", 1)),
		})
		require.NoError(t, err)
		edited, err := service.EditDraft(t.Context(), c.ID, anyVersion, func(c campaign.Campaign) (campaign.CreateInput, error) {
			in, err := rename("Holi")(c)
			in.Principal = "ravi@shop.in"
			return in, err
		})
		require.NoError(t, err)
		require.Equal(t, c.ID, edited.ID)
		require.Equal(t, "Holi", edited.Name)
		require.Equal(t, campaign.Draft, edited.Status, "whatever the input says of a launch")
		require.Equal(t, "asha@shop.in", edited.CreatedBy)
		require.JSONEq(t, string(other.Rules), string(edited.Rules), "the rules as they are now")
		require.Equal(t, c.Version+1, edited.Version)
		require.Empty(t, h.started)
	})

	t.Run("RefusesWhatACreateRefuses", func(t *testing.T) {
		t.Parallel()
		_, segments, service := newHouse()
		c := aDraft(t, segments, service)
		_, err := service.EditDraft(t.Context(), c.ID, anyVersion, rename("a\x00b"))
		require.True(t, errs.Is(err, errs.Invalid), "got %v", err)
		_, err = service.EditDraft(t.Context(), uuid.New(), anyVersion, rename("x"))
		require.True(t, errs.Is(err, errs.NotFound), "got %v", err)
	})

	t.Run("AnotherVersionIsStale", func(t *testing.T) {
		t.Parallel()
		h, segments, service := newHouse()
		c := aDraft(t, segments, service)
		other := customer.Match{Versions: []int64{int64(c.Version) + 1}}
		_, err := service.EditDraft(t.Context(), c.ID, other, rename("x"))
		require.ErrorIs(t, err, customer.ErrStale)
		_, err = service.LaunchIf(t.Context(), c.ID, other)
		require.ErrorIs(t, err, customer.ErrStale)
		require.Equal(t, c, h.campaigns[c.ID])
		require.Empty(t, h.started)
	})

	t.Run("WhatWasLaunchedStays", func(t *testing.T) {
		t.Parallel()
		for _, status := range []campaign.Status{
			campaign.Scheduled, campaign.Active, campaign.Paused, campaign.Completed, campaign.Cancelled, campaign.Failed,
		} {
			h, segments, service := newHouse()
			c := aDraft(t, segments, service)
			c.Status = status
			h.campaigns[c.ID] = c
			_, err := service.EditDraft(t.Context(), c.ID, anyVersion, rename("x"))
			require.True(t, errs.Is(err, errs.Conflict), "%s: %v", status, err)
			require.True(t, errs.Is(service.DeleteDraft(t.Context(), c.ID), errs.Conflict), "P11, %s", status)
			_, err = service.Launch(t.Context(), c.ID)
			require.True(t, errs.Is(err, errs.Conflict), "%s: %v", status, err)
			require.Equal(t, c, h.campaigns[c.ID])
		}
	})
}

func TestDuplicate(t *testing.T) {
	t.Parallel()
	h, segments, service := newHouse()
	c := aDraft(t, segments, service)
	again, err := service.Duplicate(t.Context(), c.ID, "ravi@shop.in")
	require.NoError(t, err)
	require.NotEqual(t, c.ID, again.ID)
	require.Equal(t, "Diwali (copy)", again.Name)
	require.Equal(t, campaign.Draft, again.Status)
	require.Equal(t, "ravi@shop.in", again.CreatedBy)
	require.InDelta(t, 50, again.Rate, 0)
	require.Equal(t, c.SendWindow, again.SendWindow)
	require.Equal(t, campaign.Paged, again.FanOut)
	require.Nil(t, again.ScheduledAt, "nobody said when the copy is to start")
	require.Empty(t, h.started)

	c.Status, c.Name = campaign.Completed, strings.Repeat("é", 255)
	h.campaigns[c.ID] = c
	again, err = service.Duplicate(t.Context(), c.ID, "ravi@shop.in")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", 248)+" (copy)", again.Name)
	require.Equal(t, campaign.Auto, again.FanOut, "what one launch chose is not what was asked for")
}

func TestRehearse(t *testing.T) {
	t.Parallel()
	h, segments, service := newHouse()
	in := input(saved(t, segments))
	in.MessageTemplate = "Hi {{ name }} {{ unsubscribe_url }}"
	got, err := service.Rehearse(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, 1, got.ToSend())
	require.Equal(t, campaign.PerCustomer, got.FanOut, "above the threshold it would be paged")
	require.Nil(t, got.Duration, "no rate, no duration")
	require.Equal(t, "Hi Asha https://crm.shop.in/u/example", got.Sample[0].Text)
	require.Empty(t, h.campaigns)
	require.Empty(t, h.started)

	for rate, want := range map[float64]time.Duration{0.5: 2 * time.Second, 50: 20 * time.Millisecond, 1e-300: math.MaxInt64} {
		in.Rate = rate
		got, err := service.Rehearse(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, want, *got.Duration)
	}
	// One message at one in two seconds; it is 09:00 in London, an hour before the window.
	in.Rate, in.SendWindow = 0.5, &campaign.SendWindow{From: "10:00", To: "11:00", TimeZone: "Europe/London"}
	got, err = service.Rehearse(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, time.Hour+2*time.Second, *got.Duration)
	in.ScheduledAt = new(now.Add(90 * time.Minute))
	got, err = service.Rehearse(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, *got.Duration, "from the start of the campaign")
	in.Rate, in.MessageTemplate = -1, "{{"
	_, err = service.Rehearse(t.Context(), in)
	require.True(t, errs.Is(err, errs.Invalid), "got %v", err)
}

// TestExampleLinksUnsubscribeNobody holds the length too: a message with one is as long as the real one.
func TestExampleLinksUnsubscribeNobody(t *testing.T) {
	t.Parallel()
	links := campaign.NewLinks("https://crm.shop.in", strings.Repeat("s", 32))
	example := links.Example()
	require.Len(t, example, len(links.Unsubscribe(uuid.New(), uuid.New())))
	said, err := links.Read(strings.TrimPrefix(example, "https://crm.shop.in/u/"))
	require.NoError(t, err)
	require.Equal(t, campaign.Link{}, said)
}

func TestSegmentUpdatesForAVersion(t *testing.T) {
	t.Parallel()
	h, segments, _ := newHouse()
	id := saved(t, segments)
	in := campaign.SegmentInput{Name: "New", Rules: json.RawMessage(spenders), Match: &customer.Match{Versions: []int64{7}}}
	_, err := segments.Update(t.Context(), id, in)
	require.ErrorIs(t, err, customer.ErrStale)
	require.Equal(t, "Spenders", h.segments[id].Name)
	in.Match.Versions = []int64{7, int64(h.segments[id].Version)}
	_, err = segments.Update(t.Context(), id, in)
	require.NoError(t, err)
	require.Equal(t, "New", h.segments[id].Name)
}
