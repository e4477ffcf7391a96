// Package errs holds the error codes that every layer of XenCRM speaks.
//
// It owns the codes and how an error carries one; it does not know HTTP, SQL, AMQP or Temporal.
// Each border translates once: db/errors.go, rabbit/middleware.go, api/problem.go,
// activities/errors.go.
package errs

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what the caller can do about an error.
type Code string

// The codes, from the caller's fault to ours.
const (
	// Invalid means that the input can never succeed as it is.
	Invalid Code = "invalid"
	// NotFound means that the named thing does not exist, or not for this caller.
	NotFound Code = "not_found"
	// Conflict means that the state forbids it now; reading again may help.
	Conflict Code = "conflict"
	// Unauthorized means that no valid credential was given.
	Unauthorized Code = "unauthorized"
	// Forbidden means that the credential does not allow it.
	Forbidden Code = "forbidden"
	// RateLimited means that the same request may succeed later.
	RateLimited Code = "rate_limited"
	// Unavailable means that a dependency is away and that nothing was changed.
	Unavailable Code = "unavailable"
	// Unknown means that the outcome is not known: it may have happened. Repeat it under the same key.
	Unknown Code = "outcome_unknown"
	// Internal is a fault of ours.
	Internal Code = "internal"
)

// Field is one thing wrong with one part of the input.
type Field struct {
	// Pointer is a JSON pointer (RFC 6901) into the input, "" for the whole.
	Pointer string
	// Message says what is wrong and what would be right, without echoing secrets.
	Message string
}

// Error is an error with a code, a text that is safe to show, and an optional cause that is not.
type Error struct {
	Code   Code
	Text   string
	Fields []Field
	cause  error
}

// Errorf makes an error with a code; the formatted text is shown to callers. A %w operand becomes
// the cause and, because its text is formatted too, must itself be safe to show.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Text: err.Error(), cause: errors.Unwrap(err)}
}

// Wrap gives err a code and a text that may be shown; err itself is only logged.
func Wrap(code Code, err error, text string) *Error {
	return &Error{Code: code, Text: text, cause: err}
}

// InvalidFields makes an Invalid error that lists every faulty field at once.
func InvalidFields(text string, fields []Field) *Error {
	return &Error{Code: Invalid, Text: text, Fields: fields}
}

// Error gives the text and, for logs, the cause.
func (e *Error) Error() string {
	if e.cause != nil && !strings.Contains(e.Text, e.cause.Error()) {
		return e.Text + ": " + e.cause.Error()
	}
	return e.Text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf gives the code of the outermost *Error in the chain, and Internal for any other error.
// It gives "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// Retryable reports whether doing the same again may succeed: the fault is not in the input.
func Retryable(err error) bool {
	switch CodeOf(err) {
	case Unavailable, Unknown, RateLimited, Internal:
		return true
	case Invalid, NotFound, Conflict, Unauthorized, Forbidden:
		return false
	}
	return false
}
