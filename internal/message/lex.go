package message

import (
	"fmt"
	"regexp"
	"strings"
)

// The engine compiles expressions to closures and shows no tree, so the check reads them itself.
// Its lexer accepts less than the engine's: whatever it does not know is refused, so nothing gets
// past the check by being read in two ways.

type kind int

const (
	kindWord     kind = iota // a variable, a filter, an operator such as and
	kindKeyword              // word: (the name without the colon)
	kindProperty             // .word (the name without the dot)
	kindString
	kindNumber
	kindSymbol
)

type lexeme struct {
	kind kind
	text string
	// from is where the lexeme starts in the expression.
	from int
}

// lexPattern has one group per kind, longest alternatives first as the engine's scanner picks
// them. Strings have no line breaks; an escape is two characters.
var lexPattern = regexp.MustCompile(`^(?:` +
	`([A-Za-z_][A-Za-z0-9_-]*):` +
	`|([A-Za-z_][A-Za-z0-9_-]*)` +
	`|\.([A-Za-z_][A-Za-z0-9_-]*)` +
	`|("(?:[^"\\\n]|\\[^\n])*"|'[^'\n]*')` +
	`|(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)` +
	`|(==|!=|>=|<=|\.\.|[<>()\[\]|,=]))`)

func lex(expression string) ([]lexeme, error) {
	kinds := []kind{kindKeyword, kindWord, kindProperty, kindString, kindNumber, kindSymbol}
	var out []lexeme
	for at := 0; at < len(expression); {
		if isSpace(expression[at]) {
			at++
			continue
		}
		match := lexPattern.FindStringSubmatchIndex(expression[at:])
		if match == nil {
			return nil, lexFault(expression[at:])
		}
		for i, kind := range kinds {
			if from, to := match[2*i+2], match[2*i+3]; from >= 0 {
				out = append(out, lexeme{kind: kind, text: expression[at+from : at+to], from: at})
			}
		}
		from := at
		at += match[1]
		if out[len(out)-1].kind == kindNumber && runsOn(expression[at:]) {
			return nil, lexFault(expression[from:])
		}
	}
	return out, nil
}

// runsOn reports whether a number has further digits or letters, which the engine would read as
// part of it.
func runsOn(rest string) bool {
	return numberRunsOn.MatchString(rest) && !strings.HasPrefix(rest, "..")
}

var numberRunsOn = regexp.MustCompile(`^[0-9A-Za-z_.]`)

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

func lexFault(rest string) error {
	switch rest[0] {
	case '"', '\'':
		return fmt.Errorf("the quote %s is never closed", clip(rest))
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return fmt.Errorf("%s is not a number of at most 15 digits and 6 decimals", clip(rest))
	default:
		return fmt.Errorf("%s cannot be understood", clip(rest))
	}
}

// clip shortens a part of a template for an error message.
func clip(text string) string {
	const limit = 40
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
