package vendor

import (
	"fmt"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// Code is a reason in the vendor's words; vendors may send codes that are not listed here.
type Code string

// The reasons that a vendor gives, as in the reference.
const (
	RateLimited      Code = "RATE_LIMITED"
	TemporaryFailure Code = "TEMPORARY_FAILURE"
	QuotaExceeded    Code = "QUOTA_EXCEEDED"
	InvalidEmail     Code = "INVALID_EMAIL"
	EmailBounced     Code = "EMAIL_BOUNCED"
	SpamDetected     Code = "SPAM_DETECTED"
	InvalidPayload   Code = "INVALID_PAYLOAD"
	MissingEmail     Code = "MISSING_EMAIL"
	MissingMessage   Code = "MISSING_MESSAGE"
	SystemError      Code = "SYSTEM_ERROR"
	// KeyReused means that the key came back with another body: a defect of the sender.
	KeyReused Code = "KEY_REUSED"
)

// The reasons that our side gives when the vendor gave none; all are Ambiguous.
const (
	// NoAnswer covers a refused connection, a timeout, a reset and a cut-off body.
	NoAnswer Code = "NO_ANSWER"
	// BadAnswer is an answer that cannot be believed: garbage, no reference, another message's id.
	BadAnswer Code = "BAD_ANSWER"
	// GatewayAnswer is a status without the vendor's own body: something in between answered.
	GatewayAnswer Code = "GATEWAY_ANSWER"
	// NotAuthorized means that the vendor does not take our token. That is a fault of our
	// configuration and must not fail a whole audience: it waits for the operator.
	NotAuthorized Code = "NOT_AUTHORIZED"
	// InFlight means that another request with the same key is being worked on.
	InFlight Code = "IN_FLIGHT"
)

// Text gives the reference's wording of a code, or the code itself when it has none.
func (c Code) Text() string {
	switch c {
	case RateLimited:
		return "Rate limit exceeded"
	case TemporaryFailure:
		return "Temporary service unavailable"
	case QuotaExceeded:
		return "Daily quota exceeded"
	case InvalidEmail:
		return "Invalid email address format"
	case EmailBounced:
		return "Email address bounced"
	case SpamDetected:
		return "Message flagged as spam"
	case MissingEmail:
		return "customer_email is required"
	case MissingMessage:
		return "message_text is required"
	case KeyReused:
		return "Idempotency-Key was used with another body"
	case InvalidPayload, SystemError, NoAnswer, BadAnswer, GatewayAnswer, NotAuthorized, InFlight:
		return string(c)
	}
	return string(c)
}

// Kind says what a failed Send means for the message.
type Kind string

// The kinds of failure.
const (
	// Permanent means that the vendor refused and will always refuse: the message has FAILED.
	Permanent Kind = "permanent"
	// Retryable means that the vendor refused for now, in its own words. It uses up an attempt.
	Retryable Kind = "retryable"
	// Ambiguous means that the vendor said nothing, or nothing that can be believed: the message may
	// be on its way. Repeat it under the same key. It uses up no attempt, so an outage fails nobody.
	Ambiguous Kind = "ambiguous"
)

// Error is a Send that did not end in an acceptance.
type Error struct {
	Kind Kind
	Code Code
	// Text is safe to store and to show: no address, no message, no markup of a proxy.
	Text string
	// RetryAfter is how long the vendor asks to wait, 0 if it does not say.
	RetryAfter time.Duration
	// Answer is as in Result.
	Answer int
	// HTTPStatus is 0 when no answer came.
	HTTPStatus int
	// Cause is for logs, and for errors.Is on context errors.
	Cause error
}

// Error gives kind, code and text.
func (e *Error) Error() string {
	s := fmt.Sprintf("vendor: %s %s: %s", e.Kind, e.Code, e.Text)
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// UsesAttempt reports whether the vendor itself answered, which counts towards the maximum.
func (e *Error) UsesAttempt() bool { return e.Kind != Ambiguous }

// Unwrap gives the errs code of the kind and the cause, so errs.CodeOf and errors.Is both work.
func (e *Error) Unwrap() []error {
	coded := errs.Wrap(e.code(), nil, e.Text)
	if e.Cause == nil {
		return []error{coded}
	}
	return []error{coded, e.Cause}
}

func (e *Error) code() errs.Code {
	switch e.Kind {
	case Permanent:
		return errs.Invalid
	case Retryable:
		if e.Code == TemporaryFailure {
			return errs.Unavailable
		}
		return errs.RateLimited
	case Ambiguous:
		return errs.Unknown
	}
	return errs.Unknown
}
