package message

import (
	"strings"
	"unicode/utf8"

	"github.com/osteele/liquid"

	"github.com/xencrm/xencrm/internal/errs"
)

// Limits of a template. Messages are a few hundred characters; the limits bound what a hostile
// template costs, not what a marketer writes.
const (
	// MaxTemplateChars is some 60 text messages long.
	MaxTemplateChars = 10_000
	// MaxOutputBytes bounds a row of communication_log: a million of them stay under 20 GB.
	MaxOutputBytes = 20 << 10
	// maxValueBytes bounds every intermediate text, so that doubling one soon ends.
	maxValueBytes = 4 << 10
	// maxItems bounds an array, so that a loop over one has a known bound.
	maxItems = 256
	// maxIterations is the number of rounds of all loops together, nested ones multiplied.
	maxIterations = 1_000
	// maxSteps counts what one render executes, in lexemes; no template without loops reaches it.
	maxSteps = 20_000
	// maxDepth bounds blocks within blocks and brackets within brackets.
	maxDepth = 10
)

// pointer is where the template stands in the body of a campaign.
const pointer = "/message_template"

// Template is a checked template. It is immutable and safe for concurrent use.
type Template struct {
	// plain is set when the template is only text and fields: most are, and render in
	// nanoseconds. TestPlainTemplatesRenderAsLiquid shows that the output is the same.
	plain []piece
	// The rest is the slow path.
	liquid    *liquid.Template
	fields    []field
	variables []string
}

// Parse checks a template and compiles it. The error is errs.Invalid with the pointer
// /message_template and a message for every fault, each naming its line.
func Parse(source string) (*Template, error) {
	if err := checkText(source); err != nil {
		return nil, err
	}
	expanded, faults := expandBraces(source)
	l := newLinter()
	l.faults = append(l.faults, faults...)
	l.template(expanded)
	if err := l.err(); err != nil {
		return nil, err
	}
	compiled, err := compile(l.out.String())
	if err != nil {
		return nil, err
	}
	t := &Template{liquid: compiled, fields: l.usedFields(), variables: l.declaredNames()}
	if l.plain {
		t.plain = l.pieces
	}
	if err := t.tryOut(); err != nil {
		return nil, err
	}
	return t, nil
}

func checkText(source string) error {
	switch {
	case !utf8.ValidString(source) || strings.Contains(source, "\x00"):
		return invalid("must be valid UTF-8 without NUL characters")
	case strings.TrimSpace(source) == "":
		return invalid("must not be empty")
	case utf8.RuneCountInString(source) > MaxTemplateChars:
		return invalid("must have at most 10000 characters")
	}
	return nil
}

// Render gives the message for one customer. It fails, with errs.Invalid, only where the data go
// beyond what Parse tried: an amount outside numeric(12,2), a text far longer than the columns
// allow, or arithmetic on values that no sample had. The result is valid UTF-8 without NUL and may
// be empty if the template says so.
func (t *Template) Render(r Recipient) (string, error) {
	r, err := r.cleaned()
	if err != nil {
		return "", err
	}
	if t.plain != nil {
		return renderPlain(t.plain, r)
	}
	return t.renderLiquid(r)
}

// piece is a literal text or a field.
type piece struct {
	literal string
	text    func(Recipient) string
}

func renderPlain(pieces []piece, r Recipient) (string, error) {
	out := make([]byte, 0, 512)
	for _, p := range pieces {
		if p.text == nil {
			out = append(out, p.literal...)
		} else {
			out = append(out, p.text(r)...)
		}
		if len(out) > MaxOutputBytes {
			return "", renderError(errOutputTooLong)
		}
	}
	return string(out), nil
}

func (t *Template) renderLiquid(r Recipient) (string, error) {
	bindings := make(map[string]any, 2*len(t.fields)+len(t.variables))
	for _, name := range t.variables {
		bindings[name] = nil
	}
	for _, f := range t.fields {
		value := f.value(r)
		bindings[f.Name] = value
		if f.given(r) {
			bindings[f.Name+givenSuffix] = value
		} else {
			bindings[f.Name+givenSuffix] = nil
		}
	}
	return execute(t.liquid, bindings)
}

func invalid(message string) error {
	return errs.InvalidFields("message_template "+message, []errs.Field{{Pointer: pointer, Message: message}})
}
