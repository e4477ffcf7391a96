package segment

import (
	"regexp"

	"github.com/shopspring/decimal"
)

const (
	// 12 digits hold every total_spend (numeric(12,2)), every int4 and every number of days.
	numberLimit = "between -999999999999 and 999999999999 with at most 6 decimals, without separators"
	maxExponent = 12
	maxDecimals = 6
)

// numberPattern bounds the digits before anything is computed: 1e999999999 never becomes a decimal.
var numberPattern = regexp.MustCompile(`^-?[0-9]{1,12}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?$`)

// parseNumber reads a number exactly, or reports that it is none or out of range.
func parseNumber(text string) (decimal.Decimal, bool) {
	if !numberPattern.MatchString(text) {
		return decimal.Decimal{}, false
	}
	number, err := decimal.NewFromString(text)
	if err != nil {
		return decimal.Decimal{}, false
	}
	inRange := number.Abs().LessThan(decimal.New(1, maxExponent))
	return number, inRange && number.Equal(number.Truncate(maxDecimals))
}
