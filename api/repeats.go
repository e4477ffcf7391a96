package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/xencrm/xencrm/internal/idempotency"
)

const (
	headerReplayed = "Idempotency-Replayed"
	// settleTimeout bounds keeping an answer whose client has gone away.
	settleTimeout = 5 * time.Second
)

// repeatable reports whether an operation takes an Idempotency-Key that is kept with its answer. The
// doors of ingest do not: there the key is the message's own name, and the broker is all they need.
// Nor does the door that makes API keys, whose answer must not be kept, those that ask with a body, and the import
// of a file, which is too long to compare and harmless to repeat.
func repeatable(method, path string) bool {
	unkept := []string{keysPath, "/api/segments/preview", "/api/campaigns/dry-run", "/api/customers/import"}
	return method != http.MethodGet && strings.HasPrefix(path, "/api/") && !slices.Contains(unkept, path)
}

// repeatParam documents the header of an operation that names it nowhere else.
func repeatParam() *huma.Param {
	least, most := 1, maxIdempotencyKey
	return &huma.Param{
		Name: headerIdempotency, In: "header",
		Description: "Makes it safe to repeat the request: within 24 hours the same request under the same key is " +
			"answered as the first one was, and done once.",
		Schema: &huma.Schema{
			Type: huma.TypeString, MinLength: &least, MaxLength: &most, Examples: []any{"3f1c9f6e-7c0e-4d0b-8a61-52a7d2b1f0aa"},
		},
	}
}

// repeats answers a request under a key that was answered before with the same answer, and works on a
// key once at a time.
type repeats struct {
	*routes

	store idempotency.Store
}

func (r repeats) middleware(ctx huma.Context, next func(huma.Context)) {
	key, id := ctx.Header(headerIdempotency), ctx.Operation().OperationID
	if key == "" || !repeatable(ctx.Operation().Method, ctx.Operation().Path) {
		next(ctx)
		return
	}
	request := idempotency.Request{Owner: principalOf(ctx.Context()), Key: key, Fingerprint: fingerprint(ctx)}
	kept, err := r.store.Claim(ctx.Context(), request)
	if err != nil {
		r.refuse(ctx, id, err)
		return
	}
	if kept != nil {
		replay(ctx, kept)
		return
	}
	r.answer(ctx, request, id, next)
}

// answer works on a claimed request and keeps what it was answered, before the client is told.
func (r repeats) answer(ctx huma.Context, request idempotency.Request, id string, next func(huma.Context)) {
	rec := &recorded{inner: ctx, status: http.StatusOK}
	settled := false
	defer func() {
		if !settled { // a panic
			r.release(ctx.Context(), request, id)
		}
	}()
	stop := r.renew(ctx.Context(), request)
	defer stop()
	next(rec)
	stop()
	settled = true
	if !worthKeeping(rec.status) {
		r.release(ctx.Context(), request, id)
	} else {
		r.settle(ctx.Context(), request, rec, id)
	}
	ctx.SetStatus(rec.status)
	_, _ = ctx.BodyWriter().Write(rec.body.Bytes()) // the client may have gone away
}

// renew keeps the key taken until stop is called. A renewal that fails does no harm by itself: the next may not.
func (r repeats) renew(ctx context.Context, request idempotency.Request) (stop func()) {
	ctx, stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		tick := time.NewTicker(idempotency.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := r.store.Renew(ctx, request); err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "key not renewed", "error", err, "request_id", requestID(ctx))
			}
		}
	}()
	return stop
}

// worthKeeping says which answers a repeat gets again. Those that say "not now" are not: the repeat is
// what they ask for.
func worthKeeping(status int) bool {
	return status < http.StatusInternalServerError && !slices.Contains([]int{
		http.StatusRequestTimeout, http.StatusTooManyRequests,
	}, status)
}

func (r repeats) settle(ctx context.Context, request idempotency.Request, rec *recorded, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	answer := idempotency.Answer{Status: rec.status, Header: map[string]string{}, Body: rec.body.Bytes()}
	for _, h := range rec.headers {
		answer.Header[h[0]] = h[1]
	}
	if err := r.store.Settle(ctx, request, answer); err != nil {
		// The work is done. A repeat works again when the lease is over, which every operation bears.
		r.log.WarnContext(ctx, "answer not kept for repeats", "operation", id, "error", err, "request_id", requestID(ctx))
	}
}

func (r repeats) release(ctx context.Context, request idempotency.Request, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := r.store.Release(ctx, request); err != nil {
		r.log.WarnContext(ctx, "key not released", "operation", id, "error", err, "request_id", requestID(ctx))
	}
}

func (r repeats) refuse(ctx huma.Context, id string, err error) {
	p := r.fail(ctx.Context(), id, "", err)
	switch {
	case errors.Is(err, idempotency.ErrOther):
		p = newProblem(http.StatusUnprocessableEntity, typeKeyReused, p.Detail)
	case errors.Is(err, idempotency.ErrRunning):
		p = newProblem(http.StatusConflict, typeKeyRunning, p.Detail)
		p.retryAfter = 1 // most requests are answered by then
	}
	abort(humagin.Unwrap(ctx), p)
}

func replay(ctx huma.Context, kept *idempotency.Answer) {
	for name, value := range kept.Header {
		ctx.SetHeader(name, value)
	}
	ctx.SetHeader(headerReplayed, "true")
	ctx.SetStatus(kept.Status)
	_, _ = ctx.BodyWriter().Write(kept.Body) // the client may have gone away
}

// fingerprint is of what the request says. If-Match is part of it: with another version it asks for
// something else.
func fingerprint(ctx huma.Context) [32]byte {
	var body []byte
	if b, ok := ctx.(bufferedBody); ok {
		body = b.raw
	}
	u := ctx.URL()
	return idempotency.Fingerprint([]byte(ctx.Method()), []byte(u.Path), []byte(u.RawQuery), []byte(ctx.Header("If-Match")), body)
}

// recorded is a context whose answer is held back until it is kept.
type recorded struct {
	inner

	status  int
	headers [][2]string
	body    bytes.Buffer
}

// SetStatus holds the status back.
func (r *recorded) SetStatus(code int) { r.status = code }

// Status gives what was held back.
func (r *recorded) Status() int { return r.status }

// SetHeader notes the header for repeats and sets it.
func (r *recorded) SetHeader(name, value string) {
	r.headers = append(r.headers, [2]string{name, value})
	r.inner.SetHeader(name, value)
}

// BodyWriter holds the body back.
func (r *recorded) BodyWriter() io.Writer { return &r.body }

// Unwrap is how humagin finds its own context.
func (r *recorded) Unwrap() huma.Context { return r.inner }
