package httpvendor

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/vendor"
)

// inFlightWait is how long to wait after a 409 that names no time: the other request with the same key
// takes about one vendor latency.
const inFlightWait = 250 * time.Millisecond

// answer is what came back, before anyone believed it.
type answer struct {
	status     int
	retryAfter time.Duration
	body       []byte
}

// judge decides what the answer means for the message of r. Whatever the vendor did not clearly say
// is Ambiguous: then the same key is tried again and nothing is lost or doubled.
func (a answer) judge(r vendor.Request) (vendor.Result, error) {
	if a.status >= 200 && a.status < 300 {
		return a.accepted(r)
	}
	said, spoke := a.refusal(r)
	switch {
	case a.status == http.StatusConflict:
		e := a.ambiguous(vendor.InFlight, "another request with this key is in flight")
		if e.RetryAfter == 0 {
			e.RetryAfter = inFlightWait
		}
		return vendor.Result{}, e
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return vendor.Result{}, a.ambiguous(vendor.NotAuthorized, "vendor does not accept our credentials")
	case !spoke:
		return vendor.Result{}, a.ambiguous(vendor.GatewayAnswer,
			"status "+strconv.Itoa(a.status)+" without the vendor's own answer")
	case said.Retryable || a.status >= 500 || a.status == http.StatusTooManyRequests:
		return vendor.Result{}, a.refused(vendor.Retryable, said)
	default:
		return vendor.Result{}, a.refused(vendor.Permanent, said)
	}
}

func (a answer) accepted(r vendor.Request) (vendor.Result, error) {
	var said vendor.Answer
	var wrong string
	switch err := decode(a.body, &said); {
	case err != nil:
		wrong = "accepted with a body that is not the vendor's"
	case said.Status != vendor.StatusAccepted:
		wrong = "status 2xx with a body that does not say ACCEPTED"
	case said.CommunicationID != r.CommunicationID:
		wrong = "answer is about another message"
	case !vendor.IsRef(said.VendorRef):
		wrong = "accepted without a usable reference"
	case said.Answer < 0:
		wrong = "answer has a negative number"
	default:
		return vendor.Result{VendorRef: said.VendorRef, Answer: said.Answer}, nil
	}
	return vendor.Result{}, a.ambiguous(vendor.BadAnswer, wrong)
}

// refusal gives the vendor's own refusal of r, and false when the body is not one. A vendor that
// could not read the request cannot name the message, so no id at all will do on a refusal.
func (a answer) refusal(r vendor.Request) (vendor.Answer, bool) {
	var said vendor.Answer
	if err := decode(a.body, &said); err != nil {
		return vendor.Answer{}, false
	}
	ours := said.CommunicationID == r.CommunicationID || said.CommunicationID == ""
	return said, ours && a.status >= 400 &&
		said.Status == vendor.StatusFailed && vendor.IsCode(said.ErrorCode) && said.Answer >= 0
}

func (a answer) refused(kind vendor.Kind, said vendor.Answer) *vendor.Error {
	text := vendor.CleanText(said.ErrorMessage)
	if strings.TrimSpace(text) == "" {
		text = said.ErrorCode.Text()
	}
	return &vendor.Error{
		Kind: kind, Code: said.ErrorCode, Text: text,
		RetryAfter: a.retryAfter, Answer: said.Answer, HTTPStatus: a.status,
	}
}

// ambiguous never repeats the body: it may be a proxy's page, or somebody else's data.
func (a answer) ambiguous(code vendor.Code, text string) *vendor.Error {
	return &vendor.Error{
		Kind: vendor.Ambiguous, Code: code, Text: text, RetryAfter: a.retryAfter, HTTPStatus: a.status,
	}
}

var errTooLong = errors.New("answer is too long")

func decode(body []byte, said *vendor.Answer) error {
	if len(body) > vendor.MaxBody {
		return errTooLong
	}
	// Plain Unmarshal refuses trailing data and wrong types. Unknown members are the vendor's right, and
	// duplicates or case variants cannot smuggle anything past: there is only this one reader.
	return json.Unmarshal(body, said)
}

// noAnswer is for a call that ended without a whole answer. The cause may hold addresses of ours, so
// the text says only what kind of end it was.
func noAnswer(cause error) *vendor.Error {
	text := "no answer from the vendor"
	if errors.Is(cause, context.DeadlineExceeded) {
		text = "no answer from the vendor in time"
	}
	return &vendor.Error{Kind: vendor.Ambiguous, Code: vendor.NoAnswer, Text: text, Cause: cause}
}

// refusedHere is for a message that no vendor could take; nothing was sent.
func refusedHere(text string) *vendor.Error {
	return &vendor.Error{Kind: vendor.Permanent, Code: vendor.InvalidPayload, Text: text}
}

// retryAfter reads a Retry-After header, seconds or a date (RFC 9110, 10.2.3), into 0..most.
// What cannot be read is as if it were not there.
func retryAfter(header string, now time.Time, most time.Duration) time.Duration {
	if header == "" {
		return 0
	}
	if secs, err := strconv.ParseUint(header, 10, 63); err == nil {
		if secs > uint64(most/time.Second) { //nolint:gosec // most is positive
			return most
		}
		return time.Duration(secs) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), most)
}
