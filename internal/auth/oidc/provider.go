package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

const (
	// issuerTimeout bounds one call to the issuer; somebody who waits for the answer is behind it.
	issuerTimeout = 5 * time.Second
	// maxAnswer bounds the issuer's answers in bytes: Google's are below 5 KiB.
	maxAnswer = 256 << 10
)

// provider knows where the issuer's endpoints are. It asks when somebody first needs to know, not at
// the start: the system must come up while the issuer is away.
type provider struct {
	issuer string
	client *http.Client
	group  singleflight.Group
	found  atomic.Pointer[endpoints]
}

type endpoints struct {
	oauth2  oauth2.Endpoint
	jwksURL string
}

func newProvider(cfg Config) *provider {
	return &provider{
		issuer: cfg.Issuer,
		client: &http.Client{
			Transport: capped{cfg.Transport},
			Timeout:   issuerTimeout,
			// The endpoints are where discovery says; a redirect could lead to plain http.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// endpoints gives the issuer's endpoints, and remembers them until the process ends.
func (p *provider) endpoints(ctx context.Context) (*endpoints, error) {
	if found := p.found.Load(); found != nil {
		return found, nil
	}
	_, err, _ := p.group.Do("", func() (any, error) {
		found, err := p.discover(context.WithoutCancel(ctx)) // others wait for it, too
		if err == nil {
			p.found.Store(found)
		}
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	return p.found.Load(), nil
}

func (p *provider) discover(ctx context.Context) (*endpoints, error) {
	// go-oidc compares the issuer in the document with ours.
	found, err := gooidc.NewProvider(p.withClient(ctx), p.issuer)
	if err != nil {
		return nil, fmt.Errorf("discover the issuer: %w", err)
	}
	var more struct {
		JWKSURL string `json:"jwks_uri"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, fmt.Errorf("read the issuer's discovery document: %w", err)
	}
	e := &endpoints{oauth2: found.Endpoint(), jwksURL: more.JWKSURL}
	// Client authentication by header is what a client that registered nothing else is entitled to.
	e.oauth2.AuthStyle = oauth2.AuthStyleInHeader
	for _, u := range []string{e.jwksURL, e.oauth2.AuthURL, e.oauth2.TokenURL} {
		if !safeURL(u) {
			return nil, fmt.Errorf("the issuer's discovery document names %q, which is not https", u)
		}
	}
	return e, nil
}

// fetchKeys gets the issuer's keys, and for how long they may be kept.
func (p *provider) fetchKeys(ctx context.Context) (jose.JSONWebKeySet, time.Duration, error) {
	var set jose.JSONWebKeySet
	e, err := p.endpoints(ctx)
	if err != nil {
		return set, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.jwksURL, nil)
	if err != nil {
		return set, 0, fmt.Errorf("ask for the issuer's keys: %w", err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return set, 0, fmt.Errorf("ask for the issuer's keys: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	if resp.StatusCode != http.StatusOK {
		return set, 0, fmt.Errorf("ask for the issuer's keys: status %d", resp.StatusCode)
	}
	// One by one: a key of a kind that we do not know must not hide the others.
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		return set, 0, fmt.Errorf("read the issuer's keys: %w", err)
	}
	for _, text := range raw.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) == nil {
			set.Keys = append(set.Keys, key)
		}
	}
	return set, lifetime(resp.Header), nil
}

// withClient makes go-oidc and oauth2 use our client.
func (p *provider) withClient(ctx context.Context) context.Context {
	return gooidc.ClientContext(ctx, p.client)
}

// capped cuts off answers that are too long; the libraries read them whole.
type capped struct{ http.RoundTripper }

// RoundTrip sends the request.
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}
