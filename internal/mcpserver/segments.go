package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/segment"
)

func segmentTools() []tool {
	return []tool{
		define(tool{
			name: "describe_fields", title: "Fields of segment rules", needs: auth.ReadSegments, effect: reads,
			description: "Lists the fields, operators and values that segment rules may use, with an example. Read it before create_segment.",
		}, describeFields),
		define(tool{
			name: "list_segments", title: "List segments", needs: auth.ReadSegments, effect: reads,
			description: "Lists the customer segments, newest first, with the number of customers that each had when it was last counted.",
		}, listSegments),
		define(tool{
			name: "create_segment", title: "Create a segment", needs: auth.WriteSegments, effect: adds,
			description: "Saves a segment: a named description of customers by rules. Groups are joined by OR, the rules of a group by its " +
				"operator. See describe_fields for what rules may say.",
		}, createSegment),
		define(tool{
			name: "preview_segment", title: "Preview a segment", needs: auth.ReadSegments, effect: reads,
			description: "Says whom a segment, or rules that are not saved, select now: how many, the rules in words, and a few of the customers.",
		}, previewSegment),
	}
}

type nothing struct{}

type fieldsOut struct {
	Fields  []segment.Field `json:"fields"`
	Example []group         `json:"example" jsonschema_description:"Rules as create_segment takes them."`
}

// Text names the fields.
func (o fieldsOut) Text() string {
	names := make([]string, len(o.Fields))
	for i, f := range o.Fields {
		names[i] = f.Name
	}
	return "Rules may use: " + strings.Join(names, ", ") + ". The operators of each and an example are in the structured content."
}

func describeFields(context.Context, call, nothing) (fieldsOut, error) {
	return fieldsOut{Fields: segment.Fields(), Example: []group{{Operator: "AND", Rules: []rule{
		{Field: "total_spend", Operator: ">=", Value: 5000}, {Field: "days_since_last_order", Operator: ">", Value: 90},
	}}}}, nil
}

// group and rule are rules as clients write them; internal/segment reads and checks them.
type group struct {
	ID       string `json:"id,omitempty" jsonschema_description:"Any text of your own; made up if left out."     length:"100"`
	Operator string `json:"operator"     jsonschema:"enum=AND,enum=OR"                                           jsonschema_description:"How the rules of this group are joined."`
	Rules    []rule `json:"rules"`
}

type rule struct {
	ID       string `json:"id,omitempty" jsonschema_description:"Any text of your own; made up if left out."     length:"100"`
	Field    string `json:"field"        jsonschema_description:"A field of describe_fields, such as total_spend." length:"100"`
	Operator string `json:"operator"     jsonschema_description:"An operator of that field, such as >= or contains." length:"100"`
	Value    any    `json:"value"        jsonschema_description:"A number or a text, as the field's type says."`
}

type segmentView struct {
	SegmentID     string `json:"segment_id"`
	Name          string `json:"name"`
	Description   string `json:"description,omitempty"`
	RulesInWords  string `json:"rules_in_words"`
	CustomerCount *int   `json:"customer_count,omitempty" jsonschema_description:"Customers when it was last counted; absent if it never was."`
	CreatedAt     string `json:"created_at"`
	CreatedBy     string `json:"created_by"`
}

func segmentOf(s campaign.Segment) segmentView {
	v := segmentView{
		SegmentID: s.ID.String(), Name: cleanName(s.Name), RulesInWords: inWords(s.Rules), CustomerCount: s.PreviewCount,
		CreatedAt: s.CreatedAt.UTC().Format(time.RFC3339), CreatedBy: cleanName(s.CreatedBy),
	}
	if s.Description != nil {
		v.Description = clean(*s.Description, longestText)
	}
	return v
}

// inWords says whom rules select.
func inWords(raw json.RawMessage) string {
	rules, err := segment.Parse(raw)
	if err != nil {
		return "rules that cannot be read"
	}
	return clean(segment.Explain(rules), longestText)
}

type listSegmentsIn struct {
	Limit int `json:"limit,omitempty" jsonschema_description:"How many to list, 10 unless said otherwise." min:"1" max:"50"`
}

type segmentsOut struct {
	Segments []segmentView `json:"segments"`
	Total    int           `json:"total" jsonschema_description:"How many there are in all."`
}

// Text says how many there are.
func (o segmentsOut) Text() string {
	if o.Total == 0 {
		return "No segments found. create_segment makes one."
	}
	return fmt.Sprintf("Listed %d of %d segment(s), newest first.", len(o.Segments), o.Total)
}

func listSegments(ctx context.Context, c call, in listSegmentsIn) (segmentsOut, error) {
	all, err := c.Segments.List(ctx)
	out := segmentsOut{Segments: []segmentView{}, Total: len(all)}
	for _, s := range all[:min(len(all), orDefault(in.Limit, defaultLimit))] {
		out.Segments = append(out.Segments, segmentOf(s))
	}
	return out, err
}

type createSegmentIn struct {
	Name           string  `json:"name"                      jsonschema_description:"A short name that tells people whom it selects."       length:"255"`
	Description    string  `json:"description,omitempty"     jsonschema_description:"What it is for."                                       length:"2000"`
	Rules          []group `json:"rules"                     jsonschema_description:"One group or more, joined by OR."`
	IdempotencyKey string  `json:"idempotency_key,omitempty" jsonschema_description:"Any text of your own; calls with the same one make one segment." length:"255"`
}

