package message

import (
	"errors"
	"html"
	"maps"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filter is one filter that templates may use. All of them are ours rather than the engine's: the
// engine's have no bounds, compute money in floats, and turn unknown types into 0.
type filter struct {
	// least and most count the arguments; usage shows them.
	least, most int
	usage       string
	apply       func(in any, args []any) (any, error)
}

// filters lists them by name. Nothing here reads the clock or makes bytes that a template's
// author or the data did not contain, so a render is repeatable and its text can be stored.
func filters() map[string]filter {
	all := map[string]filter{
		"append":         {1, 1, `append: "text"`, appendFilter},
		"capitalize":     {0, 0, "capitalize", textFilter(capitalize)},
		"default":        {1, 1, `default: "text"`, defaultFilter},
		"downcase":       {0, 0, "downcase", textFilter(strings.ToLower)},
		"escape":         {0, 0, "escape", textFilter(html.EscapeString)},
		"first":          {0, 0, "first", firstFilter},
		"join":           {0, 1, `join: ", "`, joinFilter},
		"last":           {0, 0, "last", lastFilter},
		"lstrip":         {0, 0, "lstrip", textFilter(stripLeft)},
		"newline_to_br":  {0, 0, "newline_to_br", textFilter(newlineToBreak)},
		"pluralize":      {2, 2, `pluralize: "order", "orders"`, pluralizeFilter},
		"prepend":        {1, 1, `prepend: "text"`, prependFilter},
		"remove":         {1, 1, `remove: "text"`, replaceFilter(-1)},
		"remove_first":   {1, 1, `remove_first: "text"`, replaceFilter(1)},
		"replace":        {2, 2, `replace: "old", "new"`, replaceFilter(-1)},
		"replace_first":  {2, 2, `replace_first: "old", "new"`, replaceFilter(1)},
		"rstrip":         {0, 0, "rstrip", textFilter(stripRight)},
		"size":           {0, 0, "size", sizeFilter},
		"slice":          {1, 2, "slice: 0, 5", sliceFilter},
		"split":          {1, 1, `split: " "`, splitFilter},
		"strip":          {0, 0, "strip", textFilter(strings.TrimSpace)},
		"strip_newlines": {0, 0, "strip_newlines", textFilter(stripNewlines)},
		"truncate":       {0, 2, `truncate: 20, "…"`, truncateFilter},
		"truncatewords":  {0, 2, `truncatewords: 3, "…"`, truncateWordsFilter},
		"upcase":         {0, 0, "upcase", textFilter(strings.ToUpper)},
		"url_encode":     {0, 0, "url_encode", textFilter(url.QueryEscape)},
	}
	maps.Copy(all, numberFilters())
	return all
}

// textFilter makes a filter of a function that at most multiplies the length.
func textFilter(change func(string) string) func(any, []any) (any, error) {
	return func(in any, _ []any) (any, error) {
		text, err := textOf(in)
		if err != nil {
			return nil, err
		}
		return bounded(change(text))
	}
}

// bounded refuses a text that grew too long.
func bounded(text string) (any, error) {
	if len(text) > maxValueBytes {
		return nil, errValueTooLong
	}
	return text, nil
}

func capitalize(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}
	return string(unicode.ToUpper(first)) + strings.ToLower(text[size:])
}

func stripLeft(text string) string      { return strings.TrimLeftFunc(text, unicode.IsSpace) }
func stripRight(text string) string     { return strings.TrimRightFunc(text, unicode.IsSpace) }
func newlineToBreak(text string) string { return strings.ReplaceAll(text, "\n", "<br />\n") }

func stripNewlines(text string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(text) }

func appendFilter(in any, args []any) (any, error) { return concatenate(in, args[0]) }

func prependFilter(in any, args []any) (any, error) { return concatenate(args[0], in) }

func concatenate(first, second any) (any, error) {
	left, err := textOf(first)
	if err != nil {
		return nil, err
	}
	right, err := textOf(second)
	if err != nil {
		return nil, err
	}
	return bounded(left + right)
}

func defaultFilter(in any, args []any) (any, error) {
	if items, isArray := in.([]any); isArray && len(items) == 0 {
		return args[0], nil
	}
	if in == nil || in == false || in == "" {
		return args[0], nil
	}
	return in, nil
}

