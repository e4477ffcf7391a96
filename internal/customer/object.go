package customer

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/errs"
)

// Strictness says what to do with members that are not known.
type Strictness int

const (
	// Strict is for clients: an unknown member is most likely a misspelt one (the reference dropped it
	// silently, which lost the value).
	Strict Strictness = iota
	// Lenient is for messages: a newer publisher may say more, and null stands for absent.
	Lenient
)

const (
	// maxRaw bounds what is parsed.
	maxRaw = 1 << 20
	// maxMembers bounds what one answer can list; the widest object here has seven.
	maxMembers = 64
)

// object is a flat JSON object, its faults collected in the order in which the fields are read.
type object struct {
	values map[string]json.RawMessage
	// row stands in for values when the fields come from a line of a file.
	row    *row
	faults []errs.Field
}

// readObject reads an object that may have the known members. It refuses what encoding/json lets
// through: repeated members, other spellings, trailing data, invalid UTF-8 and lone surrogates.
func readObject(raw []byte, s Strictness, known ...string) (*object, error) {
	switch {
	case len(raw) > maxRaw:
		return nil, whole("the body is too large")
	case !utf8.Valid(raw) || hasLoneSurrogate(raw):
		return nil, whole("the body must be valid Unicode")
	case len(bytes.TrimSpace(raw)) == 0:
		return nil, whole(`"value" must be of type object`)
	case !json.Valid(raw):
		return nil, whole("the body must be one JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return nil, whole(`"value" must be of type object`)
	}
	o := &object{values: map[string]json.RawMessage{}}
	seen := map[string]bool{}
	for n := 0; dec.More(); {
		key, value, err := member(dec)
		if err != nil {
			return nil, whole("the body must be one JSON object")
		}
		if n++; n > maxMembers {
			return nil, whole("the body has too many members")
		}
		switch {
		case seen[key]:
			o.fault(shorten(key), "is given twice")
		case !slices.Contains(known, key):
			if s == Strict {
				o.fault(shorten(key), "is not allowed")
			}
		case s == Lenient && string(value) == "null":
		default:
			o.values[key] = value
		}
		seen[key] = true
	}
	return o, nil
}

func member(dec *json.Decoder) (key string, value json.RawMessage, err error) {
	token, err := dec.Token()
	if err != nil {
		return "", nil, err
	}
	key, _ = token.(string) // the decoder lets nothing else stand here
	return key, value, dec.Decode(&value)
}

// shorten makes a client's key fit to be echoed.
func shorten(key string) string {
	const longest = 40
	key = strings.ReplaceAll(key, "\x00", "")
	if utf8.RuneCountInString(key) > longest {
		key = string([]rune(key)[:longest])
	}
	return key
}

func whole(text string) error {
	return errs.InvalidFields("Validation failed", []errs.Field{{Pointer: "", Message: text}})
}

// fault notes a fault of a field in Joi's words: the quoted field, then what is wrong with it.
func (o *object) fault(field, text string) {
	pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(field)
	o.faults = append(o.faults, errs.Field{Pointer: pointer, Message: `"` + field + `" ` + text})
}

// err gives all faults, nil if there are none.
func (o *object) err() error {
	if len(o.faults) == 0 {
		return nil
	}
	return errs.InvalidFields("Validation failed", o.faults)
}

// has reports whether a field is given; a missing required one is a fault.
func (o *object) has(field string, required bool) bool {
	_, ok := o.values[field]
	if o.row != nil {
		ok = o.row.cell(field) != ""
	}
	if !ok && required {
		o.fault(field, "is required")
	}
	return ok
}

// text gives a given field's string.
func (o *object) text(field string) (string, bool) {
	if o.row != nil {
		return o.row.cell(field), true
	}
	var s string
	raw := o.values[field]
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// hasLoneSurrogate reports whether an escape gives half of a surrogate pair, which encoding/json
// would silently replace.
func hasLoneSurrogate(raw []byte) bool {
	high := false // the unit before was the first half of a pair
	for i := 0; i < len(raw); {
		unit, size := escapeAt(raw[i:])
		if low := unit >= 0xDC00 && unit <= 0xDFFF; low != high {
			return true
		}
		high = unit >= 0xD800 && unit <= 0xDBFF
		i += size
	}
	return high
}

// escapeAt gives the UTF-16 unit escaped at the start of raw, 0 if none is, and the bytes it takes.
func escapeAt(raw []byte) (unit uint64, size int) {
	if raw[0] != '\\' {
		return 0, 1
	}
	if len(raw) < 6 || raw[1] != 'u' {
		return 0, 2
	}
	unit, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return 0, 2 // json.Valid refuses it later
	}
	return unit, 6
}
