package message

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/osteele/liquid/parser"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// captureTag replaces capture, whose buffer in the engine has no bound.
	captureTag = "boundedcapture"
	// givenSuffix makes the hidden variable that is nil when a customer has no value of its own.
	givenSuffix = "_given"
	maxFaults   = 20
)

// linter checks a template and writes the source that the engine compiles.
type linter struct {
	fields  map[string]field
	filters map[string]filter
	faults  []string
	out     strings.Builder

	line     int
	verbatim verbatim
	blocks   []block
	declared map[string]bool
	used     map[string]bool
	// rounds is how often the current place is executed, iterations and steps the totals.
	rounds, iterations, steps int

	plain  bool
	pieces []piece
}

// block is an open {% tag %}.
type block struct {
	name string
	line int
	// variable is what a for or capture block sets.
	variable string
	// rounds is to be restored when the block ends.
	rounds  int
	hasElse bool
}

func newLinter() *linter {
	return &linter{
		fields: knownFields(), filters: filters(), plain: true, rounds: 1,
		declared: map[string]bool{}, used: map[string]bool{},
	}
}

func (l *linter) template(source string) {
	for _, token := range scan(source) {
		if token.SourceLoc.LineNo > 0 {
			l.line = token.SourceLoc.LineNo
		}
		l.token(token)
	}
	if l.verbatim.inside != "" {
		l.fault("{%% %s %%} is never closed with {%% end%s %%}", l.verbatim.inside, l.verbatim.inside)
	}
	for _, open := range l.blocks {
		l.line = open.line
		l.fault("{%% %s %%} is never closed with {%% end%s %%}", open.name, open.name)
	}
	if l.iterations > maxIterations {
		l.fault("loops run for up to %d rounds together; at most %d are allowed, nested loops multiply",
			l.iterations, maxIterations)
	}
	if l.steps > maxSteps {
		l.fault("one message would take up to %d steps; at most %d are allowed: shorten the loops",
			l.steps, maxSteps)
	}
}

func (l *linter) token(token parser.Token) {
	if l.verbatim.step(token) {
		l.out.WriteString(token.Source)
		return
	}
	switch token.Type {
	case parser.TextTokenType:
		l.text(token)
	case parser.ObjTokenType:
		l.object(token)
	case parser.TagTokenType:
		l.plain = false
		l.steps = addBounded(l.steps, l.rounds)
		l.out.WriteString(l.tag(token))
	case parser.TrimLeftTokenType, parser.TrimRightTokenType:
		l.plain = false // The {{- that it belongs to is written with its token.
	}
}

func (l *linter) text(token parser.Token) {
	for _, opener := range []string{"{{", "{%"} {
		if _, rest, found := strings.Cut(token.Source, opener); found {
			l.fault("%s begins no complete {{ field }} or {%% tag %%}", clip(opener+rest))
		}
	}
	l.steps = addBounded(l.steps, l.rounds)
	l.pieces = append(l.pieces, piece{literal: token.Source})
	l.out.WriteString(token.Source)
}

func (l *linter) object(token parser.Token) {
	lexemes, ok := l.lex(token.Args, "{{ }}")
	if !ok {
		return
	}
	if f, known := l.fields[lexemes[0].text]; known && len(lexemes) == 1 && lexemes[0].kind == kindWord {
		l.pieces = append(l.pieces, piece{text: f.text})
	} else {
		l.plain = false
	}
	args := l.expression(token.Args, lexemes)
	l.out.WriteString(replaceArgs(token, args))
}

// replaceArgs gives the token's source with other arguments; they stand last in it.
func replaceArgs(token parser.Token, args string) string {
	if args == token.Args {
		return token.Source
	}
	at := strings.LastIndex(token.Source, token.Args)
	return token.Source[:at] + args + token.Source[at+len(token.Args):]
}

// lex splits an expression that must not be empty.
func (l *linter) lex(expression, where string) ([]lexeme, bool) {
	lexemes, err := lex(expression)
	if err != nil {
		l.fault("%s", err)
		return nil, false
	}
	if len(lexemes) == 0 {
		l.fault("%s is empty", where)
		return nil, false
	}
	return lexemes, true
}

func (l *linter) usedFields() []field {
	var used []field
	for _, f := range fields() {
		if l.used[f.Name] {
			used = append(used, f)
		}
	}
	return used
}

func (l *linter) declaredNames() []string { return slices.Sorted(maps.Keys(l.declared)) }

func (l *linter) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf("line %d: ", l.line)+fmt.Sprintf(format, args...))
}

func (l *linter) err() error {
	if len(l.faults) == 0 {
		return nil
	}
	var out []errs.Field
	for _, message := range l.faults[:min(len(l.faults), maxFaults)] {
		out = append(out, errs.Field{Pointer: pointer, Message: message})
	}
	return errs.InvalidFields("message_template is not valid: "+l.faults[0], out)
}

// addBounded and multiplyBounded keep sums of hostile numbers far from overflow.
func addBounded(a, b int) int { return min(a+b, boundedLimit) }

func multiplyBounded(a, b int) int {
	if b != 0 && a > boundedLimit/b {
		return boundedLimit
	}
	return a * b
}

const boundedLimit = 1 << 40
