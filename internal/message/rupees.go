package message

import (
	"strings"

	"github.com/shopspring/decimal"
)

// rupees is an amount inside Liquid. The engine compares values by their kind, so a float is what
// makes {% if total_spend > 5000 %} work, and String is what {{ total_spend }} prints.
//
// It is exact although it is a float: exactRupees lets in at most 12 digits before the point and
// 3 after, and a float64 gives back any 15 digits unchanged (TestRupeesAreExact).
type rupees float64

const (
	rupeeDigits   = 12
	rupeeDecimals = 3
)

// String prints the amount as FormatINR does.
func (r rupees) String() string { return FormatINR(fromFloat(float64(r))) }

// toFloat and fromFloat are the only crossings between decimals and the floats that Liquid needs.
func toFloat(number decimal.Decimal) float64 {
	return number.InexactFloat64() //nolint:forbidigo // exact for 15 digits, see rupees
}

func fromFloat(number float64) decimal.Decimal {
	return decimal.NewFromFloat(number) //nolint:forbidigo // the shortest decimal, see rupees
}

// exactRupees rounds to what is printed, or reports that rupees could not hold the amount.
func exactRupees(amount decimal.Decimal) (decimal.Decimal, bool) {
	const finest = -30 // Rounding costs time proportional to the exponent.
	exponent := amount.Exponent()
	if exponent < finest || exponent > rupeeDigits || amount.NumDigits()+int(exponent) > rupeeDigits {
		return decimal.Zero, amount.IsZero()
	}
	rounded := amount.Round(rupeeDecimals)
	return rounded, rounded.Abs().LessThan(decimal.New(1, rupeeDigits))
}

// FormatINR prints an amount as the reference does: ₹, Indian digit groups, and as many as three
// decimals without trailing zeros, rounded half away from zero (₹0, ₹1,234.5, ₹12,34,567.89).
func FormatINR(amount decimal.Decimal) string {
	digits, negative := strings.CutPrefix(amount.Round(rupeeDecimals).String(), "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	for at := len(whole) - 3; at > 0; at -= 2 {
		whole = whole[:at] + "," + whole[at:]
	}
	text := "₹"
	if negative {
		text += "-" // The reference puts ₹ before what toLocaleString gives.
	}
	text += whole
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		text += "." + fraction
	}
	return text
}
