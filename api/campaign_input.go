package api

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// maxPrincipal is the width of created_by.
const maxPrincipal = 255

// campaignOf makes the reference's checks with the reference's texts, and reads what JSON has no
// types for: ids, times, durations. Whether they make sense is the service's to say.
func campaignOf(said campaignBody) (campaign.CreateInput, error) {
	if blank(said.Name) || blank(said.SegmentID) || blank(said.MessageTemplate) {
		return campaign.CreateInput{}, missing(said)
	}
	segmentID, valid := parseID(*said.SegmentID)
	if !valid {
		return campaign.CreateInput{}, refused("/segment_id", "Invalid segment_id provided")
	}
	var bad faults
	in := campaign.CreateInput{
		Name: *said.Name, SegmentID: segmentID, MessageTemplate: *said.MessageTemplate,
		Type: deref(said.CampaignType), Launch: said.Launch == nil || *said.Launch,
		ScheduledAt:     bad.time("/scheduled_at", said.ScheduledAt),
		SendWindow:      windowOf(said.SendWindow),
		FanOut:          campaign.FanOut(deref(said.FanOut)),
		Rate:            deref(said.Rate),
		MaxAttempts:     bad.count("/max_attempts", said.MaxAttempts),
		SendDeadline:    bad.duration("/send_deadline", said.SendDeadline),
		ReceiptDeadline: bad.duration("/receipt_deadline", said.ReceiptDeadline),
		Principal:       bad.principal("/created_by", said.CreatedBy),
	}
	if len(bad) > 0 {
		return campaign.CreateInput{}, errs.InvalidFields(strings.TrimPrefix(bad[0].Pointer, "/")+" "+bad[0].Message, bad)
	}
	return in, nil
}

// missing is the reference's one text for any of the three, with a pointer to each.
func missing(said campaignBody) *problem {
	const text = "Missing required fields: name, segment_id, message_template"
	p := refused("", text)
	p.Errors = nil
	for _, m := range []struct {
		pointer string
		value   *string
	}{{"/name", said.Name}, {"/segment_id", said.SegmentID}, {"/message_template", said.MessageTemplate}} {
		if blank(m.value) {
			p.Errors = append(p.Errors, fieldOf(errs.Field{Pointer: m.pointer, Message: "is required"}))
		}
	}
	return p
}

// faults gathers what is wrong, so that one answer lists everything.
type faults []errs.Field

func (f *faults) add(pointer, message string) {
	*f = append(*f, errs.Field{Pointer: pointer, Message: message})
}

func (f *faults) time(pointer string, s *string) *time.Time {
	if s == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *s)
	if err != nil {
		f.add(pointer, "must be a time with a zone, as 2025-09-20T10:00:00+05:30")
		return nil
	}
	return &t
}

// duration gives 0, which the service reads as its default, when nothing is said.
func (f *faults) duration(pointer string, s *string) time.Duration {
	if s == nil {
		return 0
	}
	d, err := time.ParseDuration(*s)
	if err != nil || d <= 0 {
		f.add(pointer, "must be a duration greater than 0, as 90m or 1h")
	}
	return d
}

// count gives 0, which the service reads as its default, when nothing is said.
func (f *faults) count(pointer string, n *int) int {
	if n != nil && *n < 1 {
		f.add(pointer, "must be at least 1")
	}
	return deref(n)
}

// principal believes the body while there is no authentication to ask.
func (f *faults) principal(pointer string, s *string) string {
	name := strings.TrimSpace(deref(s))
	switch {
	case name == "":
		return auth.Anonymous().ID()
	case utf8.RuneCountInString(name) > maxPrincipal:
		f.add(pointer, "must be at most 255 characters")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		f.add(pointer, "must not contain control characters")
	}
	return name
}
