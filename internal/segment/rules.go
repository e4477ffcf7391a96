package segment

import (
	"encoding/json"
	"fmt"
)

// Limits of a rule tree. A marketer's tree has a handful of rules; these bound what a caller can
// make us parse, store and hand to the PostgreSQL planner.
const (
	// MaxBytes bounds the JSON text: every other limit at once still fits in it.
	MaxBytes = 1 << 20
	// MaxGroups and MaxGroupRules bound what a page can still show and edit.
	MaxGroups     = 50
	MaxGroupRules = 100
	// MaxRules bounds the SQL: each rule is one predicate, planned in well under a millisecond.
	MaxRules = 500
	// MaxTextChars is the width of the text columns: a longer value can match nothing.
	MaxTextChars = 255
	// MaxIDChars is three times what the reference frontend generates.
	MaxIDChars = 100
)

// Rules is an audience: whoever satisfies at least one of the groups.
type Rules []Group

// Group is satisfied by all of its rules (And) or by at least one (Or).
type Group struct {
	// ID belongs to the client and comes back exactly as it was sent.
	ID       string `json:"id"`
	Operator Join   `json:"operator"`
	Rules    []Rule `json:"rules"`
}

// Join says how the rules of one group combine.
type Join string

// The two ways to join rules.
const (
	And Join = "AND"
	Or  Join = "OR"
)

// Rule compares one field of a customer with one value.
type Rule struct {
	// ID belongs to the client and comes back exactly as it was sent.
	ID       string   `json:"id"`
	Field    string   `json:"field"`
	Operator Operator `json:"operator"`
	Value    Value    `json:"value"`
}

// Operator is how a rule compares.
type Operator string

// The operators; Fields lists which of them each field allows.
const (
	OpGreater      Operator = ">"
	OpGreaterEqual Operator = ">="
	OpLess         Operator = "<"
	OpLessEqual    Operator = "<="
	OpEqual        Operator = "="
	OpNotEqual     Operator = "!="
	OpContains     Operator = "contains"
	OpNotContains  Operator = "not_contains"
	OpStartsWith   Operator = "starts_with"
	OpEndsWith     Operator = "ends_with"
)

// Value is a JSON string or number as the client wrote it: 5000.00 stays 5000.00, "5000" stays
// text. The zero Value is the empty string.
type Value struct {
	// Text is the string, or the number's literal.
	Text string
	// Number reports whether Text is a JSON number literal.
	Number bool
}

// TextValue makes a JSON string value.
func TextValue(text string) Value { return Value{Text: text} }

// NumberValue makes a JSON number value from its literal.
func NumberValue(literal string) Value { return Value{Text: literal, Number: true} }

// MarshalJSON gives the value back as it was written. A Number that is no JSON number is an error.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.Number {
		return json.Marshal(v.Text)
	}
	if _, ok := parseNumber(v.Text); !ok {
		return nil, fmt.Errorf("segment value %q is not a number", v.Text)
	}
	return []byte(v.Text), nil
}

// UnmarshalJSON is Parse, so that rules inside a larger document are read as strictly.
func (r *Rules) UnmarshalJSON(raw []byte) error {
	parsed, err := Parse(raw)
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
