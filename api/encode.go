package api

import (
	"encoding/json"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// reply is an output that is only a body.
type reply[T any] struct{ Body T }

// answer is the reference's envelope of success.
type answer[T any] struct {
	Success bool `json:"success" doc:"Always true." example:"true"`
	Data    T    `json:"data" nullable:"false" doc:"What was asked for."`
}

// ok makes the usual output.
func ok[T any](data T) *reply[answer[T]] {
	return &reply[answer[T]]{Body: answer[T]{Success: true, Data: data}}
}

// page is the envelope of one page.
type page[T any] struct {
	Success    bool       `json:"success" doc:"Always true." example:"true"`
	Data       []T        `json:"data" nullable:"false" doc:"The records of this page."`
	Pagination pagination `json:"pagination" doc:"Where this page stands."`
}

// pagination has the reference's member names, totalPage among them.
type pagination struct {
	CurrentPage  int  `json:"currentPage" doc:"The page's number, from 1." example:"1"`
	Limit        int  `json:"limit" doc:"Records on a full page." example:"10"`
	TotalRecords int  `json:"totalRecords" doc:"Records in all." example:"42"`
	TotalPage    int  `json:"totalPage" doc:"Pages in all." example:"5"`
	HasNext      bool `json:"hasNext" doc:"Whether another page follows." example:"true"`
	HasPrevious  bool `json:"hasPrevious" doc:"Whether a page precedes." example:"false"`
}

func paginate(p campaign.PageRequest, total int) pagination {
	return pagination{
		CurrentPage: p.Number, Limit: p.Limit, TotalRecords: total,
		TotalPage: (total + p.Limit - 1) / p.Limit,
		HasNext:   p.Offset()+p.Limit < total, HasPrevious: p.Number > 1,
	}
}

const (
	defaultLimit = 10
	maxLimit     = 100
	// maxPage keeps the offset within PostgreSQL's 32-bit parameters: 10^7 pages of 100.
	maxPage = 10_000_000
)

// paging is the query of a numbered list. Its members are texts so that a fault gets our answer.
type paging struct {
	Limit limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100." example:"10"`
	Page  pageParam  `query:"page" doc:"The page's number, from 1." example:"1"`
}

func (p paging) request() (campaign.PageRequest, error) {
	limit, err := p.Limit.number()
	if err != nil {
		return campaign.PageRequest{}, err
	}
	number, err := positive("page", string(p.Page), 1)
	if err != nil {
		return campaign.PageRequest{}, err
	}
	if number > maxPage {
		return campaign.PageRequest{}, refusedParam("page", "must be at most "+strconv.Itoa(maxPage))
	}
	return campaign.PageRequest{Number: number, Limit: limit}, nil
}

// limitParam is a whole number from 1.
type limitParam string

// Schema documents the number that the text stands for.
func (limitParam) Schema(huma.Registry) *huma.Schema {
	return integerSchema(defaultLimit)
}

func (l limitParam) number() (int, error) {
	n, err := positive("limit", string(l), defaultLimit)
	return min(n, maxLimit), err
}

// pageParam is a whole number from 1.
type pageParam string

// Schema documents the number that the text stands for.
func (pageParam) Schema(huma.Registry) *huma.Schema { return integerSchema(1) }

func integerSchema(fallback int) *huma.Schema {
	one := 1.0
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &one, Default: fallback}
}

func positive(name, raw string, fallback int) (int, error) {
	if raw == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < 1 {
		return 0, refusedParam(name, "must be a whole number from 1")
	}
	return n, nil
}

// parseID reads an id in its usual form: uuid.Parse would also read braces and urn:uuid:.
func parseID(raw string) (uuid.UUID, bool) {
	const length = 36
	id, err := uuid.Parse(raw)
	return id, err == nil && len(raw) == length
}

// idOf reads an id from a path. Nothing has a malformed id, so that is a 404 (D57).
func idOf(raw, what string) (uuid.UUID, error) {
	id, valid := parseID(raw)
	if !valid {
		return uuid.UUID{}, errs.Errorf(errs.NotFound, "%s not found", what)
	}
	return id, nil
}

// amount is an exact decimal written as a JSON number.
type amount string

// MarshalJSON writes the digits as they are.
func (a amount) MarshalJSON() ([]byte, error) { return []byte(a), nil }

// Schema documents it.
func (amount) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber} }

// instant is a time as the reference writes it: UTC, with three digits of milliseconds.
type instant struct{ time.Time }

// MarshalJSON writes the time.
func (t instant) MarshalJSON() ([]byte, error) { return []byte(`"` + t.text() + `"`), nil }

func (t instant) text() string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Schema documents it.
func (instant) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

// instantOf gives nil, so null, for no time.
func instantOf(t *time.Time) *instant {
	if t == nil {
		return nil
	}
	return &instant{*t}
}

// orNull is an object that may be null; Huma has no tag for that.
type orNull[T any] struct{ value *T }

// MarshalJSON writes the value or null.
func (n orNull[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.value) }

// Schema documents both.
func (orNull[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"},
	}}
}

// orDefault gives fallback for the zero value.
func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// convert maps a list; it is never null.
func convert[A, B any](list []A, one func(A) B) []B {
	out := make([]B, len(list))
	for i, v := range list {
		out[i] = one(v)
	}
	return out
}
