package customer

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// The largest values that the columns hold: numeric(12,2), numeric(10,2), int4 (D45).
var (
	maxSpend  = decimal.New(999_999_999_999, -2)
	maxAmount = decimal.New(9_999_999_999, -2)
	minAmount = decimal.New(1, -2)
	maxVisits = decimal.NewFromInt(math.MaxInt32)
)

// numeral is a number as JSON and JavaScript write it. The exponent is bounded, because a decimal
// with a huge one takes as much memory as it has digits.
var numeral = regexp.MustCompile(`^[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?$`)

// number reads a given field's number, or string that holds one.
func (o *object) number(field string) (decimal.Decimal, bool) {
	s := string(o.values[field])
	if text, ok := o.text(field); ok {
		s = trim(text)
	}
	if !numeral.MatchString(s) {
		o.fault(field, "must be a number")
		return decimal.Decimal{}, false
	}
	d, err := decimal.NewFromString(strings.TrimPrefix(s, "+"))
	if err != nil {
		o.fault(field, "must be a number")
		return decimal.Decimal{}, false
	}
	return d, true
}

// money reads an amount, rounded half away from zero to two decimals before it is compared: 0.005
// passes as 0.01, 0.004 fails as 0.
func (o *object) money(field string, required bool, lowest, highest decimal.Decimal) *decimal.Decimal {
	if !o.has(field, required) {
		return nil
	}
	d, ok := o.number(field)
	if !ok {
		return nil
	}
	const cents = 2
	d = d.Round(cents)
	if !o.within(field, d, lowest, highest) {
		return nil
	}
	return &d
}

func (o *object) within(field string, d, lowest, highest decimal.Decimal) bool {
	switch {
	case d.LessThan(lowest):
		o.fault(field, "must be greater than or equal to "+lowest.String())
		return false
	case d.GreaterThan(highest):
		o.fault(field, "must be less than or equal to "+highest.String())
		return false
	}
	return true
}

// visits reads a count.
func (o *object) visits(field string) *int32 {
	if !o.has(field, false) {
		return nil
	}
	d, ok := o.number(field)
	if !ok {
		return nil
	}
	if !d.IsInteger() {
		o.fault(field, "must be an integer")
		return nil
	}
	if !o.within(field, d, decimal.Zero, maxVisits) {
		return nil
	}
	n := int32(d.IntPart()) //nolint:gosec // within has bounded it
	return &n
}

// epochMillis reads JavaScript's time: milliseconds since 1970, as a number or in a string.
func epochMillis(s string) (int64, bool) {
	const furthest = 8_640_000_000_000_000 // ECMAScript's limit
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= -furthest && n <= furthest
}
