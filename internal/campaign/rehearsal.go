package campaign

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/message"
	"github.com/xencrm/xencrm/internal/segment"
)

const (
	// rehearsalRender is how long a dry run renders before it goes on counting alone. Somebody waits for it;
	// more than half a million messages without much logic are rendered in it (BenchmarkRehearseAudience).
	rehearsalRender = 5 * time.Second
	// rehearsalWhole ends a dry run that is not done: the snapshot holds back the vacuum, and the answer
	// must come well before the server's write timeout. At the measured 150,000 a second, on a busy machine
	// of two cores, two million customers are counted in it.
	rehearsalWhole = 15 * time.Second
)

// RehearsalLimits bound a dry run.
type RehearsalLimits struct {
	// Render is after how long it stops rendering and counts the rest.
	Render time.Duration
	// Whole is after how long it gives up.
	Whole time.Duration
}

// Rehearsal is what a launch would come to now.
type Rehearsal struct {
	SegmentName string
	// Audience is everybody whom the rules match.
	Audience int
	// NoEmail, Suppressed and RenderFailed are those who would be skipped, by reason.
	NoEmail, Suppressed, RenderFailed int
	// Rendered is how many messages were rendered. If that is not everybody who can be reached, RenderFailed
	// is Estimated; all other counts are exact.
	Rendered  int
	Estimated bool
	Sample    []SampleMessage
	FanOut    FanOut
	// Duration is how long the first attempts take at the campaign's rate, with the hours between in which
	// its send window is closed; nil without a rate.
	Duration *time.Duration
}

// SampleMessage is the message that one customer would get.
type SampleMessage struct {
	CustomerID  uuid.UUID
	Name, Email string
	Text        string
}

// Reachable is how many have an address that may be written to; by it the fan-out is chosen.
func (r Rehearsal) Reachable() int { return r.Audience - r.NoEmail - r.Suppressed }

// ToSend is how many messages would go to the vendor.
func (r Rehearsal) ToSend() int { return r.Reachable() - r.RenderFailed }

// tryOut is what dry runs need beside the rest of the service.
type tryOut struct {
	rehearser  Rehearser
	link       string
	pagedAbove int
}

// AudienceRequest is how the campaign's audience is evaluated and its messages are made; the launch and
// the dry run both ask it. links makes the unsubscribe links; nil makes messages without.
func (c Campaign) AudienceRequest(links func(campaignID, customerID uuid.UUID) string) (AudienceRequest, error) {
	tmpl, err := message.Parse(c.MessageTemplate)
	if err != nil {
		return AudienceRequest{}, fmt.Errorf("stored template: %w", err)
	}
	rules, err := segment.Parse(c.Rules)
	if err != nil {
		return AudienceRequest{}, fmt.Errorf("stored rules: %w", err)
	}
	r := AudienceRequest{CampaignID: c.ID, Rules: rules, Render: tmpl.Render}
	if links != nil {
		r.UnsubscribeURL = func(customerID uuid.UUID) string { return links(c.ID, customerID) }
	}
	return r, nil
}

// Rehearse says what creating and launching a campaign would come to now. It stores nothing.
func (s *Service) Rehearse(ctx context.Context, in CreateInput) (Rehearsal, error) {
	c, err := s.describe(ctx, in)
	if err != nil {
		return Rehearsal{}, err
	}
	return s.rehearse(ctx, c)
}

// RehearseDraft says what launching a draft would come to now, by the rules that it has frozen. It stores
// nothing, and gives the draft as it was seen.
func (s *Service) RehearseDraft(ctx context.Context, id uuid.UUID) (Campaign, Rehearsal, error) {
	c, err := s.draft(ctx, id, "tried out", customer.Match{Any: true})
	if err != nil {
		return Campaign{}, Rehearsal{}, err
	}
	r, err := s.rehearse(ctx, c)
	return c, r, err
}

func (s *Service) rehearse(ctx context.Context, c Campaign) (Rehearsal, error) {
	request, err := c.AudienceRequest(func(uuid.UUID, uuid.UUID) string { return s.tryOut.link })
	if err != nil {
		return Rehearsal{}, err
	}
	r, err := s.tryOut.rehearser.RehearseAudience(ctx, request, RehearsalLimits{Render: rehearsalRender, Whole: rehearsalWhole})
	if err != nil {
		return Rehearsal{}, fmt.Errorf("dry run: %w", err)
	}
	r.SegmentName = c.SegmentName
	r.FanOut = c.FanOut.Resolve(r.Reachable(), s.tryOut.pagedAbove)
	r.Duration, err = s.duration(c, r.ToSend())
	return r, err
}

// duration is from the start of the campaign, or from now, until so many messages were sent.
func (s *Service) duration(c Campaign, messages int) (*time.Duration, error) {
	d := durationAt(messages, c.Rate)
	if d == nil || c.SendWindow == nil {
		return d, nil
	}
	hours, err := c.SendWindow.Hours()
	if err != nil {
		return nil, err
	}
	start := s.now()
	if c.ScheduledAt != nil && c.ScheduledAt.After(start) {
		start = *c.ScheduledAt
	}
	return new(hours.After(start, *d).Sub(start)), nil
}

// durationAt is how long so many messages take at a rate per second, nil without one. A rate that is next
// to nothing gives the longest duration there is.
func durationAt(messages int, perSecond float64) *time.Duration {
	if perSecond == 0 {
		return nil
	}
	seconds := float64(messages) / perSecond
	if seconds >= math.MaxInt64/float64(time.Second) {
		return new(time.Duration(math.MaxInt64))
	}
	return new(time.Duration(seconds * float64(time.Second)))
}
