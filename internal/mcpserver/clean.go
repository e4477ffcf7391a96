package mcpserver

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest that an assistant is shown of what somebody has typed, in characters: enough to recognise it,
// and too little for a page of instructions.
const (
	longestName = 120
	longestText = 600
)

// clean makes what somebody has typed fit to show: no control or invisible characters, with which a terminal
// is taken over or a text is made to read differently from what it says, and no more than a length.
func clean(text string, longest int) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "�")
	}
	var out strings.Builder
	n := 0
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t':
			r = ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == '\u2028', r == '\u2029':
			// Cf are the invisible ones: bidirectional overrides, zero widths, tags.
			continue
		}
		if n++; n > longest {
			out.WriteRune('…')
			break
		}
		out.WriteRune(r)
	}
	return out.String()
}

func cleanName(text string) string { return clean(text, longestName) }

// maskEmail leaves what tells two customers apart, and no address: "a…@example.com".
func maskEmail(email string) string {
	local, domain, found := strings.Cut(email, "@")
	if !found {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(local)
	return cleanName(string(first) + "…@" + domain)
}

// maskPhone leaves the last two digits.
func maskPhone(phone string) string {
	const shown = 2
	if len(phone) <= shown {
		return "…"
	}
	return "…" + cleanName(phone[len(phone)-shown:])
}

// eyes is what a caller may see of people.
type eyes struct{ full bool }

// name leaves a letter to those who may not read customers.
func (e eyes) name(name string) string {
	if e.full || name == "" {
		return cleanName(name)
	}
	first, _ := utf8.DecodeRuneInString(name)
	return cleanName(string(first) + "…")
}

func (e eyes) email(email string) string {
	if e.full {
		return cleanName(email)
	}
	return maskEmail(email)
}

func (e eyes) phone(phone *string) string {
	switch {
	case phone == nil:
		return ""
	case e.full:
		return cleanName(*phone)
	}
	return maskPhone(*phone)
}
