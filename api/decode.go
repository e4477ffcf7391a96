package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// maxDepth is three times what the deepest body of ours needs.
	maxDepth = 64
	// maxFaults is how many faults one answer lists; nobody mends more at a time.
	maxFaults = 20
)

// decodeStrict reads one JSON object into the struct that into points at. It refuses what Go's
// decoder lets through: unknown and repeated members, other spellings of a name, data after the
// end, invalid UTF-8, lone surrogates, NUL, and nesting without end. Members of type
// json.RawMessage are checked for all of that but their names, and decoded by their service.
func decodeStrict(data []byte, into any) *problem {
	if text := unreadable(data); text != "" {
		return malformed([]errs.Field{{Message: text}})
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(data))}
	w.dec.UseNumber()
	if err := w.value("", reflect.TypeOf(into).Elem(), 0); err != nil && len(w.faults) == 0 {
		w.add("", "must be JSON")
	}
	if len(w.faults) > 0 {
		return malformed(w.faults)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return malformed([]errs.Field{unmarshalFault(err)})
	}
	return nil
}

func malformed(faults []errs.Field) *problem {
	first := faults[0]
	where := strings.TrimPrefix(first.Pointer, "/")
	if where == "" {
		where = "the body"
	}
	p := newProblem(http.StatusBadRequest, typeMalformed, where+" "+first.Message)
	for _, f := range faults {
		p.Errors = append(p.Errors, fieldOf(f))
	}
	return p
}

// unreadable says why data is no JSON text, "" if it is one.
func unreadable(data []byte) string {
	if len(bytes.TrimSpace(data)) == 0 {
		return "must not be empty"
	}
	if !utf8.Valid(data) {
		return "must be UTF-8"
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			return fmt.Sprintf("must be one JSON value, and is broken near byte %d", e.Offset)
		}
		return "must be one JSON value"
	}
	if hasLoneSurrogate(data) {
		return "must have its surrogate escapes in pairs"
	}
	return ""
}

// walker checks a token stream against a Go type, because only there are repeated and misspelt
// names visible. Its methods add faults and return an error only to stop.
type walker struct {
	dec    *json.Decoder
	faults []errs.Field
}

var errStop = errors.New("stop")

func (w *walker) add(at, format string, args ...any) {
	w.faults = append(w.faults, errs.Field{Pointer: at, Message: fmt.Sprintf(format, args...)})
}

// value checks the next value; t is nil where anything may stand.
func (w *walker) value(at string, t reflect.Type, depth int) error {
	token, err := w.dec.Token()
	if err != nil || len(w.faults) >= maxFaults {
		return errStop
	}
	if depth > maxDepth {
		w.add(at, "is nested more than %d deep", maxDepth)
		return errStop
	}
	// null for an object that may be left out takes it away.
	isOptional := t != nil && t.Kind() == reflect.Pointer
	t = structural(t)
	if want := mismatch(token, t); want != "" && (token != nil || !isOptional) {
		w.add(at, "must be %s", want)
		t = nil // Still read it, for what follows may be at fault too.
	}
	switch token {
	case json.Delim('{'):
		return w.object(at, fieldsOf(t), depth)
	case json.Delim('['):
		return w.array(at, t, depth)
	}
	if s, ok := token.(string); ok && strings.Contains(s, "\x00") {
		w.add(at, "must not hold a NUL character")
	}
	return nil
}

// object checks members up to the closing brace; known is nil where any name may stand.
func (w *walker) object(at string, known map[string]reflect.Type, depth int) error {
	seen := map[string]bool{}
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return errStop
		}
		name, _ := token.(string) // The decoder lets nothing but a string stand here.
		here := at + "/" + escapePointer(name)
		t, ok := known[name]
		switch {
		case strings.Contains(name, "\x00"):
			w.add(at, "must not have a NUL character in a name")
		case seen[name]:
			w.add(here, "is given twice")
		case known != nil && !ok:
			w.add(here, "is not known; known are %s", strings.Join(sortedNames(known), ", "))
		}
		seen[name] = true
		if err := w.value(here, t, depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

func (w *walker) array(at string, t reflect.Type, depth int) error {
	if t != nil {
		t = t.Elem()
	}
	for i := 0; w.dec.More(); i++ {
		if err := w.value(at+"/"+strconv.Itoa(i), t, depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

// structural strips pointers, and gives nil for types that read themselves or take anything.
func structural(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	return t
}

// mismatch says what should stand instead of a value that begins with token, "" if it may stand.
// null stands for absent everywhere but at the top: the reference's clients send it.
func mismatch(token json.Token, t reflect.Type) string {
	if t == nil || token == nil && t.Kind() != reflect.Struct {
		return ""
	}
	_, isText := token.(string)
	_, isNumber := token.(json.Number)
	_, isBool := token.(bool)
	switch t.Kind() {
	case reflect.Struct:
		return unless(token == json.Delim('{'), "a JSON object")
	case reflect.Slice:
		return unless(token == json.Delim('['), "an array")
	case reflect.String:
		return unless(isText, "a string")
	case reflect.Bool:
		return unless(isBool, "true or false")
	default:
		return unless(isNumber, "a number")
	}
}

func unless(ok bool, want string) string {
	if ok {
		return ""
	}
	return want
}

// fieldsOf gives the member names of a struct, nil for any other type.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	fields := make(map[string]reflect.Type, t.NumField())
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = f.Type
	}
	return fields
}

func sortedNames(known map[string]reflect.Type) []string {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unmarshalFault says what is wrong without repeating the value, which may be personal. Only the
// range of a number is left to find here.
func unmarshalFault(err error) errs.Field {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		want := "a number within range"
		if k := e.Type.Kind(); k >= reflect.Int && k <= reflect.Uint64 {
			want = "a whole number within range"
		}
		return errs.Field{Pointer: "/" + strings.ReplaceAll(e.Field, ".", "/"), Message: "must be " + want}
	}
	return errs.Field{Message: "is not what was expected"}
}

// escapePointer writes a name as a part of a JSON pointer, cut short: it is echoed.
func escapePointer(name string) string {
	const longest = 64
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "")
	}
	return strings.NewReplacer("~", "~0", "/", "~1", "\x00", "").Replace(name)
}

// hasLoneSurrogate reports whether valid JSON escapes half of a surrogate pair: Go would silently
// put another character there.
func hasLoneSurrogate(data []byte) bool {
	awaitsLow := false
	for i := 0; i < len(data); {
		unit, size := escapeAt(data, i)
		if isLow := unit >= 0xDC00 && unit <= 0xDFFF; isLow != awaitsLow {
			return true
		}
		awaitsLow = unit >= 0xD800 && unit <= 0xDBFF
		i += size
	}
	return awaitsLow
}

// escapeAt gives the UTF-16 unit that is escaped at data[i], 0 if none is, and how many bytes to
// step over. Valid JSON has backslashes in strings alone, and whole escapes.
func escapeAt(data []byte, i int) (uint64, int) {
	if data[i] != '\\' {
		return 0, 1
	}
	if data[i+1] != 'u' {
		return 0, 2
	}
	unit, err := strconv.ParseUint(string(data[i+2:i+6]), 16, 16)
	if err != nil {
		return 0, 6 // Not reached: the JSON is valid.
	}
	return unit, 6
}
