// Package httpvendor is the vendor port over HTTP.
//
// It owns the connections and the reading of answers into vendor.Error kinds. It does not retry, does
// not count attempts and does not log: the caller decides, once per outcome.
package httpvendor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

const (
	// DefaultTimeout is design.md's 5 s for the whole call, under the activity's 15 s start-to-close.
	DefaultTimeout = 5 * time.Second
	// DefaultMaxRetryAfter bounds what a vendor may ask for: an hour is the default send deadline of a
	// campaign, so anything longer would only be waiting for that.
	DefaultMaxRetryAfter = time.Hour
	// DefaultMaxIdleConns keeps a connection for each of about 1,000 sends in flight (16 lanes of 45, or
	// pages of 45 posts); with fewer, the excess would be dialled anew for every message.
	DefaultMaxIdleConns = 1024
	// dialTimeout leaves most of the call's time for the answer.
	dialTimeout = 2 * time.Second
	// idleTimeout is below the 2 minutes of the mock's server and of most load balancers, so that it is
	// us who drop an idle connection and not they, in the middle of a post.
	idleTimeout = 60 * time.Second
	// maxHeader bounds an answer's header like vendor.MaxBody bounds its body.
	maxHeader = 16 << 10
)

// Config says where the vendor is and how long to wait. Zero durations and sizes mean the defaults.
type Config struct {
	// BaseURL is http or https, with an optional path.
	BaseURL string
	// Token is sent as a bearer token when it is not empty.
	Token         string
	Timeout       time.Duration
	MaxRetryAfter time.Duration
	MaxIdleConns  int
	// Now is the clock for a Retry-After that is a date; time.Now when nil.
	Now func() time.Time
}

// ApplyDefaults fills in what was left zero.
func (c *Config) ApplyDefaults() {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxRetryAfter <= 0 {
		c.MaxRetryAfter = DefaultMaxRetryAfter
	}
	if c.MaxIdleConns <= 0 {
		c.MaxIdleConns = DefaultMaxIdleConns
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Client is a vendor.Client over HTTP.
type Client struct {
	c         Config
	url       string
	transport *http.Transport
}

var _ vendor.Client = (*Client)(nil)

// New gives errs.Invalid when the base URL cannot be one.
func New(c Config) (*Client, error) {
	c.ApplyDefaults()
	u, err := url.Parse(c.BaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errs.Errorf(errs.Invalid, "vendor URL must be http:// or https:// and a host")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errs.Errorf(errs.Invalid, "vendor URL must have no user, query or fragment")
	}
	if strings.ContainsAny(c.Token, "\r\n") {
		return nil, errs.Errorf(errs.Invalid, "vendor token must be one line")
	}
	return &Client{
		c:   c,
		url: strings.TrimSuffix(c.BaseURL, "/") + vendor.MessagesPath,
		transport: &http.Transport{
			// No Proxy: messages hold personal data and go where the configuration says, not where an
			// environment variable does.
			DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout:    dialTimeout,
			MaxIdleConns:           c.MaxIdleConns,
			MaxIdleConnsPerHost:    c.MaxIdleConns,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true, // Answers are 200 bytes.
			ForceAttemptHTTP2:      true, // A custom DialContext turns it off for https otherwise.
		},
	}, nil
}

// Close drops idle connections; calls in flight go on.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Send posts r once. net/http itself repeats the post on a fresh connection when a kept-alive one turns
// out to be dead, because an Idempotency-Key says that this is safe.
func (c *Client) Send(ctx context.Context, r vendor.Request) (vendor.Result, error) {
	if !vendor.IsRef(r.IdempotencyKey) {
		return vendor.Result{}, refusedHere("idempotency key must be 1 to 255 printable characters")
	}
	body, err := json.Marshal(r)
	if err != nil {
		return vendor.Result{}, refusedHere("message cannot be encoded")
	}
	if len(body) > vendor.MaxBody {
		return vendor.Result{}, refusedHere(fmt.Sprintf("message is over %d bytes", vendor.MaxBody))
	}
	ctx, cancel := context.WithTimeout(ctx, c.c.Timeout)
	defer cancel()
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return vendor.Result{}, noAnswer(err)
	}
	c.setHeaders(post.Header, r)
	// The transport is used without http.Client: no redirects (they would carry the message to another
	// host), no cookies, and the timeout above covers the body as well.
	resp, err := c.transport.RoundTrip(post)
	if err != nil {
		return vendor.Result{}, noAnswer(err)
	}
	defer func() { _ = resp.Body.Close() }() // The answer was read, or is not believed anyway.
	return c.read(r, resp)
}

func (c *Client) setHeaders(h http.Header, r vendor.Request) {
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json")
	h.Set("User-Agent", "xencrm")
	h.Set(vendor.HeaderIdempotencyKey, r.IdempotencyKey)
	if r.Attempt > 0 {
		h.Set(vendor.HeaderAttempt, strconv.Itoa(r.Attempt))
	}
	if r.MaxAttempts > 0 {
		h.Set(vendor.HeaderMaxAttempts, strconv.Itoa(r.MaxAttempts))
	}
	if c.c.Token != "" {
		h.Set("Authorization", "Bearer "+c.c.Token)
	}
}

// read takes the whole body, at most vendor.MaxBody: the connection can be used again only after
// that, and an endless answer must not fill the memory.
func (c *Client) read(r vendor.Request, resp *http.Response) (vendor.Result, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, vendor.MaxBody+1))
	if err != nil {
		e := noAnswer(err)
		e.HTTPStatus = resp.StatusCode
		return vendor.Result{}, e
	}
	a := answer{
		status:     resp.StatusCode,
		retryAfter: retryAfter(resp.Header.Get("Retry-After"), c.c.Now(), c.c.MaxRetryAfter),
		body:       body,
	}
	return a.judge(r)
}
