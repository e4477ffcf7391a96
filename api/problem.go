package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// The problem types, relative to the API's own address. They are promised: never rename one.
const (
	typeMalformed   = "/problems/malformed-request"
	typeValidation  = "/problems/validation"
	typeNotFound    = "/problems/not-found"
	typeMethod      = "/problems/method-not-allowed"
	typeConflict    = "/problems/conflict"
	typeUnauthorize = "/problems/unauthorized"
	typeForbidden   = "/problems/forbidden"
	// A change without If-Match, and one whose If-Match is out of date.
	typeRequired     = "/problems/precondition-required"
	typePrecondition = "/problems/precondition-failed"
	typeTooLarge     = "/problems/body-too-large"
	typeMediaType    = "/problems/unsupported-media-type"
	typeTimeout      = "/problems/request-timeout"
	// An Idempotency-Key whose first request is not answered yet, and one that belongs to another request.
	typeKeyRunning  = "/problems/idempotency-key-running"
	typeKeyReused   = "/problems/idempotency-key-reused"
	typeRateLimited = "/problems/rate-limited"
	typeUnavailable = "/problems/unavailable"
	typeUnknown     = "/problems/outcome-unknown"
	typeInternal    = "/problems/internal"
)

// retryAfter is in seconds: brokers and databases restart in a few.
const retryAfter = 5

// problem is an RFC 9457 answer that the reference's clients can read too.
type problem struct {
	Type      string         `json:"type" doc:"What kind of problem it is; stable, relative to the API's address." example:"/problems/validation"`
	Title     string         `json:"title" doc:"The kind in words." example:"The input is not valid"`
	Status    int            `json:"status" doc:"The HTTP status." example:"400"`
	Detail    string         `json:"detail" doc:"What is wrong this time." example:"Segment name is required"`
	Instance  string         `json:"instance,omitempty" doc:"Names this occurrence." example:"urn:xencrm:request:0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	RequestID string         `json:"request_id,omitempty" doc:"The X-Request-Id of this request, to quote to support." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Success   bool           `json:"success" doc:"Always false, as the reference has it." example:"false"`
	ErrorText string         `json:"error" doc:"The reference's error text." example:"Segment name is required"`
	Message   string         `json:"message" doc:"The reference's message." example:"Segment name is required"`
	Errors    []fieldProblem `json:"errors,omitempty" nullable:"false" doc:"Every faulty field, when fields are at fault."`
	Campaigns []campaignRef  `json:"campaigns,omitempty" nullable:"false" doc:"The campaigns that use the segment, when that forbids its deletion."`
	// Checks is set by /readyz alone.
	Checks map[string]string `json:"checks,omitempty" doc:"The dependencies, each ok or unavailable; of /readyz only."`

	retryAfter int
}

// fieldProblem is one thing wrong with one part of the input.
type fieldProblem struct {
	Field   string `json:"field" doc:"Dotted path, empty for the whole body; the name of a query parameter." example:"rules.0.value"`
	Message string `json:"message" doc:"What is wrong and what would be right." example:"must be a number"`
	Pointer string `json:"pointer,omitempty" doc:"JSON pointer (RFC 6901) into the body." example:"/rules/0/value"`
}

