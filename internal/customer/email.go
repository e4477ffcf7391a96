package customer

import (
	"strings"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/errs"
)

// ParseEmail gives an address as it is stored, trimmed and in lower case. One that no mail can reach is
// errs.Invalid with the pointer.
func ParseEmail(pointer, raw string) (string, error) {
	email := strings.ToLower(trim(raw))
	if !validEmail(email) {
		const text = "must be a valid email"
		return "", errs.InvalidFields("email "+text, []errs.Field{{Pointer: pointer, Message: text}})
	}
	return email, nil
}

// email reads a required address: trimmed, lower-cased, and one that mail can reach.
func (o *object) email(field string) string {
	if !o.has(field, true) {
		return ""
	}
	s, ok := o.text(field)
	if !ok {
		o.fault(field, "must be a string")
		return ""
	}
	s = strings.ToLower(trim(s))
	if s == "" {
		o.fault(field, "is not allowed to be empty")
		return ""
	}
	if !validEmail(s) {
		o.fault(field, "must be a valid email")
	}
	if utf8.RuneCountInString(s) > 255 {
		o.fault(field, "length must be less than or equal to 255 characters long")
	}
	return s
}

// validEmail takes the addresses that the reference's validator takes, but for two things. Only ASCII
// is taken: letters that look alike, or that lower-case differently in Go and in PostgreSQL, would
// make two customers of one. And the top-level domain may be any word of letters, for a bundled list
// goes out of date, except the special ones that the list has not either.
func validEmail(s string) bool {
	const maxAddress, maxLocal = 254, 64 // RFC 5321
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > maxAddress || len(local) > maxLocal {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !isAtomText(r) }) {
			return false
		}
	}
	return validDomain(domain)
}

func isAtomText(r rune) bool {
	return isLetterOrDigit(r) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func isLetterOrDigit(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

func validDomain(domain string) bool {
	const maxLabel = 63
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool { return !isLetterOrDigit(r) && r != '-' }) {
			return false
		}
	}
	return validTopLevel(labels[len(labels)-1])
}

// validTopLevel refuses numbers, single letters, and the names that no mail can be sent to (RFC 2606,
// 6761, 6762). example.com and its like stay allowed, as in the reference.
func validTopLevel(label string) bool {
	switch label {
	case "test", "example", "invalid", "localhost", "local", "internal", "onion":
		return false
	}
	if strings.HasPrefix(label, "xn--") {
		return true
	}
	return len(label) >= 2 && !strings.ContainsFunc(label, func(r rune) bool { return r < 'a' || r > 'z' })
}
