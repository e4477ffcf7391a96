package message

import (
	"errors"
	"fmt"

	"github.com/osteele/liquid"
	"github.com/osteele/liquid/expressions"
	"github.com/osteele/liquid/render"

	"github.com/xencrm/xencrm/internal/errs"
)

var (
	errOutputTooLong = errors.New("the message is longer than 20 KB")
	errValueTooLong  = errors.New("a text in it grows beyond 4 KB")
	errPanic         = errors.New("the template engine gave up")
	errNoFiles       = errors.New("messages include no other templates")
)

// newEngine makes an engine whose filters are ours. The linter keeps templates away from the
// standard ones that are left and from include and render; that those are cut off here too costs
// nothing.
func newEngine() *liquid.Engine {
	engine := liquid.NewEngine()
	engine.UnregisterTag("include")
	engine.UnregisterTag("render")
	engine.RegisterTemplateStore(noFiles{})
	engine.RegisterBlock(captureTag, boundedCapture)
	for name, f := range filters() {
		engine.RegisterFilter(name, func(in any, args ...any) (any, error) { return f.apply(in, args) })
	}
	return engine
}

type noFiles struct{}

func (noFiles) ReadTemplate(string) ([]byte, error) { return nil, errNoFiles }

// boundedCapture is {% capture variable %}, with a bound.
func boundedCapture(ctx render.Context) (string, error) {
	text := boundedBuffer{limit: maxValueBytes, full: errValueTooLong}
	if err := ctx.RenderChildren(&text); err != nil {
		return "", err
	}
	ctx.Set(ctx.TagArgs(), string(text.bytes))
	return "", nil
}

// boundedBuffer is a writer that refuses what would go beyond its limit.
type boundedBuffer struct {
	bytes []byte
	limit int
	full  error
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(b.bytes)+len(p) > b.limit {
		return 0, b.full
	}
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

// compile hands checked source to the engine. What the linter leaves to it is grammar.
func compile(source string) (_ *liquid.Template, err error) {
	defer func() {
		// The engine panics on some literals instead of giving an error.
		if fault := recover(); fault != nil {
			err = invalid("has an expression that cannot be understood")
		}
	}()
	compiled, fault := newEngine().ParseTemplateLocation([]byte(source), "", 1)
	if fault != nil {
		return nil, invalid(syntaxFault(fault))
	}
	return compiled, nil
}

// syntaxFault shows the innermost cause, which quotes the expression: the engine's own text wraps
// it twice.
func syntaxFault(fault liquid.SourceError) string {
	text := fault.Error()
	if cause := fault.Cause(); cause != nil {
		text = cause.Error()
	}
	return fmt.Sprintf("line %d: %s", fault.LineNumber(), text)
}

// execute renders with bounded output; a panic of the engine becomes an error of this message.
func execute(compiled *liquid.Template, bindings map[string]any) (_ string, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = renderError(errPanic)
		}
	}()
	out := boundedBuffer{limit: MaxOutputBytes, full: errOutputTooLong}
	if fault := compiled.FRender(&out, bindings); fault != nil {
		return "", renderError(fault)
	}
	return string(out.bytes), nil
}

// renderError says what went wrong. It drops the cause: the engine's texts quote the customer's
// data, which must not reach a log.
func renderError(err error) error {
	reason := "a value in it does not fit where it is used"
	filterError, isFilter := errors.AsType[expressions.FilterError](err)
	switch {
	case errors.Is(err, errOutputTooLong):
		reason = errOutputTooLong.Error()
	case errors.Is(err, errValueTooLong):
		reason = errValueTooLong.Error()
	case isFilter:
		reason = "filter " + filterError.FilterName + ": " + filterError.Err.Error()
	}
	return errs.Errorf(errs.Invalid, "message_template cannot be rendered for this customer: %s", reason)
}
