// Package segmenttest holds what proves that the two readings of a rule tree agree: random rules,
// random customers, and the comparison itself. It touches no database: whoever has one passes a
// function to Agree.
package segmenttest

import (
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/segment"
)

// Now is the instant at which Agree resolves audiences. It has a fraction of a microsecond, which
// PostgreSQL drops.
func Now() time.Time { return time.Date(2026, time.November, 22, 9, 30, 0, 123_456_789, time.UTC) }

// NastyTexts are texts that have broken searches before: wildcards, quotes, escapes, letters whose
// case depends on the locale, combining marks, emoji, and SQL. All fit a varchar(255).
func NastyTexts() []string {
	return []string{
		"", " ", "%", "_", `\`, `\%`, "100%", "a_b", "aXb", "'", `"`, "''", "$1", "{{name}}", "NULL",
		"x' OR '1'='1", "); DROP TABLE customers_mv; --", "/* */",
		"Asha Rao", "ASHA RAO", "asha rao", "Élodie", "ÉLODIE", "élodie", "E\u0301lodie",
		"Łukasz", "ŁUKASZ", "Ünal", "Иван", "ИВАН", "Σοφός", "ΣΟΦΟΣ", "straße", "STRASSE", "STRAẞE",
		"İstanbul", "ISTANBUL", "ıstanbul", "K", "K", "ſ", "Ǆ", "ǆ", "Nguyễn", "NGUYỄN",
		"आशा", "李雷", "😀", "👩‍👩‍👧", "\u200d", "a\nb", "a\tb", "tab\\t", strings.Repeat("é", 255),
		"asha@example.com", "ACTIVE", "INACTIVE", "PENDING", "active", "5000",
	}
}

// Rows generates customers with every field sometimes NULL.
func Rows() *rapid.Generator[segment.Row] {
	return rapid.Custom(func(t *rapid.T) segment.Row {
		return segment.Row{
			Name:        rapid.Ptr(text(), true).Draw(t, "name"),
			Email:       rapid.Ptr(text(), true).Draw(t, "email"),
			Status:      rapid.Ptr(rapid.SampledFrom(rowStatuses()), true).Draw(t, "status"),
			TotalSpend:  rapid.Ptr(money(), true).Draw(t, "total_spend"),
			TotalVisits: rapid.Ptr(count(), true).Draw(t, "total_visits"),
			TotalOrders: rapid.Ptr(count(), true).Draw(t, "total_orders"),
			LastOrderAt: rapid.Ptr(instant(), true).Draw(t, "last_order_at"),
		}
	})
}

func rowStatuses() []string { return []string{"ACTIVE", "INACTIVE", "PENDING", "active", "", "GONE"} }

// Rules generates valid rule trees that find some of the customers of Rows and not others.
func Rules() *rapid.Generator[segment.Rules] {
	return rapid.Custom(func(t *rapid.T) segment.Rules {
		rules := segment.Rules(rapid.SliceOfN(group(), 1, 4).Draw(t, "groups"))
		for i := range rules {
			rules[i].ID = "group_" + strconv.Itoa(i)
			for j := range rules[i].Rules {
				rules[i].Rules[j].ID = "rule_" + strconv.Itoa(i) + "_" + strconv.Itoa(j)
			}
		}
		return rules
	})
}

func group() *rapid.Generator[segment.Group] {
	return rapid.Custom(func(t *rapid.T) segment.Group {
		return segment.Group{
			Operator: rapid.SampledFrom([]segment.Join{segment.And, segment.Or}).Draw(t, "join"),
			Rules:    rapid.SliceOfN(rule(), 1, 4).Draw(t, "rules"),
		}
	})
}

func rule() *rapid.Generator[segment.Rule] {
	return rapid.Custom(func(t *rapid.T) segment.Rule {
		field := rapid.SampledFrom(segment.Fields()).Draw(t, "field")
		operator := rapid.SampledFrom(field.Operators).Draw(t, "operator")
		return segment.Rule{
			Field: field.Name, Operator: operator, Value: value(field, operator).Draw(t, "value"),
		}
	})
}

func value(field segment.Field, operator segment.Operator) *rapid.Generator[segment.Value] {
	exact := operator == segment.OpEqual || operator == segment.OpNotEqual
	switch {
	case field.Type == segment.TypeNumber:
		return number()
	case exact && len(field.Values) > 0:
		return rapid.Map(rapid.SampledFrom(field.Values), segment.TextValue)
	case exact:
		return rapid.Map(text(), segment.TextValue)
	default:
		return rapid.Map(needle(), segment.TextValue)
	}
}

// number writes the same number as a JSON number and as a string, with and without decimals.
func number() *rapid.Generator[segment.Value] {
	literals := rapid.OneOf(
		rapid.Map(rapid.IntRange(-3, 40), strconv.Itoa),
		rapid.Map(money(), func(d decimal.Decimal) string { return d.StringFixed(2) }),
		rapid.SampledFrom([]string{
			"0", "-0", "2.5", "0.000001", "1e2", "999999999999", "-999999999999.5", "2147483648",
		}),
	)
	return rapid.Custom(func(t *rapid.T) segment.Value {
		return segment.Value{Text: literals.Draw(t, "literal"), Number: rapid.Bool().Draw(t, "number")}
	})
}

func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom(NastyTexts()),
		rapid.StringOfN(rapid.RuneFrom([]rune("aAbB%_\\'éÉßΣσ😀 ")), 0, 6, -1),
	)
}

// needle gives a text that is not empty: a few characters out of the middle of another one.
func needle() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		runes := []rune(text().Draw(t, "text"))
		if len(runes) == 0 {
			return "a"
		}
		from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(runes)).Draw(t, "to")
		return string(runes[from:to])
	})
}

func money() *rapid.Generator[decimal.Decimal] {
	return rapid.Map(rapid.OneOf(
		rapid.Int64Range(-200, 4000),
		rapid.SampledFrom([]int64{0, 500_000, 500_001, 999_999_999_999, -1}),
	), func(paise int64) decimal.Decimal { return decimal.New(paise, -2) })
}

func count() *rapid.Generator[int32] {
	return rapid.OneOf(rapid.Int32Range(0, 12), rapid.SampledFrom([]int32{2147483647, -1}))
}

// instant gives moments near whole days before Now, to the microsecond, and far ones.
func instant() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		now := Now().Truncate(time.Microsecond)
		nudge := rapid.SampledFrom([]time.Duration{
			-time.Hour, -time.Microsecond, 0, time.Microsecond, time.Hour,
		}).Draw(t, "nudge")
		days := rapid.OneOf(rapid.IntRange(-3, 40), rapid.SampledFrom([]int{365_000, -365_000})).Draw(t, "days")
		return now.AddDate(0, 0, -days).Add(nudge)
	})
}
