package campaign

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// Lists are newest first, and those made in one instant by their ids.

// Position is the campaign's place in the list.
func (c Campaign) Position() cursor.Position { return newest(c.CreatedAt, c.ID) }

// Position is the segment's place in the list.
func (s Segment) Position() cursor.Position { return newest(s.CreatedAt, s.ID) }

func newest(at time.Time, id uuid.UUID) cursor.Position {
	return cursor.Position{Key: at.UTC().Format(time.RFC3339Nano), ID: id}
}

// NewestBefore reads a position of a list that is newest first: what follows was made earlier, or in the
// same instant with a greater id. Everything follows the zero position.
func NewestBefore(p cursor.Position) (time.Time, uuid.UUID, error) {
	if p.IsZero() {
		// Nothing was made later than this.
		return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), uuid.Nil, nil
	}
	at, err := time.Parse(time.RFC3339Nano, p.Key)
	if err != nil {
		return time.Time{}, uuid.Nil, errs.Errorf(errs.Invalid, "must be the cursor of the page before, with the same filter and order")
	}
	return at, p.ID, nil
}

// ListAfter gives the campaigns that follow a position, newest first: campaigns that are made meanwhile
// neither repeat nor hide others.
func (s *Service) ListAfter(ctx context.Context, after cursor.Position, limit int) (cursor.Page[Campaign], error) {
	found, err := s.store.CampaignsAfter(ctx, after, limit+1) // one more shows whether anything follows
	return cursor.Cut(found, limit, Campaign.Position), err
}

// ListAfter gives the segments that follow a position, newest first.
func (s *Segments) ListAfter(ctx context.Context, after cursor.Position, limit int) (cursor.Page[Segment], error) {
	found, err := s.store.SegmentsAfter(ctx, after, limit+1) // one more shows whether anything follows
	return cursor.Cut(found, limit, Segment.Position), err
}
