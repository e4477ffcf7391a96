package customer

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// trim cuts off what cannot be seen at the ends: JavaScript's trim, and zero-width characters, which
// would make a second customer of the same address (faults C3).
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
}

// invisible: zero-width space and directional marks, word joiner, byte order mark. The joiners
// U+200C and U+200D are letters' business inside a name, and nothing at its ends.
func invisible(r rune) bool {
	return r >= 0x200B && r <= 0x200F || r == 0x2060 || r == 0xFEFF || r == 0x180E
}

// unsafe: control characters, among them NUL and line breaks, and characters that turn the direction
// of the text around them.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}

// shortText reads an optional or required field of 1 to most characters.
func (o *object) shortText(field string, required bool, most int) (string, bool) {
	if !o.has(field, required) {
		return "", false
	}
	s, ok := o.text(field)
	if !ok {
		o.fault(field, "must be a string")
		return "", false
	}
	s = trim(s)
	switch {
	case s == "":
		o.fault(field, "is not allowed to be empty")
	case utf8.RuneCountInString(s) > most:
		o.fault(field, "length must be less than or equal to "+strconv.Itoa(most)+" characters long")
	case strings.ContainsFunc(s, unsafe):
		o.fault(field, "must not contain control characters")
	default:
		return s, true
	}
	return "", false
}

// phone reads a telephone number as people write them; what is dialled is the vendor's business.
func (o *object) phone(field string) *string {
	const most, leastDigits = 20, 3
	s, ok := o.shortText(field, false, most)
	if !ok {
		return nil
	}
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune("+-(). /", r):
			o.fault(field, "must be a valid phone number")
			return nil
		}
	}
	if digits < leastDigits {
		o.fault(field, "must be a valid phone number")
		return nil
	}
	return &s
}

// oneOf reads an optional field that takes one of the values.
func (o *object) oneOf(field string, values ...string) *string {
	if !o.has(field, false) {
		return nil
	}
	s, ok := o.text(field)
	for _, v := range values {
		if ok && s == v {
			return &s
		}
	}
	o.fault(field, "must be one of ["+strings.Join(values, ", ")+"]")
	return nil
}
