package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// caller is a program with a key.
type caller struct {
	system *system
	key    string
}

// call is one request: body goes out as JSON, or raw as it is.
type call struct {
	method, path string
	header       http.Header
	body         any
	raw          []byte
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func get(path string) call { return call{method: http.MethodGet, path: path} }

func send(method, path string, body any) call {
	c := call{method: method, path: path, header: http.Header{}}
	if body != nil {
		c.body = body
		c.header.Set("Content-Type", "application/json")
	}
	return c
}

func (c call) ifMatch(tag string) call {
	c.header = c.header.Clone()
	c.header.Set("If-Match", tag)
	return c
}

// do asks and reads the answer to its end, which for a stream is its own.
func (c caller) do(t *testing.T, r call) reply {
	t.Helper()
	if r.body != nil {
		raw, err := json.Marshal(r.body)
		require.NoError(t, err)
		r.raw = raw
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, c.system.env["XENCRM_URL"]+r.path, bytes.NewReader(r.raw))
	require.NoError(t, err)
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	client := http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return reply{res.StatusCode, res.Header, body}
}

// must asks, wants the status, and decodes the answer if out is given.
func (c caller) must(t *testing.T, r call, status int, out any) reply {
	t.Helper()
	got := c.do(t, r)
	require.Equal(t, status, got.status, "%s %s: %s", r.method, r.path, got.body)
	if out != nil {
		require.NoError(t, json.Unmarshal(got.body, out), string(got.body))
	}
	return got
}
