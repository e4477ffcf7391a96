package segment

import (
	"strconv"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// Compile gives a PostgreSQL condition on customers_mv under the alias c, with placeholders from
// $<from> on, and their arguments in order. now is the instant that
// days_since_last_order counts to; pass the same one to every page of one audience.
//
// The text is made of constants only: whatever a client wrote is in args. Every placeholder has
// a cast, and args are strings and time.Time, so any driver mode binds them. It refuses invalid
// rules (errs.Invalid), so nothing else can widen an audience.
func Compile(rules Rules, from int, now time.Time) (string, []any, error) {
	if from < 1 {
		return "", nil, errs.Errorf(errs.Internal, "placeholders are numbered from 1")
	}
	if err := rules.Validate(); err != nil {
		return "", nil, err
	}
	c := compiler{from: from, now: now}
	groups := make([]string, len(rules))
	for i, group := range rules {
		groups[i] = c.group(group)
	}
	return "(" + strings.Join(groups, " OR ") + ")", c.args, nil
}

type compiler struct {
	from int
	now  time.Time
	args []any
	// nowAt is the placeholder of now, bound when the first rule needs it.
	nowAt string
}

func (c *compiler) group(group Group) string {
	joiner := " OR "
	if group.Operator == And {
		joiner = " AND "
	}
	rules := make([]string, len(group.Rules))
	for i, rule := range group.Rules {
		rules[i] = c.rule(rule)
	}
	return "(" + strings.Join(rules, joiner) + ")"
}

func (c *compiler) rule(rule Rule) string {
	if fieldType, _ := typeOf(rule.Field); fieldType == TypeNumber {
		return c.number(rule)
	}
	return c.text(rule)
}

func (c *compiler) number(rule Rule) string {
	number, _ := parseNumber(rule.Value.Text) // Validate has read it.
	return c.column(rule.Field) + " " + sqlComparison(rule.Operator) + " " +
		c.bind(number.String(), "::text::numeric")
}

func (c *compiler) text(rule Rule) string {
	column := c.column(rule.Field)
	if rule.Operator == OpEqual || rule.Operator == OpNotEqual {
		return column + " " + sqlComparison(rule.Operator) + " " + c.bind(rule.Value.Text, "::text")
	}
	needle := fold(rule.Value.Text)
	folded, at := c.folded(column, needle), c.bind(needle, "::text")
	switch rule.Operator {
	case OpContains:
		return "strpos(" + folded + ", " + at + ") > 0"
	case OpNotContains:
		return "strpos(" + folded + ", " + at + ") = 0"
	case OpStartsWith:
		return "starts_with(" + folded + ", " + at + ")"
	default: // OpEndsWith; Validate lets in no other.
		return "right(" + folded + ", char_length(" + at + ")) = " + at
	}
}

// folded is fold in SQL, as far as needle can tell. Under the collation "C", lower changes ASCII
// letters only, everywhere.
func (c *compiler) folded(column, needle string) string {
	lower := `lower(` + column + ` COLLATE "C")`
	if isASCII(needle) {
		return lower
	}
	from, to := foldTable(needle)
	return "translate(" + lower + ", " + c.bind(from, "::text") + ", " + c.bind(to, "::text") + ")"
}

// column gives the SQL of a field. It is the only place that names columns.
func (c *compiler) column(field string) string {
	switch field {
	case fieldTotalSpend:
		return "c.total_spend"
	case fieldTotalVisits:
		return "c.total_visits"
	case fieldTotalOrders:
		return "c.total_orders"
	case fieldDays:
		if c.nowAt == "" {
			c.nowAt = c.bind(c.now.UTC().Truncate(time.Microsecond), "::timestamptz")
		}
		return "floor(extract(epoch FROM (" + c.nowAt + " - c.last_order_at)) / 86400)"
	case fieldStatus:
		return "c.status"
	case fieldEmail:
		return "c.email"
	default:
		return "c.name"
	}
}

func (c *compiler) bind(value any, cast string) string {
	c.args = append(c.args, value)
	return "$" + strconv.Itoa(c.from+len(c.args)-1) + cast
}

// sqlComparison maps an operator to a constant, so that no text of a client reaches the SQL.
func sqlComparison(operator Operator) string {
	switch operator {
	case OpGreater:
		return ">"
	case OpGreaterEqual:
		return ">="
	case OpLess:
		return "<"
	case OpLessEqual:
		return "<="
	case OpNotEqual:
		return "<>"
	default:
		return "="
	}
}
