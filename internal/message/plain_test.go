package message

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestPlainTemplatesRenderAsLiquid compares the fast path with the engine on templates and
// customers that differ in every way that the fast path knows.
func TestPlainTemplatesRenderAsLiquid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{
			"{{name}}", "{{ email }}", "{name}", "{{total_spend}}", "{{  total_orders}}", "{total_visits}", "{unsubscribe_url}",
			" ", "\n", "{", "}", "{foo}", "Hi ", "é", "%", "-",
		}), 1, 12).Draw(t, "parts")
		template, err := Parse(strings.Join(parts, "") + "x")
		if err != nil {
			t.Skip("the parts make something else together")
		}
		require.NotNil(t, template.plain)
		r := recipientGenerator().Draw(t, "recipient")
		fast, err := template.Render(r)
		require.NoError(t, err)
		r, err = r.cleaned()
		require.NoError(t, err)
		slow, err := template.renderLiquid(r)
		require.NoError(t, err)
		require.Equal(t, slow, fast)
	})
}

func recipientGenerator() *rapid.Generator[Recipient] {
	texts := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "{{email}}", "A$&B", " ", "a\x00\xff"}))
	return rapid.Custom(func(t *rapid.T) Recipient {
		return Recipient{
			Name:           rapid.Ptr(texts, true).Draw(t, "name"),
			Email:          rapid.Ptr(texts, true).Draw(t, "email"),
			TotalSpend:     rapid.Ptr(amounts(), true).Draw(t, "spend"),
			TotalOrders:    rapid.Ptr(rapid.Int32(), true).Draw(t, "orders"),
			TotalVisits:    rapid.Ptr(rapid.Int32(), true).Draw(t, "visits"),
			UnsubscribeURL: rapid.SampledFrom([]func() string{nil, func() string { return "https://x.in/u/a" }}).Draw(t, "link"),
		}
	})
}

func amounts() *rapid.Generator[decimal.Decimal] {
	return rapid.Custom(func(t *rapid.T) decimal.Decimal {
		const most = 999_999_999_999_999 // 12 digits before the point and 3 after.
		return decimal.New(rapid.Int64Range(-most, most).Draw(t, "thousandths"), -3)
	})
}

func TestRupeesAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := amounts().Draw(t, "amount")
		exact, ok := exactRupees(amount)
		require.True(t, ok)
		require.True(t, exact.Equal(amount))
		require.Equal(t, FormatINR(amount), rupees(toFloat(amount)).String())
		back, isMoney, err := numberOf(rupees(toFloat(amount)))
		require.NoError(t, err)
		require.True(t, isMoney)
		require.True(t, back.Equal(amount))
	})
}
