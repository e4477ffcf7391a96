package segment

import (
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Row is what the rules may look at in one customer; nil is NULL.
type Row struct {
	Name, Email, Status      *string
	TotalSpend               *decimal.Decimal
	TotalVisits, TotalOrders *int32
	LastOrderAt              *time.Time
}

// Eval says whether a customer belongs to the audience at the instant now, exactly as the
// compiled SQL does; segmenttest.Agree is the proof. It is for explaining one customer and for
// tests: an audience is always resolved by the database. Invalid rules match nobody.
func Eval(rules Rules, row Row, now time.Time) bool {
	for _, group := range rules {
		if evalGroup(group, row, now) {
			return true
		}
	}
	return false
}

func evalGroup(group Group, row Row, now time.Time) bool {
	if len(group.Rules) == 0 {
		return false
	}
	for _, rule := range group.Rules {
		matched := evalRule(rule, row, now)
		if matched && group.Operator == Or {
			return true
		}
		if !matched && group.Operator != Or {
			return false
		}
	}
	return group.Operator == And
}

func evalRule(rule Rule, row Row, now time.Time) bool {
	fieldType, known := typeOf(rule.Field)
	switch {
	case !known:
		return false
	case fieldType == TypeNumber:
		number, ok := row.number(rule.Field, now)
		limit, valid := parseNumber(rule.Value.Text)
		return ok && valid && compareNumbers(number, rule.Operator, limit)
	default:
		text := row.text(rule.Field)
		return text != nil && compareTexts(*text, rule.Operator, rule.Value)
	}
}

func compareNumbers(number decimal.Decimal, operator Operator, limit decimal.Decimal) bool {
	order := number.Cmp(limit)
	switch operator {
	case OpGreater:
		return order > 0
	case OpGreaterEqual:
		return order >= 0
	case OpLess:
		return order < 0
	case OpLessEqual:
		return order <= 0
	case OpEqual:
		return order == 0
	case OpNotEqual:
		return order != 0
	default:
		return false
	}
}

func compareTexts(text string, operator Operator, value Value) bool {
	if value.Number {
		return false
	}
	if operator == OpEqual {
		return text == value.Text
	}
	if operator == OpNotEqual {
		return text != value.Text
	}
	if value.Text == "" {
		return false // Validate refuses it, because it would match everyone.
	}
	return compareFolded(fold(text), operator, fold(value.Text))
}

func compareFolded(text string, operator Operator, needle string) bool {
	switch operator {
	case OpContains:
		return strings.Contains(text, needle)
	case OpNotContains:
		return !strings.Contains(text, needle)
	case OpStartsWith:
		return strings.HasPrefix(text, needle)
	case OpEndsWith:
		return strings.HasSuffix(text, needle)
	default:
		return false
	}
}

// number gives a numeric field of the row; false means NULL.
func (r Row) number(field string, now time.Time) (decimal.Decimal, bool) {
	switch {
	case field == fieldTotalSpend && r.TotalSpend != nil:
		return *r.TotalSpend, true
	case field == fieldTotalVisits && r.TotalVisits != nil:
		return decimal.NewFromInt32(*r.TotalVisits), true
	case field == fieldTotalOrders && r.TotalOrders != nil:
		return decimal.NewFromInt32(*r.TotalOrders), true
	case field == fieldDays && r.LastOrderAt != nil:
		return decimal.NewFromInt(daysBetween(*r.LastOrderAt, now)), true
	default:
		return decimal.Decimal{}, false
	}
}

func (r Row) text(field string) *string {
	switch field {
	case fieldStatus:
		return r.Status
	case fieldEmail:
		return r.Email
	default:
		return r.Name
	}
}

// daysBetween counts whole days, rounding down also below zero. It counts in microseconds, as
// PostgreSQL stores them; a time.Duration would overflow after 292 years.
func daysBetween(from, to time.Time) int64 {
	const day = int64(24 * time.Hour / time.Microsecond)
	elapsed := to.UnixMicro() - from.UnixMicro()
	days := elapsed / day
	if elapsed%day < 0 {
		days--
	}
	return days
}

// DaysSince gives the whole days from an order to now, as rules count them; nil stays nil.
func DaysSince(order *time.Time, now time.Time) *int {
	if order == nil {
		return nil
	}
	days := int(daysBetween(*order, now))
	return &days
}
