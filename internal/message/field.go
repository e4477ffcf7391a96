package message

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/errs"
)

// Recipient is what a template may say about a customer; nil is NULL.
type Recipient struct {
	Name, Email              *string
	TotalSpend               *decimal.Decimal
	TotalOrders, TotalVisits *int32
	// UnsubscribeURL makes the link; it is called only when the template has it.
	UnsubscribeURL func() string
}

// Field describes one field to people and to programs (console, OpenAPI document, MCP tools).
type Field struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	// Example is what the field prints for a typical customer.
	Example string `json:"example"`
	// Fallback is what it prints when the customer has no value.
	Fallback string `json:"fallback"`
}

// Fields lists the fields that a template may name. The caller owns the result.
func Fields() []Field {
	all := fields()
	out := make([]Field, len(all))
	for i, f := range all {
		out[i] = f.Field
	}
	return out
}

// field is a Field with its three readings. To add one, add it to fields and to Recipient.
type field struct {
	Field
	// given reports whether the customer has a value of its own.
	given func(Recipient) bool
	// value is what Liquid computes with, text what {{ field }} prints; both know the fallback.
	value func(Recipient) any
	text  func(Recipient) string
}

func fields() []field {
	return []field{
		textField(Field{"name", "Name of the customer.", "Asha Rao", "Customer"},
			func(r Recipient) *string { return r.Name }),
		textField(Field{"email", "E-mail address of the customer.", "asha@example.com", ""},
			func(r Recipient) *string { return r.Email }),
		spendField(Field{"total_spend", "Rupees spent in completed orders; a number in conditions.", "₹12,345.5", "₹0"}),
		countField(Field{"total_orders", "Number of completed orders.", "7", "0"},
			func(r Recipient) *int32 { return r.TotalOrders }),
		countField(Field{"total_visits", "Number of visits.", "12", "0"},
			func(r Recipient) *int32 { return r.TotalVisits }),
		linkField(Field{
			"unsubscribe_url", "Link with which the customer unsubscribes; every customer has another.",
			"https://crm.example.com/u/AQGX5bUqkHpkijw6XvLEOhE", "",
		}),
	}
}

func linkField(about Field) field {
	given := func(r Recipient) bool { return r.UnsubscribeURL != nil }
	text := func(r Recipient) string {
		if given(r) {
			return r.UnsubscribeURL()
		}
		return about.Fallback
	}
	return field{Field: about, given: given, text: text, value: func(r Recipient) any { return text(r) }}
}

func textField(about Field, get func(Recipient) *string) field {
	given := func(r Recipient) bool { return get(r) != nil && *get(r) != "" }
	text := func(r Recipient) string {
		if given(r) {
			return *get(r)
		}
		return about.Fallback
	}
	return field{Field: about, given: given, text: text, value: func(r Recipient) any { return text(r) }}
}

func countField(about Field, get func(Recipient) *int32) field {
	count := func(r Recipient) int {
		if number := get(r); number != nil {
			return int(*number)
		}
		return 0
	}
	return field{
		Field: about,
		given: func(r Recipient) bool { return get(r) != nil },
		value: func(r Recipient) any { return count(r) },
		text:  func(r Recipient) string { return strconv.Itoa(count(r)) },
	}
}

func spendField(about Field) field {
	spend := func(r Recipient) decimal.Decimal {
		if r.TotalSpend == nil {
			return decimal.Zero
		}
		return *r.TotalSpend
	}
	return field{
		Field: about,
		given: func(r Recipient) bool { return r.TotalSpend != nil },
		value: func(r Recipient) any { return rupees(toFloat(spend(r))) },
		text:  func(r Recipient) string { return FormatINR(spend(r)) },
	}
}

// cleaned makes the data fit to be stored: NUL goes, broken UTF-8 becomes U+FFFD, and an amount
// that rupees could not hold exactly is refused.
func (r Recipient) cleaned() (Recipient, error) {
	r.Name, r.Email = cleanText(r.Name), cleanText(r.Email)
	if r.TotalSpend != nil {
		spend, ok := exactRupees(*r.TotalSpend)
		if !ok {
			return Recipient{}, errs.Errorf(errs.Invalid, "total_spend is outside numeric(12,2)")
		}
		r.TotalSpend = &spend
	}
	return r, nil
}

func cleanText(text *string) *string {
	if text == nil || (utf8.ValidString(*text) && !strings.Contains(*text, "\x00")) {
		return text
	}
	clean := strings.ReplaceAll(strings.ToValidUTF8(*text, "\uFFFD"), "\x00", "")
	return &clean
}

func fieldNames() string {
	all := fields()
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.Name
	}
	return strings.Join(names, ", ")
}
