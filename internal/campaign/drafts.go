package campaign

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// copySuffix tells a copy from what it was made of.
const copySuffix = " (copy)"

// EditDraft changes a draft that still is what the caller has seen of it. change says what the campaign is
// to be, given what it is. The segment's rules are frozen anew, as they are now.
func (s *Service) EditDraft(
	ctx context.Context, id uuid.UUID, m customer.Match, change func(Campaign) (CreateInput, error),
) (Campaign, error) {
	have, err := s.draft(ctx, id, "edited", m)
	if err != nil {
		return Campaign{}, err
	}
	in, err := change(have)
	if err != nil {
		return Campaign{}, err
	}
	in.Launch = false
	edited, err := s.build(ctx, in)
	if err != nil {
		return Campaign{}, err
	}
	// The version that change has seen, also under *: an edit that came between would be lost.
	edited.ID, edited.Version, edited.CreatedBy = have.ID, have.Version, have.CreatedBy
	return s.store.UpdateDraft(ctx, edited)
}

// Duplicate makes a draft that says what the campaign says, with the segment's rules as they are now. It
// starts when somebody launches it: the time of the original is left out.
func (s *Service) Duplicate(ctx context.Context, id uuid.UUID, principal string) (Campaign, error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return Campaign{}, err
	}
	return s.Create(ctx, CreateInput{
		Name: copyName(c.Name), SegmentID: c.SegmentID, MessageTemplate: c.MessageTemplate, Type: string(c.Type),
		FanOut: c.asked(), Rate: c.Rate, MaxAttempts: c.MaxAttempts, SendDeadline: c.SendDeadline,
		ReceiptDeadline: c.ReceiptDeadline, SendWindow: c.SendWindow, Principal: principal,
	})
}

// DeleteDraft removes a draft. What was launched stays, with its books.
func (s *Service) DeleteDraft(ctx context.Context, id uuid.UUID) error {
	if _, err := s.draft(ctx, id, "deleted", customer.Match{Any: true}); err != nil {
		return err
	}
	return s.store.DeleteDraft(ctx, id)
}

// draft gives a draft of a version that matches. The store decides again: this is for the better answer.
func (s *Service) draft(ctx context.Context, id uuid.UUID, verb string, m customer.Match) (Campaign, error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return Campaign{}, err
	}
	if c.Status != Draft {
		return Campaign{}, errs.Errorf(errs.Conflict, "the campaign is %s; only a DRAFT can be %s", c.Status, verb)
	}
	return c, checkVersion("campaign", m, c.Version)
}

// asked is the fan-out to ask for in a copy. What a launch chose by the size of its audience says nothing
// of the next one, and cannot be told from what was asked for: the choice is left open.
func (c Campaign) asked() FanOut {
	if c.Status == Draft {
		return c.FanOut
	}
	return Auto
}

func copyName(name string) string {
	runes := []rune(name)
	if room := maxName - len(copySuffix); len(runes) > room {
		runes = runes[:room]
	}
	return strings.TrimSpace(string(runes)) + copySuffix
}

// checkVersion gives errs.Conflict with customer.ErrStale in it unless the version is one that is meant.
func checkVersion(what string, m customer.Match, version int) error {
	if m.Any || slices.Contains(m.Versions, int64(version)) {
		return nil
	}
	return errs.Errorf(errs.Conflict, "the %s is at version %d: %w", what, version, customer.ErrStale)
}
