package message

import (
	"strconv"

	"github.com/osteele/liquid/parser"
)

// forTag checks {% for variable in collection modifiers %} and multiplies the rounds by what the
// loop can make at most: the engine has no limit of its own and counts to 1e9 without output.
func (l *linter) forTag(token parser.Token) string {
	variable, rounds, args := "", 1, token.Args
	lexemes, ok := l.lex(token.Args, "{% for %}")
	switch {
	case !ok:
	case len(lexemes) < 3 || lexemes[0].kind != kindWord || lexemes[1].text != "in":
		l.fault("for must be written {%% for variable in collection %%}")
	default:
		variable = lexemes[0].text
		l.mayDeclare(variable)
		collection, modifiers := splitModifiers(lexemes[2:])
		limit := l.modifiers(modifiers)
		rounds = l.collection(args, collection, limit)
		args = l.withoutFallback(args, collection)
	}
	l.open("for", variable)
	l.rounds = multiplyBounded(l.rounds, rounds)
	l.iterations = addBounded(l.iterations, l.rounds)
	return replaceArgs(token, args)
}

// splitModifiers separates the collection from what follows it: it cuts before reversed, limit:
// and the like. A keyword after | is a filter, and one after a comma an argument of it.
func splitModifiers(lexemes []lexeme) ([]lexeme, []lexeme) {
	for i, lexeme := range lexemes {
		follows := i > 0 && (lexemes[i-1].text == "|" || lexemes[i-1].text == ",")
		reversed := lexeme.kind == kindWord && lexeme.text == "reversed"
		if !follows && i > 0 && (reversed || lexeme.kind == kindKeyword) {
			return lexemes[:i], lexemes[i:]
		}
	}
	return lexemes, nil
}

// unlimited means that a loop has no limit: of its own.
const unlimited = -1

// modifiers checks what follows the collection and gives the limit.
func (l *linter) modifiers(modifiers []lexeme) int {
	limit := unlimited
	for i := 0; i < len(modifiers); i++ {
		word := modifiers[i]
		if word.kind == kindWord && word.text == "reversed" {
			continue
		}
		if word.kind != kindKeyword || (word.text != "limit" && word.text != "offset") {
			l.fault("%s is not known in a for loop; it may have reversed, limit: 5, offset: 5", word.text)
			return 0
		}
		number, ok := wholeNumber(modifiers, i+1)
		if !ok || number < 0 {
			l.fault("%s: must be followed by a whole number from 0 to 999999", word.text)
			return 0
		}
		if word.text == "limit" {
			limit = number
		}
		i++
	}
	return limit
}

// collection checks what a loop goes through and gives the most rounds that it can make.
func (l *linter) collection(args string, lexemes []lexeme, limit int) int {
	rounds := maxItems
	if len(lexemes) == 5 && lexemes[0].text == "(" && lexemes[2].text == ".." && lexemes[4].text == ")" {
		from, fromKnown := wholeNumber(lexemes, 1)
		to, toKnown := wholeNumber(lexemes, 3)
		rounds = max(0, to-from+1)
		if !fromKnown || !toKnown {
			l.expression(args, lexemes[1:2])
			l.expression(args, lexemes[3:4])
			rounds = limit
		}
		if rounds == unlimited {
			l.fault("a for loop over a range needs numbers up to 999999 at both ends, or a limit such as limit: 10")
			return 1
		}
	} else {
		l.expression(args, lexemes)
	}
	if limit != unlimited {
		rounds = min(rounds, limit)
	}
	return rounds
}

// wholeNumber reads an integer literal that is small enough for the engine and for our sums.
func wholeNumber(lexemes []lexeme, at int) (int, bool) {
	const digits = 7 // six and a sign
	if at >= len(lexemes) || lexemes[at].kind != kindNumber || len(lexemes[at].text) > digits {
		return 0, false
	}
	number, err := strconv.Atoi(lexemes[at].text)
	return number, err == nil
}
