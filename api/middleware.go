package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

const (
	headerRequestID   = "X-Request-Id"
	headerIdempotency = "Idempotency-Key"

	// handlerTimeout ends before the server's write timeout, so that a slow dependency is answered
	// with a 503 and not with a cut connection.
	handlerTimeout = WriteTimeout - 5*time.Second

	maxRequestID      = 128
	maxIdempotencyKey = 255
)

type requestIDKey struct{}

// requestID gives the id of the request that ctx belongs to, "" outside of one.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// RequestID gives the id of the request that ctx belongs to, for other doors behind this one.
func RequestID(ctx context.Context) string { return requestID(ctx) }

// nameRequest takes the caller's request id, or makes one, and gives it back.
func nameRequest(c *gin.Context) {
	id := c.GetHeader(headerRequestID)
	if !visible(id, maxRequestID) {
		id = uuid.NewString()
	}
	c.Header(headerRequestID, id)
	ctx := context.WithValue(c.Request.Context(), requestIDKey{}, id)
	if !streaming(c.FullPath()) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, handlerTimeout)
		defer cancel()
	}
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// logRequests writes one line per request. It names the route and not the path, which may hold
// what a caller typed: no line holds personal data.
func logRequests(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		c.Next()
		route := c.FullPath()
		if route == "" {
			route = "unmatched"
		}
		log.LogAttrs(c.Request.Context(), slog.LevelInfo, "request",
			slog.String("method", c.Request.Method), slog.String("route", route),
			slog.Int("status", c.Writer.Status()), slog.Duration("duration", time.Since(start)),
			slog.String("request_id", requestID(c.Request.Context())))
	}
}

// recoverPanics answers a panic with a problem that says nothing of it.
func recoverPanics(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			// The value's type and not its text: a panic may carry the input that caused it.
			log.ErrorContext(c.Request.Context(), "panic", "type", fmt.Sprintf("%T", v), "route", c.FullPath(),
				"request_id", requestID(c.Request.Context()), "stack", string(debug.Stack()))
			if c.Writer.Written() {
				// Half an answer is out; only a cut connection tells the client that it is not whole.
				panic(http.ErrAbortHandler)
			}
			abort(c, newProblem(http.StatusInternalServerError, typeInternal, "Internal server error"))
		}()
		c.Next()
	}
}

// secureHeaders sets what every answer carries; /docs loosens the policy for its own styles.
func secureHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	c.Next()
}

// checkRequest refuses what no route takes: a query that cannot be read or says a thing twice, and
// an Idempotency-Key that is not one key.
func checkRequest(c *gin.Context) {
	if p := queryProblem(c.Request.URL.RawQuery); p != nil {
		abort(c, p)
		return
	}
	keys := c.Request.Header.Values(headerIdempotency)
	if len(keys) > 1 || len(keys) == 1 && !visible(keys[0], maxIdempotencyKey) {
		abort(c, refusedParam(headerIdempotency, "must be given once, as 1 to 255 visible ASCII characters"))
		return
	}
	c.Next()
}

func queryProblem(raw string) *problem {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return newProblem(http.StatusBadRequest, typeMalformed, "the query string is not well-formed")
	}
	for name, values := range query {
		if !text(name) || !text(values[0]) {
			return newProblem(http.StatusBadRequest, typeMalformed, "the query string must be UTF-8 without NUL")
		}
		if len(values) > 1 {
			return refusedParam(name, "is given twice")
		}
	}
	return nil
}

// text reports whether PostgreSQL and JSON can hold s.
func text(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// visible reports whether s is 1 to limit visible ASCII characters, fit for a header and a log line.
func visible(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
