package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// outcome is what a client knows of its request.
type outcome string

const (
	// acknowledged: a 2xx came back, so the effect must be there.
	acknowledged outcome = "ok"
	// refused: a 4xx came back, so no effect may be there.
	refused outcome = "fail"
	// unknown: nothing was heard, or a 5xx. It is never counted as a failure.
	unknown outcome = "info"
)

// op is one request of a client, with all its repetitions under one key. The fields are the line that
// the history keeps of it.
type op struct {
	Round  string          `json:"round"`
	Kind   string          `json:"kind"` // customer, order, import, campaign, segment, control
	Key    string          `json:"key,omitempty"`
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body,omitempty"`
	// Rows is how many customers a file holds: its body is not kept.
	Rows    int             `json:"rows,omitempty"`
	Began   time.Time       `json:"began"`
	Ended   time.Time       `json:"ended"`
	Tries   int             `json:"tries"`
	Outcome outcome         `json:"outcome"`
	Status  int             `json:"status,omitempty"`
	Answer  json.RawMessage `json:"answer,omitempty"`
	// Lost is the error of the last try that was not answered.
	Lost string `json:"lost,omitempty"`

	file []byte // goes out as CSV, in place of Body
}

// client calls the public API as a careful program does: it repeats under the same key until it knows.
// It keeps a history of what it asked and what it was told, which the judge holds against the databases.
type client struct {
	http *http.Client
	file *os.File

	mu    sync.Mutex
	bases []string // the first that takes a connection is asked
	ops   []*op
}

// clientTimeout is longer than the API's own longest wait, so that most outcomes are told, and short
// enough to try again within a round.
const clientTimeout = 20 * time.Second

func newClient(base, history string) (*client, error) {
	file, err := os.Create(history) // our own directory
	if err != nil {
		return nil, err
	}
	return &client{
		bases: []string{base}, file: file,
		http: &http.Client{Timeout: clientTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: posters}},
	}, nil
}

func (c *client) close() error {
	c.http.CloseIdleConnections()
	return c.file.Close()
}

// do makes the request, and repeats it while its outcome is unknown, until ctx ends or patience does.
func (c *client) do(ctx context.Context, o *op, body any) error {
	var err error
	if o.Body, err = json.Marshal(body); err != nil {
		return err
	}
	if o.Method == "" {
		o.Method = http.MethodPost
	}
	o.Began = time.Now()
	err = poll(ctx, func() (bool, error) {
		c.once(ctx, o)
		return o.Outcome != unknown, nil
	})
	o.Ended = time.Now()
	if noteErr := c.note(o); noteErr != nil {
		return noteErr
	}
	if err != nil {
		return fmt.Errorf("%s %s is not answered (%d tries, last: %d %s): %w", o.Method, o.Path, o.Tries, o.Status, o.Lost, err)
	}
	return nil
}

func (c *client) once(ctx context.Context, o *op) {
	o.Tries++
	o.Outcome, o.Status = unknown, 0
	res, err := c.send(ctx, o)
	if err != nil {
		o.Lost = err.Error()
		return
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	raw, err := io.ReadAll(res.Body)
	o.Status = res.StatusCode
	switch {
	case err != nil || !json.Valid(raw):
		o.Lost = "an answer that is cut off"
	case res.StatusCode < http.StatusMultipleChoices:
		o.Outcome, o.Answer = acknowledged, raw
	case res.Header.Get("Retry-After") != "": // not now: somebody else may still be working on it
		o.Lost = string(raw)
	case res.StatusCode < http.StatusInternalServerError:
		o.Outcome, o.Answer = refused, raw
	default:
		o.Lost = string(raw)
	}
}

// send asks the first instance that takes the connection, as a balancer would: a refused connection
// has carried nothing.
func (c *client) send(ctx context.Context, o *op) (*http.Response, error) {
	c.mu.Lock()
	bases := c.bases
	c.mu.Unlock()
	var err error
	for _, base := range bases {
		var req *http.Request
		body, kind := []byte(o.Body), "application/json"
		if o.file != nil {
			body, kind = o.file, "text/csv"
		}
		req, err = http.NewRequestWithContext(ctx, o.Method, base+o.Path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", kind)
		if o.Key != "" {
			req.Header.Set("Idempotency-Key", o.Key)
		}
		var res *http.Response
		if res, err = c.http.Do(req); err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
			return res, err
		}
	}
	return nil, err
}

// balance says which instances of the API there are.
func (c *client) balance(bases ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bases = bases
}

func (c *client) note(o *op) error {
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, o)
	_, err = c.file.Write(append(raw, '\n'))
	return err
}

// history is everything that was asked so far, in the order of the answers.
func (c *client) history() []*op {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*op(nil), c.ops...)
}
