package event

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/xencrm/xencrm/internal/errs"
)

// ReadEnvelope reads the outer shape of a message that must be of wantType. Everything wrong with it
// is errs.Invalid, in words for an operator and without quoting the content.
func ReadEnvelope(body []byte, wantType string) (Envelope, error) {
	var e Envelope
	switch {
	case len(body) > MaxBodyBytes:
		return e, errs.Errorf(errs.Invalid, "the body has %d bytes, more than %d", len(body), MaxBodyBytes)
	case len(bytes.TrimSpace(body)) == 0:
		return e, errs.Errorf(errs.Invalid, "the body is empty")
	case !utf8.Valid(body):
		return e, errs.Errorf(errs.Invalid, "the body is not UTF-8")
	case !json.Valid(body):
		return e, errs.Errorf(errs.Invalid, "the body is not JSON")
	case bytes.TrimLeft(body, " \t\r\n")[0] != '{':
		return e, errs.Errorf(errs.Invalid, "the body is not a JSON object")
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return e, errs.Wrap(errs.Invalid, err, "the body is not an envelope")
	}
	switch {
	case e.SchemaVersion > SchemaVersion || e.SchemaVersion < 0:
		return e, errs.Errorf(errs.Invalid, "schema_version %d is not one of 1 to %d: replay it after an upgrade", e.SchemaVersion, SchemaVersion)
	case e.EventType != wantType:
		return e, errs.Errorf(errs.Invalid, "eventType is not %s", wantType)
	case len(e.Data) == 0 || bytes.Equal(e.Data, []byte("null")):
		return e, errs.Errorf(errs.Invalid, "data is missing")
	}
	return e, nil
}
