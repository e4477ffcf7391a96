package mock

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"

	"github.com/xencrm/xencrm/internal/vendor"
)

// failures are equally likely, as in the reference. Their order is part of the outcome function.
func failures() [6]vendor.Code {
	return [...]vendor.Code{
		vendor.RateLimited, vendor.TemporaryFailure, vendor.QuotaExceeded,
		vendor.InvalidEmail, vendor.EmailBounced, vendor.SpamDetected,
	}
}

// Verdict is what one answer of the vendor amounts to: "" is a delivery, anything else one of the
// six failures.
type Verdict struct {
	Code vendor.Code
}

// Outcome is what the vendor says the n-th time it answers for a message: a pure function, the same
// for ever and on every machine.
//
// With d = SHA-256 of "xencrm-mock-vendor/1\n<seed>\n<communication id>\n<n>": it succeeds when the
// first 53 bits of d, as a fraction, are below successRate; otherwise the failure is number
// (bytes 8-15 of d, big-endian) mod 6 of RATE_LIMITED, TEMPORARY_FAILURE, QUOTA_EXCEEDED,
// INVALID_EMAIL, EMAIL_BOUNCED, SPAM_DETECTED.
func Outcome(seed uint64, communicationID string, n int, successRate float64) Verdict {
	d := sha256.Sum256(fmt.Appendf(nil, "xencrm-mock-vendor/1\n%d\n%s\n%d", seed, communicationID, n))
	// 53 bits is what a float64 holds exactly, so other languages get the same comparison.
	fraction := float64(binary.BigEndian.Uint64(d[:8])>>11) / (1 << 53)
	if fraction < successRate {
		return Verdict{}
	}
	codes := failures()
	return Verdict{Code: codes[binary.BigEndian.Uint64(d[8:16])%uint64(len(codes))]}
}

// Retryable reports a refusal that leaves the key open.
func (o Verdict) Retryable() bool {
	return o.Code == vendor.RateLimited || o.Code == vendor.TemporaryFailure || o.Code == vendor.QuotaExceeded
}

// Accepted reports an answer of 200, which makes the delivery. A bounce or a spam verdict is accepted
// first and fails by receipt.
func (o Verdict) Accepted() bool {
	return o.Code == "" || o.Code == vendor.EmailBounced || o.Code == vendor.SpamDetected
}

// HTTPStatus is the status that the answer carries.
func (o Verdict) HTTPStatus() int {
	switch {
	case o.Accepted():
		return http.StatusOK
	case o.Code == vendor.TemporaryFailure:
		return http.StatusServiceUnavailable
	case o.Retryable():
		return http.StatusTooManyRequests
	default:
		return http.StatusUnprocessableEntity
	}
}

// receipt gives what the receipt of an accepted message will say.
func (o Verdict) receipt() (vendor.ReceiptStatus, vendor.Code) {
	if o.Code == "" {
		return vendor.Delivered, ""
	}
	return vendor.Failed, o.Code
}

// Prediction is how a message ends.
type Prediction struct {
	// Status is DELIVERED or FAILED, once the receipt (if there is one) is in.
	Status vendor.ReceiptStatus
	// Code is the reason of a failure, "" for a delivery.
	Code vendor.Code
	// Attempts is how many answers of the vendor it takes.
	Attempts int
}

// Predict says how a message ends when its sender takes up to maxAttempts answers, whatever is lost,
// repeated or restarted on the way.
func Predict(seed uint64, communicationID string, maxAttempts int, successRate float64) Prediction {
	var o Verdict
	for n := 1; n <= maxAttempts; n++ {
		o = Outcome(seed, communicationID, n, successRate)
		if !o.Retryable() {
			status, code := vendor.Failed, o.Code
			if o.Accepted() {
				status, code = o.receipt()
			}
			return Prediction{Status: status, Code: code, Attempts: n}
		}
	}
	return Prediction{Status: vendor.Failed, Code: o.Code, Attempts: max(maxAttempts, 0)}
}
