package message

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/osteele/liquid/parser"
)

// bracePattern finds {word} with single braces. Whether a brace stands on either side does not
// matter: in a text token there is no complete {{ }}.
var bracePattern = regexp.MustCompile(`\{([A-Za-z_]+)\}`)

// scan splits a template exactly as the engine will.
func scan(source string) []parser.Token {
	return parser.Scan(source, parser.SourceLoc{LineNo: 1}, nil)
}

// expandBraces rewrites {name} to {{name}} for the known fields, in plain text only: not inside
// {{ }}, tags, raw or comment. Other words stay as they are, because a text may contain braces;
// only a field in the wrong case is surely a slip, and a fault.
func expandBraces(source string) (string, []string) {
	var (
		out    strings.Builder
		faults []string
		skip   verbatim
	)
	names := knownFields()
	for _, token := range scan(source) {
		if skip.step(token) || token.Type != parser.TextTokenType {
			out.WriteString(token.Source)
			continue
		}
		out.WriteString(bracePattern.ReplaceAllStringFunc(token.Source, func(braced string) string {
			word := braced[1 : len(braced)-1]
			if _, known := names[word]; known {
				return "{" + braced + "}"
			}
			if _, slip := names[strings.ToLower(word)]; slip {
				faults = append(faults, "line "+strconv.Itoa(token.SourceLoc.LineNo)+": "+braced+
					" must be written {"+strings.ToLower(word)+"}")
			}
			return braced
		}))
	}
	return out.String(), faults
}

func knownFields() map[string]field {
	known := map[string]field{}
	for _, f := range fields() {
		known[f.Name] = f
	}
	return known
}

// verbatim follows the engine through raw and comment, inside which nothing means anything.
type verbatim struct{ inside string }

// step reports whether the token is inside a raw or comment block, or the end of one.
func (v *verbatim) step(token parser.Token) bool {
	if v.inside != "" {
		if token.Type == parser.TagTokenType && token.Name == "end"+v.inside {
			v.inside = ""
		}
		return true
	}
	if token.Type == parser.TagTokenType && (token.Name == "raw" || token.Name == "comment") {
		v.inside = token.Name
	}
	return false
}
