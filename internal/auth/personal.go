package auth

import "log/slog"

// withheld stands where a personal or secret text would have been printed.
const withheld = "[withheld]"

// Personal is a text about a person. It prints, logs and encodes as "[withheld]", so that a Principal
// in a log line, an error or a workflow input gives nobody away; string(p) is the text itself.
type Personal string

// String hides the text from fmt.
func (p Personal) String() string {
	if p == "" {
		return ""
	}
	return withheld
}

// GoString hides the text from %#v.
func (p Personal) GoString() string { return p.String() }

// LogValue hides the text from slog.
func (p Personal) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText hides the text from encoding/json.
func (p Personal) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
