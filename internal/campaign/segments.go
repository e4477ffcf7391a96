package campaign

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/segment"
)

// maxName is the width of every name column, in characters.
const maxName = 255

// maxSample caps a preview's rows, as the reference does.
const maxSample = 100

// SegmentInput is what a client says of a segment.
type SegmentInput struct {
	Name        string
	Description string
	Rules       json.RawMessage
	Principal   string
	// IdempotencyKey, when set, makes a repeated request give the first one's segment.
	IdempotencyKey string
	// Match, when set, says which versions an update is meant for.
	Match *customer.Match
}

// Segments is the service for segments and previews; every door goes through it.
type Segments struct {
	store    SegmentStore
	audience AudienceReader
}

// NewSegments makes the service.
func NewSegments(store SegmentStore, audience AudienceReader) *Segments {
	return &Segments{store: store, audience: audience}
}

// Create validates and stores a segment, with the present size of its audience.
func (s *Segments) Create(ctx context.Context, in SegmentInput) (Segment, error) {
	seg, err := s.build(ctx, in)
	if err != nil {
		return Segment{}, err
	}
	seg.ID, seg.CreatedBy = segmentID(in), in.Principal
	made, err := s.store.InsertSegment(ctx, seg)
	if in.IdempotencyKey != "" && errs.Is(err, errs.Conflict) {
		return s.Get(ctx, seg.ID) // an earlier execution made it and could not say so
	}
	return made, err
}

// segmentID is derived from the key and all that was asked for under it, so that a request that is repeated
// because a process died finds what it made. Without a key every request makes a segment.
func segmentID(in SegmentInput) uuid.UUID {
	if in.IdempotencyKey == "" {
		return uuid.Must(uuid.NewV7())
	}
	parts := []string{"segment", in.Principal, in.IdempotencyKey, in.Name, in.Description, string(in.Rules)}
	return uuid.NewSHA1(communicationSpace, []byte(strings.Join(parts, "\x00")))
}

// Update replaces a segment. Campaigns that were made from it keep the rules they froze (D16).
func (s *Segments) Update(ctx context.Context, id uuid.UUID, in SegmentInput) (Segment, error) {
	seg, err := s.build(ctx, in)
	if err != nil {
		return Segment{}, err
	}
	seg.ID = id
	if in.Match != nil {
		have, err := s.Get(ctx, id)
		if err != nil {
			return Segment{}, err
		}
		if err := checkVersion("segment", *in.Match, have.Version); err != nil {
			return Segment{}, err
		}
		seg.Version = have.Version
	}
	return s.store.UpdateSegment(ctx, seg)
}

// Delete removes a segment that no campaign refers to. The campaigns that do are given beside the
// errs.Conflict.
func (s *Segments) Delete(ctx context.Context, id uuid.UUID) ([]Ref, error) {
	if _, err := s.Get(ctx, id); err != nil {
		return nil, err
	}
	users, err := s.store.SegmentUsers(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(users) > 0 {
		return users, errs.Errorf(errs.Conflict, "Cannot delete segment. It is being used by %d campaign(s)", len(users))
	}
	return nil, s.store.DeleteSegment(ctx, id)
}

// Get gives one segment.
func (s *Segments) Get(ctx context.Context, id uuid.UUID) (Segment, error) {
	seg, err := s.store.Segment(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return Segment{}, errs.Wrap(errs.NotFound, err, "Segment not found")
	}
	return seg, err
}

// List gives every segment, newest first.
func (s *Segments) List(ctx context.Context) ([]Segment, error) { return s.store.Segments(ctx) }

// Count gives how many customers the rules match now.
func (s *Segments) Count(ctx context.Context, raw json.RawMessage) (int, error) {
	rules, err := segment.Parse(raw)
	if err != nil {
		return 0, err
	}
	return s.audience.CountAudience(ctx, rules)
}

// Sample gives up to limit customers whom the rules match now, the highest spenders first.
func (s *Segments) Sample(ctx context.Context, raw json.RawMessage, limit int) ([]SampleCustomer, error) {
	rules, err := segment.Parse(raw)
	if err != nil {
		return nil, err
	}
	return s.audience.SampleAudience(ctx, rules, min(max(limit, 1), maxSample))
}

func (s *Segments) build(ctx context.Context, in SegmentInput) (Segment, error) {
	name, err := cleanName("Segment name", "/name", in.Name)
	if err != nil {
		return Segment{}, err
	}
	rules, err := segment.Parse(in.Rules)
	if err != nil {
		return Segment{}, fmt.Errorf("segment rules: %w", err)
	}
	canonical, err := json.Marshal(rules)
	if err != nil {
		return Segment{}, fmt.Errorf("encode rules: %w", err)
	}
	count, err := s.audience.CountAudience(ctx, rules)
	if err != nil {
		return Segment{}, fmt.Errorf("count audience: %w", err)
	}
	seg := Segment{Name: name, Rules: canonical, PreviewCount: &count, UpdatedBy: in.Principal}
	if d := strings.TrimSpace(in.Description); d != "" {
		seg.Description = &d
	}
	return seg, nil
}

// cleanName trims a name and refuses one that is blank, too long or not text.
func cleanName(what, pointer, raw string) (string, error) {
	name := strings.TrimSpace(raw)
	refuse := func(text string) error {
		return errs.InvalidFields(what+" "+text, []errs.Field{{Pointer: pointer, Message: text}})
	}
	switch {
	case name == "":
		return "", refuse("is required")
	case utf8.RuneCountInString(name) > maxName:
		return "", refuse(fmt.Sprintf("must be at most %d characters", maxName))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, isControl):
		return "", refuse("must not contain control characters")
	}
	return name, nil
}

// isControl tells the characters that could forge a header, a log line or a terminal sequence.
func isControl(r rune) bool { return r < ' ' || r == 0x7f }
