package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// maxBody bounds every body that has no limit of its own.
	maxBody = 1 << 20
	// maxIngestBody is the reference's: Express takes 100 kB.
	maxIngestBody = 100_000
)

// jsonBody is a request body whose shape is T. Huma only documents it; the handler decodes it, for
// some need the raw bytes and all need faults in the reference's words.
type jsonBody[T any] struct{ raw []byte }

// Schema gives T's schema to the document.
func (jsonBody[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// decode reads the body strictly.
func (b jsonBody[T]) decode() (T, error) {
	var v T
	if p := decodeStrict(b.raw, &v); p != nil {
		return v, p
	}
	return v, nil
}

// unreadable gives the problem of a body that is no JSON text, for services that decode for
// themselves: what they refuse is then about the content.
func (b jsonBody[T]) unreadable() *problem {
	if text := unreadable(b.raw); text != "" {
		return malformed([]errs.Field{{Message: text}})
	}
	return nil
}

// receive keeps a copy, for Huma uses its buffer again.
func (b *jsonBody[T]) receive(raw []byte) { b.raw = bytes.Clone(raw) }

// jsonFormat is how bodies are read and written; it hands a request's bytes on untouched.
func jsonFormat() huma.Format {
	return huma.Format{
		Marshal: huma.DefaultJSONFormat.Marshal,
		Unmarshal: func(data []byte, v any) error {
			b, ok := v.(interface{ receive([]byte) })
			if !ok {
				return errors.New("the body's type is not a jsonBody")
			}
			b.receive(data)
			return nil
		},
	}
}

// takeBody reads the body of an operation that has one, before Huma would, because Huma takes a
// body without a type, refuses one of exactly the limit, and answers 500 to one that is cut off.
func takeBody(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	if op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil { // nothing, or a file
		next(ctx)
		return
	}
	raw, p := readBody(ctx, op.MaxBodyBytes-1)
	if p != nil {
		abort(humagin.Unwrap(ctx), p)
		return
	}
	next(bufferedBody{inner: ctx, raw: raw})
}

func readBody(ctx huma.Context, limit int64) ([]byte, *problem) {
	if encoding := ctx.Header("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, newProblem(http.StatusUnsupportedMediaType, typeMediaType, "Content-Encoding is not supported")
	}
	c := humagin.Unwrap(ctx)
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	if err != nil {
		return nil, readProblem(err)
	}
	if len(raw) == 0 {
		return nil, malformed([]errs.Field{{Message: "must not be empty; send a JSON object"}})
	}
	if !isJSON(ctx.Header("Content-Type")) {
		return nil, newProblem(http.StatusUnsupportedMediaType, typeMediaType, "Content-Type must be application/json")
	}
	return raw, nil
}

func readProblem(err error) *problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(http.StatusRequestEntityTooLarge, typeTooLarge, "The body is too large")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return newProblem(http.StatusRequestTimeout, typeTimeout, "The body did not come in time")
	}
	return malformed([]errs.Field{{Message: "was cut off"}})
}

// isJSON reports whether a Content-Type is JSON in UTF-8. A missing one is not: a form on another
// site can send a body without asking, but not one of this type.
func isJSON(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// inner renames huma.Context, whose method of the same name an embedded field would hide.
type inner huma.Context

// bufferedBody is a context whose body was read already.
type bufferedBody struct {
	inner

	raw []byte
}

// BodyReader gives the body once more.
func (b bufferedBody) BodyReader() io.Reader { return bytes.NewReader(b.raw) }

// Unwrap is how humagin finds its own context.
func (b bufferedBody) Unwrap() huma.Context { return b.inner }
