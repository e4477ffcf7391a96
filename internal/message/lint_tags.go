package message

import (
	"slices"
	"strings"

	"github.com/osteele/liquid/parser"
)

const allowedTags = "assign, break, capture, case, comment, continue, for, if, raw, unless"

// tag checks a {% tag %} and gives the source to compile in its place.
func (l *linter) tag(token parser.Token) string {
	if start, isEnd := strings.CutPrefix(token.Name, "end"); isEnd {
		return l.end(token, start)
	}
	switch token.Name {
	case "if", "unless", "case":
		l.open(token.Name, "")
		return l.condition(token)
	case "elsif":
		l.needParent(token.Name, "if")
		return l.condition(token)
	case "when":
		l.needParent(token.Name, "case")
		return l.condition(token)
	case "else":
		l.elseTag(token)
	case "for":
		return l.forTag(token)
	case "break", "continue":
		l.noArgs(token)
		if !l.inside("for") {
			l.fault("{%% %s %%} stands outside a for loop", token.Name)
		}
	case "assign":
		return l.assign(token)
	case "capture":
		return l.capture(token)
	case "raw", "comment":
		l.noArgs(token) // What is inside passes by verbatim.
	default:
		l.fault("{%% %s %%} is not a tag that messages may use; those are %s", token.Name, allowedTags)
	}
	return token.Source
}

func (l *linter) open(name, variable string) {
	l.blocks = append(l.blocks, block{name: name, line: l.line, variable: variable, rounds: l.rounds})
	if len(l.blocks) == maxDepth+1 {
		l.fault("blocks are nested more than %d deep", maxDepth)
	}
}

func (l *linter) end(token parser.Token, start string) string {
	l.noArgs(token)
	if len(l.blocks) == 0 || l.top().name != start {
		l.fault("{%% end%s %%} closes nothing that is open here", start)
		return token.Source
	}
	closed := *l.top()
	l.blocks = l.blocks[:len(l.blocks)-1]
	l.rounds = closed.rounds
	if closed.name == "capture" {
		l.declared[closed.variable] = true
		return strings.Replace(token.Source, "endcapture", "end"+captureTag, 1)
	}
	return token.Source
}

func (l *linter) condition(token parser.Token) string {
	lexemes, ok := l.lex(token.Args, "{% "+token.Name+" %}")
	if !ok {
		return token.Source
	}
	return replaceArgs(token, l.expression(token.Args, lexemes))
}

func (l *linter) elseTag(token parser.Token) {
	if strings.HasPrefix(token.Args, "if") {
		l.fault("{%% else if %%} must be written {%% elsif … %%}")
		return
	}
	l.noArgs(token)
	if l.needParent("else", "if", "unless", "case", "for") {
		if l.top().hasElse {
			l.fault("{%% else %%} stands twice in one {%% %s %%}", l.top().name)
		}
		l.top().hasElse = true
	}
}

func (l *linter) assign(token parser.Token) string {
	lexemes, ok := l.lex(token.Args, "{% assign %}")
	if !ok {
		return token.Source
	}
	if len(lexemes) < 3 || lexemes[0].kind != kindWord || lexemes[1].text != "=" {
		l.fault("assign must be written {%% assign variable = value %%}")
		return token.Source
	}
	args := l.expression(token.Args, lexemes[2:])
	if l.mayDeclare(lexemes[0].text) {
		l.declared[lexemes[0].text] = true
	}
	return replaceArgs(token, args)
}

func (l *linter) capture(token parser.Token) string {
	lexemes, ok := l.lex(token.Args, "{% capture %}")
	if !ok {
		return token.Source
	}
	if len(lexemes) != 1 || lexemes[0].kind != kindWord {
		l.fault("capture must be written {%% capture variable %%}")
		return token.Source
	}
	l.mayDeclare(lexemes[0].text)
	l.open("capture", lexemes[0].text)
	return strings.Replace(token.Source, "capture", captureTag, 1)
}

// mayDeclare refuses names that would hide a field or a word of the language.
func (l *linter) mayDeclare(name string) bool {
	_, isField := l.fields[strings.TrimSuffix(name, givenSuffix)]
	if isField || name == "forloop" || isReserved(name) {
		l.fault("%s has a meaning already; take another name for the variable", name)
		return false
	}
	return true
}

func (l *linter) needParent(name string, parents ...string) bool {
	if len(l.blocks) > 0 && slices.Contains(parents, l.top().name) {
		return true
	}
	l.fault("{%% %s %%} must stand directly inside {%% %s %%}", name, strings.Join(parents, " or "))
	return false
}

func (l *linter) noArgs(token parser.Token) {
	if strings.TrimSpace(token.Args) != "" {
		l.fault("{%% %s %%} takes nothing after its name", token.Name)
	}
}

func (l *linter) top() *block { return &l.blocks[len(l.blocks)-1] }

func (l *linter) inside(name string) bool {
	return slices.ContainsFunc(l.blocks, func(b block) bool { return b.name == name })
}
