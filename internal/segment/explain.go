package segment

import (
	"strconv"
	"strings"
)

// Explain says in words whom the rules select, for people who confirm a campaign:
// "total spend is over ₹5,000 and status is "ACTIVE", or name contains "an"".
func Explain(rules Rules) string {
	if len(rules) == 0 {
		return "nobody"
	}
	groups := make([]string, len(rules))
	for i, group := range rules {
		groups[i] = explainGroup(group)
		if len(rules) > 1 && len(group.Rules) > 1 {
			groups[i] = "(" + groups[i] + ")"
		}
	}
	return strings.Join(groups, " or ")
}

func explainGroup(group Group) string {
	rules := make([]string, len(group.Rules))
	for i, rule := range group.Rules {
		rules[i] = explainRule(rule)
	}
	return strings.Join(rules, " "+strings.ToLower(string(group.Operator))+" ")
}

func explainRule(rule Rule) string {
	subject := strings.ReplaceAll(rule.Field, "_", " ")
	return subject + " " + verb(rule.Operator) + " " + explainValue(rule)
}

func explainValue(rule Rule) string {
	number, ok := parseNumber(rule.Value.Text)
	switch fieldType, _ := typeOf(rule.Field); {
	case fieldType != TypeNumber || !ok:
		return strconv.Quote(rule.Value.Text)
	case rule.Field == fieldTotalSpend:
		return Rupees(number.String())
	default:
		return number.String()
	}
}

// Rupees groups the digits of a plain decimal the Indian way: three, then pairs (₹12,34,567.5).
func Rupees(digits string) string {
	digits, negative := strings.CutPrefix(digits, "-")
	whole, fraction, hasFraction := strings.Cut(digits, ".")
	for at := len(whole) - 3; at > 0; at -= 2 {
		whole = whole[:at] + "," + whole[at:]
	}
	text := "₹" + whole
	if negative {
		text = "-" + text
	}
	if hasFraction {
		text += "." + fraction
	}
	return text
}

func verb(operator Operator) string {
	switch operator {
	case OpGreater:
		return "is over"
	case OpGreaterEqual:
		return "is at least"
	case OpLess:
		return "is under"
	case OpLessEqual:
		return "is at most"
	case OpEqual:
		return "is"
	case OpNotEqual:
		return "is not"
	case OpContains:
		return "contains"
	case OpNotContains:
		return "does not contain"
	case OpStartsWith:
		return "starts with"
	case OpEndsWith:
		return "ends with"
	default:
		return string(operator)
	}
}
