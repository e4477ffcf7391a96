package message

import (
	"errors"
	"regexp"

	"github.com/shopspring/decimal"
)

var (
	errNotNumber    = errors.New("is given something that is not a number")
	errNotWhole     = errors.New("needs whole numbers")
	errNumberRange  = errors.New("gives a number of more than 12 digits")
	errDivideByZero = errors.New("divides by zero")
)

// quotientDecimals bounds the digits of a division.
const quotientDecimals = 6

// numberFilters compute in exact decimals. What comes out of an amount in rupees is one too, and
// prints as one; plain takes that away and money adds it.
func numberFilters() map[string]filter {
	return map[string]filter{
		"abs":        {0, 0, "abs", unary(decimal.Decimal.Abs)},
		"at_least":   {1, 1, "at_least: 5", binary(atLeast)},
		"at_most":    {1, 1, "at_most: 5", binary(atMost)},
		"ceil":       {0, 0, "ceil", unary(decimal.Decimal.Ceil)},
		"divided_by": {1, 1, "divided_by: 2", divideFilter},
		"floor":      {0, 0, "floor", unary(decimal.Decimal.Floor)},
		"minus":      {1, 1, "minus: 5", binary(infallible(decimal.Decimal.Sub))},
		"modulo":     {1, 1, "modulo: 2", binary(modulo)},
		"money":      {0, 0, "money", moneyFilter},
		"plain":      {0, 0, "plain", plainFilter},
		"plus":       {1, 1, "plus: 5", binary(infallible(decimal.Decimal.Add))},
		"round":      {0, 1, "round: 2", roundFilter},
		"times":      {1, 1, "times: 2", binary(infallible(decimal.Decimal.Mul))},
	}
}

func unary(change func(decimal.Decimal) decimal.Decimal) func(any, []any) (any, error) {
	return func(in any, _ []any) (any, error) {
		number, isMoney, err := numberOf(in)
		if err != nil {
			return nil, err
		}
		return valueOf(change(number), isMoney)
	}
}

type operation func(a, b decimal.Decimal) (decimal.Decimal, error)

func infallible(f func(a, b decimal.Decimal) decimal.Decimal) operation {
	return func(a, b decimal.Decimal) (decimal.Decimal, error) { return f(a, b), nil }
}

func binary(compute operation) func(any, []any) (any, error) {
	return func(in any, args []any) (any, error) {
		number, isMoney, err := numberOf(in)
		if err != nil {
			return nil, err
		}
		operand, _, err := numberOf(args[0])
		if err != nil {
			return nil, err
		}
		result, err := compute(number, operand)
		if err != nil {
			return nil, err
		}
		return valueOf(result, isMoney)
	}
}

func atLeast(a, b decimal.Decimal) (decimal.Decimal, error) { return decimal.Max(a, b), nil }

func atMost(a, b decimal.Decimal) (decimal.Decimal, error) { return decimal.Min(a, b), nil }

func modulo(a, b decimal.Decimal) (decimal.Decimal, error) {
	if b.IsZero() {
		return decimal.Zero, errDivideByZero
	}
	return a.Mod(b), nil
}

// divideFilter rounds down between two whole numbers, as Liquid does.
func divideFilter(in any, args []any) (any, error) {
	_, wholeNumber := in.(int)
	_, wholeDivisor := args[0].(int)
	return binary(func(a, b decimal.Decimal) (decimal.Decimal, error) {
		if b.IsZero() {
			return decimal.Zero, errDivideByZero
		}
		if wholeNumber && wholeDivisor {
			return a.Div(b).Floor(), nil
		}
		return a.DivRound(b, quotientDecimals), nil
	})(in, args)
}

func roundFilter(in any, args []any) (any, error) {
	places, err := wholeOf(args, 0, 0)
	if err != nil {
		return nil, err
	}
	places = min(max(places, 0), quotientDecimals)
	return unary(func(d decimal.Decimal) decimal.Decimal { return d.Round(int32(places)) })(in, nil) //nolint:gosec // bounded a line above
}

func moneyFilter(in any, _ []any) (any, error) {
	number, _, err := numberOf(in)
	if err != nil {
		return nil, err
	}
	return valueOf(number, true)
}

func plainFilter(in any, _ []any) (any, error) {
	number, _, err := numberOf(in)
	if err != nil {
		return nil, err
	}
	return valueOf(number, false)
}

func pluralizeFilter(in any, args []any) (any, error) {
	number, _, err := numberOf(in)
	if err != nil {
		return nil, err
	}
	if number.Equal(decimal.NewFromInt(1)) {
		return args[0], nil
	}
	return args[1], nil
}

// numberPattern bounds the digits before anything is computed.
var numberPattern = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,6})?$`)

// numberOf reads a number exactly and reports whether it is an amount; nil counts as 0.
func numberOf(value any) (decimal.Decimal, bool, error) {
	switch value := value.(type) {
	case nil:
		return decimal.Zero, false, nil
	case int:
		return decimal.NewFromInt(int64(value)), false, nil
	case float64:
		return fromFloat(value), false, nil
	case rupees:
		return fromFloat(float64(value)), true, nil
	case string:
		if numberPattern.MatchString(value) {
			number, err := decimal.NewFromString(value)
			return number, false, err
		}
	}
	return decimal.Zero, false, errNotNumber
}

// valueOf gives a result to Liquid: an amount, an int where it is whole, else a float.
func valueOf(number decimal.Decimal, isMoney bool) (any, error) {
	if number.Abs().GreaterThanOrEqual(decimal.New(1, rupeeDigits)) {
		return nil, errNumberRange
	}
	switch {
	case isMoney:
		return rupees(toFloat(number.Round(rupeeDecimals))), nil
	case number.IsInteger():
		return int(number.IntPart()), nil
	default:
		return toFloat(number.Round(quotientDecimals)), nil
	}
}

// wholeOf reads a whole-number argument, or the standard value where there is none.
func wholeOf(args []any, at, standard int) (int, error) {
	if at >= len(args) {
		return standard, nil
	}
	const limit = 1 << 20 // Far beyond any length, far from overflow.
	whole, ok := args[at].(int)
	if !ok {
		return 0, errNotWhole
	}
	return min(max(whole, -limit), limit), nil
}
