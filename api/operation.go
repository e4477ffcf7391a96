package api

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/xencrm/xencrm/internal/errs"
)

// operation is one line of the route table.
type operation struct {
	method, path string
	// id is what generated clients call the operation.
	id string
	// status is that of success.
	status int
	// maxBody is the limit of the request's body in bytes.
	maxBody int64
}

func get(path, id string) operation {
	return operation{http.MethodGet, path, id, http.StatusOK, maxBody}
}

func post(path, id string) operation {
	return operation{http.MethodPost, path, id, http.StatusOK, maxBody}
}

func put(path, id string) operation {
	return operation{http.MethodPut, path, id, http.StatusOK, maxBody}
}

func patch(path, id string) operation {
	return operation{http.MethodPatch, path, id, http.StatusOK, maxBody}
}

func del(path, id string) operation {
	return operation{http.MethodDelete, path, id, http.StatusOK, maxBody}
}

// gives changes the status of success.
func (o operation) gives(status int) operation {
	o.status = status
	return o
}

// upTo changes the limit of the body.
func (o operation) upTo(bytes int64) operation {
	o.maxBody = bytes
	return o
}

// add registers a handler. The handler returns plain errors; here they become problems, and those
// that are not the caller's fault are logged, once.
func add[I, O any](r *routes, o operation, handle func(context.Context, *I) (*O, error)) {
	_, hasBody := reflect.TypeFor[I]().FieldByName("Body")
	w := wordsOf(o.id)
	op := huma.Operation{
		Method: o.method, Path: o.path, OperationID: o.id, DefaultStatus: o.status, Summary: w.summary,
		Tags: []string{w.tag}, Responses: r.failures(o, w, hasBody),
		MaxBodyBytes:       o.maxBody + 1, // takeBody has the limit; Huma would refuse one of exactly that
		SkipValidateParams: true, SkipValidateBody: true,
	}
	if needed, _ := accessOf(o.id); needed != public {
		op.Security = []map[string][]string{{"bearer": {}}, {"session": {}}}
	}
	if repeatable(o.method, o.path) {
		_, named := reflect.TypeFor[I]().FieldByName("IdempotencyKey")
		if !named {
			op.Parameters = append(op.Parameters, repeatParam())
		}
	}
	huma.Register(r.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, r.fail(ctx, o.id, w.failure, err)
		}
		return out, nil
	})
}

// fail makes the problem of an error and logs what the caller is not shown.
func (r *routes) fail(ctx context.Context, id, failure string, err error) *problem {
	p := asProblem(err, failure)
	if p.Status >= http.StatusInternalServerError {
		level := slog.LevelError
		if ctx.Err() != nil {
			level = slog.LevelInfo // The caller went away; that is no fault.
		}
		r.log.Log(ctx, level, "request failed", "operation", id, "code", errs.CodeOf(err), "error", err,
			"request_id", requestID(ctx))
	}
	return p.of(ctx)
}

// failures documents the problems of an operation.
func (r *routes) failures(o operation, w words, hasBody bool) map[string]*huma.Response {
	statuses := append([]int{http.StatusBadRequest, http.StatusInternalServerError}, w.errors...)
	if hasBody {
		statuses = append(statuses, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity)
	}
	if w.tag != tagHealth {
		statuses = append(statuses, http.StatusServiceUnavailable)
	}
	if needed, _ := accessOf(o.id); needed != public {
		statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
	}
	if repeatable(o.method, o.path) {
		statuses = append(statuses, http.StatusConflict, http.StatusUnprocessableEntity)
	}
	if strings.Contains(o.path, "{") {
		statuses = append(statuses, http.StatusNotFound)
	}
	slices.Sort(statuses)
	out := map[string]*huma.Response{}
	for _, status := range slices.Compact(statuses) {
		out[strconv.Itoa(status)] = &huma.Response{
			Description: describe(status),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: r.problemSchema}},
		}
	}
	return out
}
