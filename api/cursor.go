package api

import (
	"slices"
	"strings"

	"github.com/xencrm/xencrm/internal/cursor"
)

// slice is the envelope of one page of a list that is paged by cursor: rows that come and go meanwhile
// neither repeat nor hide the others.
type slice[T any] struct {
	Success    bool   `json:"success" doc:"Always true." example:"true"`
	Data       []T    `json:"data" nullable:"false" doc:"The records of this page."`
	NextCursor string `json:"next_cursor,omitempty" doc:"The cursor of the next page; absent on the last." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

// sliced makes the output of a page.
func sliced[A, B any](p cursor.Page[A], view func(A) B, scope []string) *reply[slice[B]] {
	return &reply[slice[B]]{Body: slice[B]{
		Success: true, Data: convert(p.Items, view), NextCursor: cursor.Encode(p.Next, scope...),
	}}
}

// positionOf reads a cursor.
func positionOf(raw string, scope []string) (cursor.Position, error) {
	p, err := cursor.Decode(raw, scope...)
	if err != nil {
		return p, refusedParam("cursor", err.Error())
	}
	return p, nil
}

// oneOf gives a parameter that takes one of the values, fallback when it is absent.
func oneOf(name, raw, fallback string, values ...string) (string, error) {
	if raw == "" {
		return fallback, nil
	}
	if !slices.Contains(values, raw) {
		return "", refusedParam(name, "must be one of "+strings.Join(values, ", "))
	}
	return raw, nil
}
