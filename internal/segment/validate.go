package segment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/errs"
)

// Validate checks rules that were built in Go; Parse has already done it. The error is
// errs.Invalid with a JSON pointer for every fault.
func (r Rules) Validate() error {
	v := validator{groupIDs: map[string]bool{}, ruleIDs: map[string]bool{}}
	v.tree(r)
	return v.err()
}

type validator struct {
	faults
	groupIDs, ruleIDs map[string]bool
}

func (v *validator) tree(rules Rules) {
	switch {
	case len(rules) == 0:
		v.add("", "must have at least one group; an empty list is never read as everyone")
	case len(rules) > MaxGroups:
		v.add("", "must have at most %d groups", MaxGroups)
	case rules.count() > MaxRules:
		v.add("", "must have at most %d rules in all", MaxRules)
	default:
		for i, group := range rules {
			v.group("/"+strconv.Itoa(i), group)
		}
	}
}

func (r Rules) count() int {
	total := 0
	for _, group := range r {
		total += len(group.Rules)
	}
	return total
}

func (v *validator) group(at string, group Group) {
	v.id(at, group.ID, v.groupIDs)
	if group.Operator != And && group.Operator != Or {
		v.add(at+"/operator", "must be AND or OR")
	}
	switch {
	case len(group.Rules) == 0:
		v.add(at+"/rules", "must have at least one rule; an empty group is never read as everyone")
	case len(group.Rules) > MaxGroupRules:
		v.add(at+"/rules", "must have at most %d rules", MaxGroupRules)
	default:
		for i, rule := range group.Rules {
			v.rule(at+"/rules/"+strconv.Itoa(i), rule)
		}
	}
}

func (v *validator) rule(at string, rule Rule) {
	v.id(at, rule.ID, v.ruleIDs)
	fieldType, known := typeOf(rule.Field)
	if !known {
		v.add(at+"/field", "must be one of %s", strings.Join(fieldNames(), ", "))
		return
	}
	if allowed := operatorsOf(fieldType); !slices.Contains(allowed, rule.Operator) {
		v.add(at+"/operator", "must be one of %s for %s, which is a %s",
			joinOperators(allowed), rule.Field, fieldType)
		return
	}
	if fieldType == TypeNumber {
		v.number(at+"/value", rule)
		return
	}
	v.text(at+"/value", rule)
}

func (v *validator) number(at string, rule Rule) {
	if _, ok := parseNumber(rule.Value.Text); !ok {
		v.add(at, "must be a number for %s, %s", rule.Field, numberLimit)
	}
}

func (v *validator) text(at string, rule Rule) {
	exact := rule.Operator == OpEqual || rule.Operator == OpNotEqual
	value := rule.Value
	switch {
	case value.Number:
		v.add(at, "must be a string for %s", rule.Field)
	case utf8.RuneCountInString(value.Text) > MaxTextChars:
		v.add(at, "must have at most %d characters", MaxTextChars)
	case !storable(value.Text):
		v.add(at, "must be valid UTF-8 without NUL characters")
	case value.Text == "" && !exact:
		v.add(at, "must not be empty for %s: every text contains the empty text", rule.Operator)
	case rule.Field == fieldStatus && exact && !slices.Contains(statuses(), value.Text):
		v.add(at, "must be one of %s", strings.Join(statuses(), ", "))
	}
}

// id checks an identifier that the client chose. Two alike would make the frontend edit both.
func (v *validator) id(at, id string, seen map[string]bool) {
	at += "/id"
	switch {
	case utf8.RuneCountInString(id) > MaxIDChars:
		v.add(at, "must have at most %d characters", MaxIDChars)
	case !storable(id):
		v.add(at, "must be valid UTF-8 without NUL characters")
	case id != "" && seen[id]:
		v.add(at, "must be unique")
	}
	seen[id] = true
}

// storable reports whether PostgreSQL can hold the text.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func fieldNames() []string {
	fields := Fields()
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field.Name
	}
	return names
}

func joinOperators(operators []Operator) string {
	texts := make([]string, len(operators))
	for i, operator := range operators {
		texts[i] = string(operator)
	}
	return strings.Join(texts, ", ")
}

// maxFaults is how many faults one answer lists; nobody mends more at a time.
const maxFaults = 20

type faults struct{ fields []errs.Field }

func (f *faults) add(pointer, format string, args ...any) {
	if !f.full() {
		f.fields = append(f.fields, errs.Field{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
}

func (f *faults) full() bool { return len(f.fields) >= maxFaults }

// err names the first fault in its text too, because some clients show nothing else.
func (f *faults) err() error {
	if len(f.fields) == 0 {
		return nil
	}
	first := f.fields[0]
	where := first.Pointer
	if where == "" {
		where = "the list of groups"
	}
	return errs.InvalidFields("segment rules are not valid: "+where+" "+first.Message, f.fields)
}
