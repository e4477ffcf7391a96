package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client calls the public REST API, as any user's program would.
type client struct {
	base string
	// key is the API key, empty while authentication is off.
	key  string
	http *http.Client
}

func newClient(base, key string) *client {
	return &client{base: base, key: key, http: &http.Client{
		Timeout:   15 * time.Second, // the slowest call, an order for a customer still queued, waits a second
		Transport: &http.Transport{MaxIdleConnsPerHost: seedParallel},
	}}
}

// jsonNumber puts a decimal into JSON as it stands, without passing through a float.
type jsonNumber = json.Number

// busyPause is the wait before a request is repeated that met a dependency that was away.
const busyPause = 250 * time.Millisecond

// request is one call: body is sent as JSON, want is the status that means success.
type request struct {
	method, path, key string
	body              any
	want              int
}

// post sends body under an idempotency key and wants the status.
func (c *client) post(ctx context.Context, path, key string, body any, want int) error {
	return c.call(ctx, request{method: http.MethodPost, path: path, key: key, body: body, want: want}, nil)
}

func (c *client) get(ctx context.Context, path string, out any) error {
	return c.call(ctx, request{method: http.MethodGet, path: path, want: http.StatusOK}, out)
}

// call makes a request. One that is told to come back later, or whose connection is lost, is repeated under the same key until ctx
// ends: that is what the key is for.
func (c *client) call(ctx context.Context, r request, out any) error {
	raw, err := json.Marshal(r.body)
	if err != nil {
		return err
	}
	for {
		status, answer, err := c.once(ctx, r, raw)
		switch {
		case err == nil && status == r.want:
			if out == nil {
				return nil
			}
			return json.Unmarshal(answer, out)
		case err == nil && !later(status, answer):
			return fmt.Errorf("%s %s: status %d, want %d: %s", r.method, r.path, status, r.want, answer)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w", r.method, r.path, errors.Join(ctx.Err(), err))
		case <-time.After(busyPause):
		}
	}
}

// later reports whether an answer says that the same request may succeed in a moment.
func later(status int, answer []byte) bool {
	running := status == http.StatusConflict && bytes.Contains(answer, []byte("/problems/idempotency-key-running"))
	return running || status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

func (c *client) once(ctx context.Context, r request, raw []byte) (int, []byte, error) {
	var body io.Reader
	if r.method != http.MethodGet {
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, body)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}
