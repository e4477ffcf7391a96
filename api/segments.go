package api

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

type segments struct{ service Segments }

// segmentView is a segment as clients see it.
type segmentView struct {
	SegmentID    string   `json:"segment_id" format:"uuid" doc:"The segment's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Name         string   `json:"name" doc:"The segment's name." example:"Big spenders"`
	Description  *string  `json:"description" doc:"What the segment is for." example:"Spent more than 5000"`
	Rules        rules    `json:"rules" doc:"Who belongs to it: whoever satisfies one of the groups."`
	PreviewCount *int     `json:"preview_count" doc:"Customers that matched when it was saved." example:"42"`
	CreatedBy    string   `json:"created_by" doc:"Who made it." example:"anonymous"`
	CreatedAt    instant  `json:"created_at" doc:"When it was made." example:"2025-09-14T12:00:00.000Z"`
	UpdatedAt    *instant `json:"updated_at" nullable:"true" doc:"When it was last changed." example:"2025-09-14T12:00:00.000Z"`
}

// segmentBody is what a client says of a segment. Everything may be absent so that the reference's
// checks, in its order, give its texts.
type segmentBody struct {
	Name        *string `json:"name" required:"true" nullable:"false" maxLength:"255" doc:"The segment's name." example:"Big spenders"`
	Description *string `json:"description,omitempty" nullable:"true" doc:"What the segment is for; blank is none." example:"Spent more than 5000"`
	Rules       rules   `json:"rules" doc:"Who belongs to it: at least one group."`
}

type segmentInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" doc:"Makes a repeated request give the first one's segment." example:"big-spenders-2025"`
	Body           jsonBody[segmentBody]
}

type segmentID struct {
	ID string `path:"segmentId" format:"uuid" doc:"The segment's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
}

type segmentUpdate struct {
	ID string `path:"segmentId" format:"uuid" doc:"The segment's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	// The reference's client sends none, and must go on working.
	IfMatch string `header:"If-Match" doc:"The ETag that was read; without it the segment is replaced whatever it says." example:"\"2\""`
	Body    jsonBody[segmentBody]
}

// segmentOutput is one segment and its version.
type segmentOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match." example:"\"2\""`
	Body answer[segmentView]
}

func (s segments) get(ctx context.Context, in *segmentID) (*segmentOutput, error) {
	id, err := idOf(in.ID, "Segment")
	if err != nil {
		return nil, err
	}
	seg, err := s.service.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return taggedSegment(seg), nil
}

func (s segments) create(ctx context.Context, in *segmentInput) (*segmentOutput, error) {
	said, err := segmentOf(in.Body, principalOf(ctx))
	if err != nil {
		return nil, err
	}
	said.IdempotencyKey = in.IdempotencyKey
	seg, err := s.service.Create(ctx, said)
	if err != nil {
		return nil, underRules(err)
	}
	return taggedSegment(seg), nil
}

func (s segments) update(ctx context.Context, in *segmentUpdate) (*segmentOutput, error) {
	said, err := segmentOf(in.Body, principalOf(ctx))
	if err != nil {
		return nil, err
	}
	id, err := idOf(in.ID, "Segment")
	if err != nil {
		return nil, err
	}
	said.Match, err = optionalMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	seg, err := s.service.Update(ctx, id, said)
	if err != nil {
		return nil, stale(underRules(err))
	}
	return taggedSegment(seg), nil
}

// deletedView says that something is gone.
type deletedView struct {
	Success bool   `json:"success" doc:"Always true." example:"true"`
	Message string `json:"message" doc:"That it is done." example:"Segment deleted successfully"`
}

// remove answers a segment in use with 409, where the reference had 400 (D57).
func (s segments) remove(ctx context.Context, in *segmentID) (*reply[deletedView], error) {
	id, err := idOf(in.ID, "Segment")
	if err != nil {
		return nil, err
	}
	users, err := s.service.Delete(ctx, id)
	if errs.Is(err, errs.Conflict) {
		p := asProblem(err, "")
		p.Campaigns = refsOf(users)
		return nil, p
	}
	if err != nil {
		return nil, err
	}
	return &reply[deletedView]{Body: deletedView{Success: true, Message: "Segment deleted successfully"}}, nil
}

// segmentOf makes the reference's checks with the reference's texts; the service makes the others.
func segmentOf(body jsonBody[segmentBody], principal string) (campaign.SegmentInput, error) {
	said, err := body.decode()
	if err != nil {
		return campaign.SegmentInput{}, err
	}
	name := strings.TrimSpace(deref(said.Name))
	if name == "" {
		return campaign.SegmentInput{}, refused("/name", "Segment name is required")
	}
	if !said.Rules.isList() || said.Rules.isEmpty() {
		return campaign.SegmentInput{}, refused("/rules", "At least one rule group is required")
	}
	return campaign.SegmentInput{
		Name: name, Description: deref(said.Description), Rules: json.RawMessage(said.Rules), Principal: principal,
	}, nil
}

func taggedSegment(s campaign.Segment) *segmentOutput {
	return &segmentOutput{ETag: etagOf(int64(s.Version)), Body: answer[segmentView]{Success: true, Data: viewSegment(s)}}
}

func viewSegment(s campaign.Segment) segmentView {
	return segmentView{
		SegmentID: s.ID.String(), Name: s.Name, Description: s.Description, Rules: rules(s.Rules),
		PreviewCount: s.PreviewCount, CreatedBy: s.CreatedBy, CreatedAt: instant{s.CreatedAt},
		UpdatedAt: &instant{s.UpdatedAt},
	}
}