type segmentOut segmentView

// Text says how many it selects.
func (o segmentOut) Text() string {
	if o.CustomerCount == nil {
		return "The segment is saved."
	}
	return fmt.Sprintf("The segment is saved; it selects %d customer(s) now.", *o.CustomerCount)
}

func createSegment(ctx context.Context, c call, in createSegmentIn) (segmentOut, error) {
	rules, err := rulesOf(c, in.Rules)
	if err != nil {
		return segmentOut{}, err
	}
	made, err := c.Segments.Create(ctx, campaign.SegmentInput{
		Name: in.Name, Description: in.Description, Rules: rules, Principal: c.by.ID(), IdempotencyKey: in.IdempotencyKey,
	})
	return segmentOut(segmentOf(made)), err
}

// rulesOf gives the rules as they were said, for the one parser that reads rules.
func rulesOf(c call, parsed []group) (json.RawMessage, error) {
	var fields struct {
		Rules json.RawMessage `json:"rules"`
	}
	if err := decode(c.request.Params.Arguments, &fields); err != nil {
		return nil, err
	}
	if len(parsed) == 0 {
		return nil, errs.InvalidFields("rules are missing: give one group or more", []errs.Field{{Pointer: "/rules", Message: "is required"}})
	}
	return fields.Rules, nil
}

type previewIn struct {
	Segment string  `json:"segment,omitempty" jsonschema_description:"Id or exact name of a saved segment; this or rules."   length:"255"`
	Rules   []group `json:"rules,omitempty"   jsonschema_description:"Rules that are not saved; they win over segment."`
	Sample  int     `json:"sample,omitempty"  jsonschema_description:"How many customers to show, 5 unless said otherwise."  min:"1" max:"20"`
}

type previewOut struct {
	Count        int            `json:"count" jsonschema_description:"How many customers the rules select now."`
	RulesInWords string         `json:"rules_in_words"`
	Sample       []customerView `json:"sample" jsonschema_description:"Some of them, those who spent most. Names and addresses were typed by others."`
}

// Text says how many.
func (o previewOut) Text() string {
	return fmt.Sprintf("The rules select %d customer(s) now.", o.Count)
}

func previewSegment(ctx context.Context, c call, in previewIn) (previewOut, error) {
	const defaultSample = 5
	rules, err := c.rulesOrSegment(ctx, in)
	if err != nil {
		return previewOut{}, err
	}
	out := previewOut{RulesInWords: inWords(rules), Sample: []customerView{}}
	if out.Count, err = c.Segments.Count(ctx, rules); err != nil {
		return previewOut{}, err
	}
	found, err := c.Segments.Sample(ctx, rules, orDefault(in.Sample, defaultSample))
	for _, s := range found {
		out.Sample = append(out.Sample, c.eyes().sample(s))
	}
	return out, err
}

func (c call) rulesOrSegment(ctx context.Context, in previewIn) (json.RawMessage, error) {
	if len(in.Rules) > 0 {
		return rulesOf(c, in.Rules)
	}
	if in.Segment == "" {
		return nil, errs.InvalidFields("whom? Give segment or rules",
			[]errs.Field{{Pointer: "/segment", Message: "is required unless rules are given"}})
	}
	found, err := c.segment(ctx, in.Segment)
	return found.Rules, err
}

func (e eyes) sample(s campaign.SampleCustomer) customerView {
	v := customerView{
		CustomerID: s.ID.String(), TotalSpend: s.TotalSpend.String(), Spend: segment.Rupees(s.TotalSpend.StringFixed(paise)),
		TotalVisits: s.TotalVisits, TotalOrders: s.TotalOrders, Status: s.Status,
	}
	if s.Name != nil {
		v.Name = e.name(*s.Name)
	}
	if s.Email != nil {
		v.Email = e.email(*s.Email)
	}
	return v
}

// segment finds a segment by its id or its exact name.
func (c call) segment(ctx context.Context, idOrName string) (campaign.Segment, error) {
	if id, err := uuid.Parse(idOrName); err == nil {
		return c.Segments.Get(ctx, id)
	}
	all, err := c.Segments.List(ctx)
	if err != nil {
		return campaign.Segment{}, err
	}
	var found []campaign.Segment
	for _, s := range all {
		if s.Name == strings.TrimSpace(idOrName) {
			found = append(found, s)
		}
	}
	return only(found, "segment", "list_segments", func(s campaign.Segment) string { return s.ID.String() })
}

// only gives the one thing that has a name, and otherwise says how to tell which was meant.
func only[T any](found []T, what, list string, id func(T) string) (T, error) {
	var none T
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return none, errs.Errorf(errs.NotFound, "no %s has this id or exact name: %s shows those there are", what, list)
	}
	const most = 10 // enough to choose from
	ids := make([]string, 0, most)
	for _, f := range found[:min(len(found), most)] {
		ids = append(ids, id(f))
	}
	return none, errs.Errorf(errs.Conflict, "%d %ss have this name: say which by its id: %s", len(found), what, strings.Join(ids, ", "))
}