// campaignRef names a campaign.
type campaignRef struct {
	CampaignID string `json:"campaign_id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Name       string `json:"name" doc:"The campaign's name." example:"Diwali"`
}

// newProblem makes a problem whose text is shown in every member that clients look at.
func newProblem(status int, kind, text string) *problem {
	return &problem{
		Type: kind, Title: titleOf(kind), Status: status, Detail: text, ErrorText: text, Message: text,
	}
}

// refused is a 400 in the reference's own words, for the checks that the reference documents.
func refused(pointer, text string) *problem {
	p := newProblem(http.StatusBadRequest, typeValidation, text)
	p.Errors = []fieldProblem{fieldOf(errs.Field{Pointer: pointer, Message: text})}
	return p
}

// refusedMember is a 400 for a member of the body, whose name stands before the text where it is not in a list.
func refusedMember(name, text string) *problem {
	p := newProblem(http.StatusBadRequest, typeValidation, name+" "+text)
	p.Errors = []fieldProblem{fieldOf(errs.Field{Pointer: "/" + name, Message: text})}
	return p
}

// refusedParam is a 400 for a query parameter or a header.
func refusedParam(name, text string) *problem {
	p := newProblem(http.StatusBadRequest, typeValidation, name+" "+text)
	p.Errors = []fieldProblem{{Field: name, Message: text}}
	return p
}

// asProblem is the one place where an errs.Code becomes a status and a body. fallback is shown
// instead of what is not ours to show; the reference has such a text for every route.
func asProblem(err error, fallback string) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return later(typeUnavailable, "The request took too long; nothing is known to have failed for good")
	}
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return newProblem(http.StatusInternalServerError, typeInternal, fallback)
	}
	p := codeProblem(e, fallback)
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, fieldOf(f))
	}
	return p
}

func codeProblem(e *errs.Error, fallback string) *problem {
	switch e.Code {
	case errs.Invalid:
		return newProblem(http.StatusUnprocessableEntity, typeValidation, e.Text)
	case errs.NotFound:
		return newProblem(http.StatusNotFound, typeNotFound, e.Text)
	case errs.Conflict:
		return newProblem(http.StatusConflict, typeConflict, e.Text)
	case errs.Unauthorized:
		return newProblem(http.StatusUnauthorized, typeUnauthorize, e.Text)
	case errs.Forbidden:
		return newProblem(http.StatusForbidden, typeForbidden, e.Text)
	case errs.RateLimited:
		p := newProblem(http.StatusTooManyRequests, typeRateLimited, e.Text)
		p.retryAfter = retryAfter
		return p
	case errs.Unavailable:
		return later(typeUnavailable, e.Text)
	case errs.Unknown:
		return later(typeUnknown, e.Text)
	case errs.Internal:
	}
	return newProblem(http.StatusInternalServerError, typeInternal, fallback)
}

func later(kind, text string) *problem {
	p := newProblem(http.StatusServiceUnavailable, kind, text)
	p.retryAfter = retryAfter
	return p
}

func titleOf(kind string) string {
	return map[string]string{
		typeMalformed: "The request cannot be read", typeValidation: "The input is not valid",
		typeNotFound: "Not found", typeMethod: "Method not allowed", typeConflict: "The state forbids it",
		typeUnauthorize: "No valid credential", typeForbidden: "The credential does not allow it",
		typeRequired: "If-Match is required", typePrecondition: "It has changed since it was read",
		typeKeyRunning: "The first request with this key is being worked on",
		typeKeyReused:  "The key belongs to another request",
		typeTooLarge:   "The body is too large", typeMediaType: "The body's type is not supported",
		typeTimeout: "The body did not come in time", typeRateLimited: "Too many requests",
		typeUnavailable: "A dependency is away; nothing was changed",
		typeUnknown:     "The outcome is not known; repeat it under the same Idempotency-Key",
		typeInternal:    "A fault of ours",
	}[kind]
}

func fieldOf(f errs.Field) fieldProblem {
	name := strings.ReplaceAll(strings.TrimPrefix(f.Pointer, "/"), "/", ".")
	return fieldProblem{Field: name, Message: f.Message, Pointer: f.Pointer}
}

func refsOf(refs []campaign.Ref) []campaignRef {
	out := make([]campaignRef, len(refs))
	for i, r := range refs {
		out[i] = campaignRef{CampaignID: r.ID.String(), Name: r.Name}
	}
	return out
}

// Error gives the detail.
func (p *problem) Error() string { return p.Detail }

// GetStatus is what Huma asks an error for.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders is what Huma asks an error for.
func (p *problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="xencrm"`)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	return h
}

// ContentType is what Huma asks a body for.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// of names the request that met the problem.
func (p *problem) of(ctx context.Context) *problem {
	named := *p
	if id := requestID(ctx); id != "" {
		named.RequestID, named.Instance = id, "urn:xencrm:request:"+id
	}
	return &named
}

// abort answers with the problem outside of Huma: in middleware and on unknown routes.
func abort(c *gin.Context, p *problem) {
	for name, values := range p.GetHeaders() {
		c.Header(name, values[0])
	}
	body, err := json.Marshal(p.of(c.Request.Context()))
	if err != nil {
		body = []byte(`{"success":false}`) // Not reached: a problem holds nothing that JSON cannot express.
	}
	c.Abort()
	c.Data(p.Status, p.ContentType(""), append(body, '\n'))
}
