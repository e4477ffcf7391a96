package business

import (
	"context"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// InsertSegment stores a new segment and gives it with its times.
func (s *Store) InsertSegment(ctx context.Context, seg campaign.Segment) (campaign.Segment, error) {
	row, err := s.q.InsertSegment(ctx, businesssql.InsertSegmentParams{
		SegmentID: seg.ID, Name: seg.Name, Description: seg.Description, Rules: seg.Rules,
		PreviewCount: int32Ptr(seg.PreviewCount), CreatedBy: seg.CreatedBy, UpdatedBy: seg.UpdatedBy,
	})
	return segmentOf(row), db.Translate(err)
}

// UpdateSegment replaces a segment and raises its version; errs.NotFound if it is gone, errs.Conflict
// with customer.ErrStale in it if it has another version than the one that is asked for.
func (s *Store) UpdateSegment(ctx context.Context, seg campaign.Segment) (campaign.Segment, error) {
	row, err := s.q.UpdateSegment(ctx, businesssql.UpdateSegmentParams{
		SegmentID: seg.ID, Name: seg.Name, Description: seg.Description, Rules: seg.Rules,
		PreviewCount: int32Ptr(seg.PreviewCount), UpdatedBy: seg.UpdatedBy,
		Version: int32(seg.Version), //nolint:gosec // counts edits from 1
	})
	if err := db.Translate(err); err != nil {
		if errs.Is(err, errs.NotFound) {
			return campaign.Segment{}, s.whyNotUpdated(ctx, seg.ID, err)
		}
		return campaign.Segment{}, err
	}
	return segmentOf(row), nil
}

// whyNotUpdated tells a segment that is gone from one that was changed meanwhile.
func (s *Store) whyNotUpdated(ctx context.Context, id uuid.UUID, cause error) error {
	have, err := s.Segment(ctx, id)
	switch {
	case errs.Is(err, errs.NotFound):
		return errs.Wrap(errs.NotFound, cause, "Segment not found")
	case err != nil:
		return err
	}
	return errs.Errorf(errs.Conflict, "the segment is at version %d: %w", have.Version, customer.ErrStale)
}

// DeleteSegment removes a segment. A campaign that refers to it, also one made a moment ago, gives
// errs.Conflict: the foreign key decides, so there is no race (D57).
func (s *Store) DeleteSegment(ctx context.Context, id uuid.UUID) error {
	n, err := s.q.DeleteSegment(ctx, id)
	if err != nil {
		return db.Translate(err)
	}
	if n == 0 {
		return errs.Errorf(errs.NotFound, "Segment not found")
	}
	return nil
}

// Segment gives one segment.
func (s *Store) Segment(ctx context.Context, id uuid.UUID) (campaign.Segment, error) {
	row, err := s.q.GetSegment(ctx, id)
	return segmentOf(row), db.Translate(err)
}

// Segments gives up to 1,000 segments, newest first.
func (s *Store) Segments(ctx context.Context) ([]campaign.Segment, error) {
	rows, err := s.q.ListSegments(ctx)
	if err != nil {
		return nil, db.Translate(err)
	}
	out := make([]campaign.Segment, len(rows))
	for i, r := range rows {
		out[i] = segmentOf(r)
	}
	return out, nil
}

// SegmentUsers gives up to 100 campaigns and schedules that refer to the segment.
func (s *Store) SegmentUsers(ctx context.Context, id uuid.UUID) ([]campaign.Ref, error) {
	rows, err := s.q.ListSegmentUsers(ctx, id)
	if err != nil {
		return nil, db.Translate(err)
	}
	out := make([]campaign.Ref, len(rows))
	for i, r := range rows {
		out[i] = campaign.Ref{ID: r.ID, Name: r.Name}
	}
	return out, nil
}

func segmentOf(r businesssql.Segment) campaign.Segment {
	return campaign.Segment{
		ID: r.SegmentID, Name: r.Name, Description: r.Description, Rules: r.Rules,
		PreviewCount: intPtr(r.PreviewCount), Version: int(r.Version), CreatedBy: r.CreatedBy,
		UpdatedBy: r.UpdatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func int32Ptr(p *int) *int32 {
	if p == nil {
		return nil
	}
	v := int32(*p) //nolint:gosec // counts of rows, bounded by the int4 columns they came from
	return &v
}

func intPtr(p *int32) *int {
	if p == nil {
		return nil
	}
	v := int(*p)
	return &v
}
