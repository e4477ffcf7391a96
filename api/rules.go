package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/xencrm/xencrm/internal/errs"
)

// rules are segment rules as JSON, which the segment package alone reads. The ids in them belong to
// the client and come back as they were sent.
type rules json.RawMessage

// ruleGroup and rule only document rules.
type ruleGroup struct {
	ID       string `json:"id,omitempty" maxLength:"100" doc:"The client's own id; it comes back unchanged." example:"group_1"`
	Operator string `json:"operator" enum:"AND,OR" doc:"How the rules of the group are joined." example:"AND"`
	Rules    []rule `json:"rules" nullable:"false" minItems:"1" maxItems:"100" doc:"The rules of the group."`
}

type rule struct {
	ID       string    `json:"id,omitempty" maxLength:"100" doc:"The client's own id; it comes back unchanged." example:"rule_1"`
	Field    string    `json:"field" enum:"total_spend,total_visits,total_orders,days_since_last_order,status,name,email" doc:"What is compared." example:"total_spend"`
	Operator string    `json:"operator" enum:">,>=,<,<=,=,!=,contains,not_contains,starts_with,ends_with" doc:"How: numbers take the comparisons, texts = and != and the last four." example:">"`
	Value    ruleValue `json:"value" doc:"With what: a number for number fields, a text for the others." example:"5000"`
}

// ruleValue only documents that a value is a text or a number.
type ruleValue struct{}

// Schema documents the value.
func (ruleValue) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}}}
}

// Schema documents the rules.
func (rules) Schema(r huma.Registry) *huma.Schema {
	one, most := 1, 50
	return &huma.Schema{
		Type: huma.TypeArray, Items: r.Schema(reflect.TypeFor[ruleGroup](), true, ""), MinItems: &one, MaxItems: &most,
	}
}

// MarshalJSON writes the stored text. Clients iterate over rules, so nothing is an empty list.
func (r rules) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("[]"), nil
	}
	return r, nil
}

// UnmarshalJSON keeps the text.
func (r *rules) UnmarshalJSON(raw []byte) error {
	*r = bytes.Clone(raw)
	return nil
}

// isList reports whether the rules are an array, the only thing that the reference checks first.
func (r rules) isList() bool { return bytes.HasPrefix(r, []byte("[")) }

// isEmpty reports whether a list holds nothing.
func (r rules) isEmpty() bool {
	return r.isList() && bytes.HasPrefix(bytes.TrimLeft(r[1:], " \t\r\n"), []byte("]"))
}

// underRules puts the pointers that the segment package gave, which are empty or start with a
// group's number, under the member that held the rules.
func underRules(err error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Code != errs.Invalid {
		return err
	}
	moved := *e
	moved.Fields = make([]errs.Field, len(e.Fields))
	for i, f := range e.Fields {
		if isRulePointer(f.Pointer) {
			f.Pointer = "/rules" + f.Pointer
		}
		moved.Fields[i] = f
	}
	return &moved
}

func isRulePointer(p string) bool {
	return p == "" || len(p) > 1 && p[1] >= '0' && p[1] <= '9'
}

// badRules gives the reference's text for rules that a preview cannot run.
func badRules(err error) error {
	if !errs.Is(err, errs.Invalid) {
		return err
	}
	p := asProblem(err, "")
	reason := p.Detail
	if len(p.Errors) > 0 {
		reason = strings.TrimSpace(p.Errors[0].Pointer + " " + p.Errors[0].Message)
	}
	bad := newProblem(http.StatusBadRequest, typeValidation, "Invalid rule configuration: "+reason)
	bad.Errors = p.Errors
	return bad
}
