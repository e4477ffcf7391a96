package mcpbridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	t.Parallel()
	in := newLines(strings.NewReader("a\r\n\n" + strings.Repeat("x", maxMessage) + "\n" +
		strings.Repeat("y", maxMessage-1) + "\nlast"))
	want := func(line string) {
		t.Helper()
		got, err := in.next()
		require.NoError(t, err)
		require.Len(t, got, len(line))
		require.True(t, bytes.Equal([]byte(line), got)) // Equal would print megabytes
	}
	want("a")
	want("")
	_, err := in.next()
	require.ErrorIs(t, err, errTooLong)
	want(strings.Repeat("y", maxMessage-1))
	want("last")
	_, err = in.next()
	require.ErrorIs(t, err, io.EOF)
}

//nolint:dupword // events repeat their field
func TestEvents(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, stream, want string }{
		{"OneLine", "data: a\n\n", "a"},
		{"NoSpace", "data:a\n\n", "a"},
		{"CarriageReturns", "event: message\r\nid: 7\r\ndata: a\r\n\r\n", "a"},
		{"SeveralLines", "data: a\ndata: \ndata:  b\n\n", "a\n\n b"},
		{"SeveralEvents", "data: a\n\n: comment\n\ndata:\n\ndata: b\n\n", "a|b"},
		{"AnEventThatIsCutOff", "data: a\n\ndata: b", "a"},
		{"NothingButAName", "event: ping\n\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			require.NoError(t, eachEvent(strings.NewReader(tt.stream), func(data []byte) error {
				got = append(got, string(data))
				return nil
			}))
			require.Equal(t, tt.want, strings.Join(got, "|"))
		})
	}

	t.Run("AnEventAboveTheLimitEndsIt", func(t *testing.T) {
		t.Parallel()
		half := "data: " + strings.Repeat("x", maxMessage/2) + "\n"
		err := eachEvent(strings.NewReader(half+half+"\n"), func([]byte) error { return errors.New("it was passed on") })
		require.ErrorIs(t, err, errTooLong)
	})
}

// FuzzParse feeds lines of a client: whatever comes, the outcome is a message that can be carried or a
// failure that is one line of JSON.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`, `{"id":null,"method":"m","params":[1]}`, `{"id":{},"result":{}}`, `[]`, `{`,
		`{"method":"notifications/cancelled","params":{"requestId":1}}`, `{"METHOD":"x","params":{"_meta":null}}`, "\"\xff\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parse(raw)
		if err != nil {
			line := failureOf(err).line(m.id)
			require.True(t, json.Valid(line), "%s", line)
			require.NotContains(t, string(line), "\n")
			return
		}
		require.True(t, bytes.Equal(raw, m.raw))
		require.True(t, m.method != "" || len(m.id) > 0)
		_ = m.cancelled() // must not panic
		require.True(t, json.Valid(away("gone").line(m.id)))
	})
}

// FuzzAnswer feeds what a server says: it is passed on as one line of JSON, or not at all.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{}}`, "{\n\"jsonrpc\":\"2.0\",\n\"method\":\"notifications/progress\"}",
		`{"jsonrpc":"2.0","error":{"code":1.5}}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}}`, `<html>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := parseAnswer(raw)
		if err != nil {
			return
		}
		require.True(t, json.Valid(a.line))
		require.NotContains(t, string(a.line), "\n")
	})
}
