package message

import (
	"maps"
	"slices"
	"strings"
)

// filterSteps is what a filter costs beside its lexemes: it may copy maxValueBytes.
const filterSteps = 5

// expression checks the names, filters and nesting of an expression; its grammar is the engine's
// business. It gives args with a field that is directly followed by default exchanged for the
// variable that has no fallback. lexemes are a part of args.
func (l *linter) expression(args string, lexemes []lexeme) string {
	l.steps = addBounded(l.steps, multiplyBounded(l.rounds, len(lexemes)))
	depth := 0
	for i, lexeme := range lexemes {
		switch lexeme.kind {
		case kindWord, kindKeyword:
			l.word(lexemes, i)
		case kindProperty:
			l.property(lexemes, i)
		case kindSymbol:
			depth += l.symbol(lexeme.text)
			if depth == maxDepth+1 {
				l.fault("brackets are nested more than %d deep", maxDepth)
			}
		case kindString, kindNumber:
		}
	}
	return l.withoutFallback(args, lexemes)
}

// symbol checks a symbol and gives how it changes the nesting.
func (l *linter) symbol(text string) int {
	switch text {
	case "(", "[":
		return 1
	case ")", "]":
		return -1
	case "=":
		l.fault("= compares nothing; write ==")
	case "..":
		l.fault("a range such as (1..5) may stand only in {%% for x in (1..5) %%}, without filters")
	}
	return 0
}

func (l *linter) word(lexemes []lexeme, i int) {
	word := lexemes[i]
	switch {
	case i > 0 && lexemes[i-1].text == "|" && lexemes[i-1].kind == kindSymbol:
		l.filter(lexemes, i)
	case word.kind == kindKeyword:
		l.fault("%s: has no meaning here; filters take no named arguments", word.text)
	case !isReserved(word.text):
		l.variable(lexemes, i)
	}
}

func isReserved(word string) bool {
	return slices.Contains([]string{"true", "false", "nil", "and", "or", "contains", "in"}, word)
}

func (l *linter) variable(lexemes []lexeme, i int) {
	name := lexemes[i].text
	_, isField := l.fields[name]
	_, slip := l.fields[strings.ToLower(name)]
	_, isFilter := l.filters[name]
	switch {
	case isField:
		l.used[name] = true
	case name == "forloop" && l.inside("for"):
		if i+1 == len(lexemes) || lexemes[i+1].kind != kindProperty {
			l.fault("forloop needs a part, such as forloop.index")
		}
	case l.declared[name] || l.isLoopVariable(name):
	case slip:
		l.fault("%s must be written %s", name, strings.ToLower(name))
	case isFilter && i > 0:
		l.fault("%s is a filter; write | %s", name, l.filters[name].usage)
	case name == "blank" || name == "empty":
		l.fault(`%s is not known; compare with "" instead`, name)
	default:
		l.fault("%s is not known; the fields are %s", clip(name), fieldNames())
	}
}

func (l *linter) isLoopVariable(name string) bool {
	return slices.ContainsFunc(l.blocks, func(b block) bool { return b.name == "for" && b.variable == name })
}

// property allows only what cannot reach into a Go value.
func (l *linter) property(lexemes []lexeme, i int) {
	allowed := []string{"size", "first", "last"}
	if i > 0 && lexemes[i-1].kind == kindWord && lexemes[i-1].text == "forloop" {
		allowed = []string{"first", "last", "index", "index0", "rindex", "rindex0", "length"}
	}
	if !slices.Contains(allowed, lexemes[i].text) {
		l.fault(".%s is not known here; allowed are .%s", lexemes[i].text, strings.Join(allowed, ", ."))
	}
}

func (l *linter) filter(lexemes []lexeme, i int) {
	name := lexemes[i].text
	f, known := l.filters[name]
	if !known {
		l.fault("the filter %s is not known; the filters are %s",
			clip(name), strings.Join(slices.Sorted(maps.Keys(l.filters)), ", "))
		return
	}
	l.steps = addBounded(l.steps, multiplyBounded(l.rounds, filterSteps))
	if got := countArguments(lexemes[i:]); got < f.least || got > f.most {
		l.fault("the filter %s must be written %s", name, f.usage)
	}
}

// countArguments counts what stands between a filter's name and the next filter or modifier.
func countArguments(lexemes []lexeme) int {
	if lexemes[0].kind != kindKeyword {
		return 0
	}
	arguments, depth := 1, 0
	for _, lexeme := range lexemes[1:] {
		if lexeme.kind != kindSymbol {
			continue
		}
		switch lexeme.text {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		case ",":
			if depth == 0 {
				arguments++
			}
		case "|":
			if depth == 0 {
				return arguments
			}
		}
	}
	return arguments
}

// withoutFallback exchanges name in {{ name | default: "friend" }} for name_given.
func (l *linter) withoutFallback(args string, lexemes []lexeme) string {
	if len(lexemes) < 3 || lexemes[1].text != "|" || lexemes[2].text != "default" {
		return args
	}
	head := lexemes[0]
	if _, isField := l.fields[head.text]; !isField || head.kind != kindWord {
		return args
	}
	end := head.from + len(head.text)
	return args[:end] + givenSuffix + args[end:]
}
