package vendor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xencrm/xencrm/internal/errs"
)

// Unknown says what to do with members that are not known.
type Unknown bool

// What to do with unknown members.
const (
	// RefuseUnknown is for what we define.
	RefuseUnknown Unknown = false
	// KeepUnknown is for what a vendor defines: it may add members without asking us.
	KeepUnknown Unknown = true
)

// DecodeStrict decodes one flat JSON object with the given member names into v. Go's decoder takes
// duplicate members (the last wins) and case variants (`Status` for `status`), and both have been
// used to slip one value past a check and another into a store; here they are errs.Invalid, as are
// trailing data and anything but an object.
func DecodeStrict(data []byte, v any, unknown Unknown, names ...string) error {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errs.Errorf(errs.Invalid, "body is not a JSON object")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return errs.Errorf(errs.Invalid, "%s", unmarshalText(err))
	}
	seen := make([]string, 0, len(names))
	for _, key := range memberNames(data) {
		if slices.Contains(seen, key) {
			return errs.Errorf(errs.Invalid, "member %q is there twice", key)
		}
		seen = append(seen, key)
		if slices.Contains(names, key) {
			continue
		}
		for _, name := range names {
			if strings.EqualFold(name, key) {
				return errs.Errorf(errs.Invalid, "member %q must be spelled %q", key, name)
			}
		}
		if unknown == RefuseUnknown {
			return errs.Errorf(errs.Invalid, "member %q is not known", key)
		}
		if len(seen) > maxMembers {
			return errs.Errorf(errs.Invalid, "more than %d members", maxMembers)
		}
	}
	return nil
}

// maxMembers bounds the search for duplicates, which is quadratic; the widest object here has ten.
const maxMembers = 64

// unmarshalText says what is wrong without repeating the value, which may be personal.
func unmarshalText(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("member %q must not be a JSON %s", e.Field, strings.Fields(e.Value)[0])
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("body is not JSON (at byte %d)", e.Offset)
	}
	return "body is not what was expected"
}

// memberNames gives the member names of the outermost object of data, which must be valid JSON.
// Scanning by hand costs a tenth of what json.Decoder's tokens do on this hot path.
func memberNames(data []byte) []string {
	var names []string
	depth, expectName := 0, false
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			depth++
			expectName = depth == 1
		case '}', ']':
			depth--
		case ',':
			expectName = depth == 1
		case '"':
			end := stringEnd(data, i)
			if expectName {
				names = append(names, unquote(data[i:end+1]))
				expectName = false
			}
			i = end
		}
	}
	return names
}

// stringEnd gives the index of the quote that closes the string opened at data[start].
func stringEnd(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(data) - 1
}

func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return string(quoted) // Not reached: the caller's JSON is valid.
	}
	return s
}