// replaceFilter measures the result before it makes it.
func replaceFilter(times int) func(any, []any) (any, error) {
	return func(in any, args []any) (any, error) {
		texts, err := textsOf(append([]any{in}, args...))
		if err != nil {
			return nil, err
		}
		text, old, replacement := texts[0], texts[1], ""
		if len(texts) > 2 {
			replacement = texts[2]
		}
		found := strings.Count(text, old)
		if times >= 0 {
			found = min(found, times)
		}
		if len(text)+found*(len(replacement)-len(old)) > maxValueBytes {
			return nil, errValueTooLong
		}
		return strings.Replace(text, old, replacement, times), nil
	}
}

func sliceFilter(in any, args []any) (any, error) {
	text, err := textOf(in)
	if err != nil {
		return nil, err
	}
	from, err := wholeOf(args, 0, 0)
	if err != nil {
		return nil, err
	}
	length, err := wholeOf(args, 1, 1)
	if err != nil {
		return nil, err
	}
	runes := []rune(text)
	if from < 0 {
		from += len(runes)
	}
	from = min(max(from, 0), len(runes))
	to := min(max(from+length, from), len(runes))
	return string(runes[from:to]), nil
}

func truncateFilter(in any, args []any) (any, error) {
	text, err := textOf(in)
	if err != nil {
		return nil, err
	}
	length, ellipsis, err := truncation(args, 50)
	if err != nil {
		return nil, err
	}
	runes := []rune(text)
	if len(runes) <= length {
		return text, nil
	}
	keep := max(length-utf8.RuneCountInString(ellipsis), 0)
	return bounded(string(runes[:keep]) + ellipsis)
}

func truncateWordsFilter(in any, args []any) (any, error) {
	text, err := textOf(in)
	if err != nil {
		return nil, err
	}
	length, ellipsis, err := truncation(args, 15)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(text)
	if length = max(length, 1); len(words) <= length {
		return text, nil
	}
	return bounded(strings.Join(words[:length], " ") + ellipsis)
}

// truncation reads the length and what replaces the rest.
func truncation(args []any, standard int) (int, string, error) {
	length, err := wholeOf(args, 0, standard)
	if err != nil || len(args) < 2 {
		return length, "...", err
	}
	ellipsis, err := textOf(args[1])
	return length, ellipsis, err
}

var errTooManyItems = errors.New("splits into more than 256 parts")

func splitFilter(in any, args []any) (any, error) {
	texts, err := textsOf([]any{in, args[0]})
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(texts[0], texts[1], maxItems+1)
	if texts[1] == " " {
		parts = strings.Fields(texts[0]) // As Ruby does.
	}
	if len(parts) > maxItems {
		return nil, errTooManyItems
	}
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	items := make([]any, len(parts))
	for i, part := range parts {
		items[i] = part
	}
	return items, nil
}

func joinFilter(in any, args []any) (any, error) {
	items, isArray := in.([]any)
	if !isArray {
		return in, nil
	}
	separator := " "
	if len(args) > 0 {
		var err error
		if separator, err = textOf(args[0]); err != nil {
			return nil, err
		}
	}
	texts, err := textsOf(items)
	if err != nil {
		return nil, err
	}
	length := len(separator) * len(texts)
	for _, text := range texts {
		length += len(text)
	}
	if length > 2*maxValueBytes {
		return nil, errValueTooLong
	}
	return bounded(strings.Join(texts, separator))
}

func firstFilter(in any, _ []any) (any, error) {
	if items, isArray := in.([]any); isArray && len(items) > 0 {
		return items[0], nil
	}
	return nil, nil //nolint:nilnil // nil is a value in Liquid.
}

func lastFilter(in any, _ []any) (any, error) {
	if items, isArray := in.([]any); isArray && len(items) > 0 {
		return items[len(items)-1], nil
	}
	return nil, nil //nolint:nilnil // nil is a value in Liquid.
}

func sizeFilter(in any, _ []any) (any, error) {
	switch in := in.(type) {
	case []any:
		return len(in), nil
	case string:
		return utf8.RuneCountInString(in), nil
	default:
		return 0, nil
	}
}
