package api

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/xencrm/xencrm/internal/customer"
)

// etagOf is a version as an entity tag. It is a strong one: what a version says never changes.
func etagOf(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// entityTags is a list of entity tags (RFC 9110, 8.8.3), and entityTag one of them.
var (
	entityTags = regexp.MustCompile(`^(W/)?"[^"[:space:]]*"([ \t]*,[ \t]*(W/)?"[^"[:space:]]*")*$`)
	entityTag  = regexp.MustCompile(`(W/)?"[^"]*"`)
)

// matchOf reads If-Match (RFC 9110, 13.1.1). A tag that is not one of ours matches nothing. Without it a
// change is refused: it would undo what the client has not seen.
func matchOf(header string) (customer.Match, error) {
	header = strings.TrimSpace(header)
	if header == "" {
		return customer.Match{}, newProblem(http.StatusPreconditionRequired, typeRequired,
			"send If-Match with the ETag that you have read, or with * to change whatever there is")
	}
	if header == "*" {
		return customer.Match{Any: true}, nil
	}
	if !entityTags.MatchString(header) {
		// Not "it is at version 2", which is what somebody who forgot the quotes has sent.
		return customer.Match{}, newProblem(http.StatusBadRequest, typeMalformed,
			`If-Match must be the ETag that you have read, with its quotes, as "2", or *`)
	}
	var m customer.Match
	for _, tag := range entityTag.FindAllString(header, -1) {
		version, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
		if err == nil && tag == etagOf(version) {
			m.Versions = append(m.Versions, version)
		}
	}
	return m, nil
}

// optionalMatch reads If-Match where it may be left out; nil is "not sent".
func optionalMatch(header string) (*customer.Match, error) {
	if strings.TrimSpace(header) == "" {
		return nil, nil //nolint:nilnil // not sent is no fault, and not "matches nothing"
	}
	m, err := matchOf(header)
	return &m, err
}

// stale makes the problem of a change that was meant for another version; any other error stays.
func stale(err error) error {
	if !errors.Is(err, customer.ErrStale) {
		return err
	}
	return newProblem(http.StatusPreconditionFailed, typePrecondition, asProblem(err, "").Detail)
}
