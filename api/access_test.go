package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

// fakeAccess knows callers by their bearer token or session, and keeps the audit log in memory.
type fakeAccess struct {
	mu      sync.Mutex
	entries []auth.Entry
	// fail is what writing the audit log gives when it is set.
	fail   error
	create func(ctx context.Context, by string, in auth.KeyInput) (auth.Key, auth.KeyInfo, error)
	revoke func(ctx context.Context, by, id string) (auth.KeyInfo, error)
}

func newFakeAccess() *fakeAccess { return &fakeAccess{} }

func (f *fakeAccess) Create(ctx context.Context, by string, in auth.KeyInput) (auth.Key, auth.KeyInfo, error) {
	return f.create(ctx, by, in)
}

func (f *fakeAccess) Revoke(ctx context.Context, by, id string) (auth.KeyInfo, error) {
	return f.revoke(ctx, by, id)
}

func (f *fakeAccess) BeginEntry(_ context.Context, e auth.Entry) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return 0, f.fail
	}
	f.entries = append(f.entries, e)
	return int64(len(f.entries)), nil
}

func (f *fakeAccess) EndEntry(_ context.Context, id int64, status int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries[id-1].Status = status
	return nil
}

func (f *fakeAccess) log() []auth.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.entries)
}

// keysOf and logOf are the two lists, which have one name.
type (
	keysOf struct{ *fakeAccess }
	logOf  struct{ *fakeAccess }
)

func (keysOf) List(context.Context, cursor.Position, int) (cursor.Page[auth.KeyInfo], error) {
	return cursor.Page[auth.KeyInfo]{Items: []auth.KeyInfo{keyInfo()}}, nil
}

func (logOf) List(context.Context, string, cursor.Position, int) (cursor.Page[auth.Entry], error) {
	return cursor.Page[auth.Entry]{Items: []auth.Entry{
		{ID: 2, At: now, Principal: "key:9f8e7d6c5b4a3921", Operation: "pauseCampaign", Target: campaignID.String(), RequestID: "req-1", Status: 200},
		{ID: 1, At: now, Principal: "user:accounts.google.com|1", Operation: "createSegment", RequestID: "req-0"},
	}}, nil
}

func keyInfo() auth.KeyInfo {
	return auth.KeyInfo{
		KeyRecord: auth.KeyRecord{ID: "9f8e7d6c5b4a3921", Name: "shop backend", Scopes: []auth.Scope{auth.Ingest}},
		CreatedBy: "operator", CreatedAt: now,
	}
}

// callers are the principals of the matrix, by the token that each sends.
func callers() map[string]auth.Principal {
	key := func(id string, role auth.Role, scopes ...auth.Scope) auth.Principal {
		return auth.Principal{Kind: auth.APIKey, KeyID: id, Role: role, Scopes: scopes}
	}
	return map[string]auth.Principal{
		"viewer": key("viewer", auth.Viewer), "editor": key("editor", auth.Editor), "admin": key("admin", auth.Admin),
		"ingest": key("ingest", auth.NoRole, auth.Ingest), "receipts": key("receipts", auth.NoRole, auth.Receipts),
		"nobody": key("nobody", auth.NoRole),
	}
}

// tokens authenticates by callers, and a cookie "session" as an editor in a browser.
type tokens struct{}

func (tokens) Authenticate(_ context.Context, c auth.Credentials) (auth.Principal, error) {
	if p, ok := callers()[c.Bearer]; ok {
		return p, nil
	}
	switch {
	case c.Bearer == "away":
		return auth.Principal{}, errs.Errorf(errs.Unavailable, "API keys cannot be checked now: try again")
	case c.Bearer != "":
		return auth.Principal{}, errs.Errorf(errs.Unauthorized, "the API key is unknown, expired or revoked")
	case c.Cookies["session"] == "good":
		return auth.Principal{Kind: auth.User, Issuer: "https://accounts.google.com", Subject: "1", Role: auth.Editor, Ambient: true}, nil
	}
	return auth.Principal{}, auth.ErrNoCredential
}

func guarded(d *api.Deps) { d.Access.Authenticator = tokens{} }

// operations lists every operation of the document with a path that can be called.
func operations(t *testing.T, b *bundle) []string {
	t.Helper()
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil))
	var doc struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		} `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	var out []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			path := strings.NewReplacer("{id}", campaignID.String(), "{segmentId}", segmentID.String(), "{keyId}", "9f8e7d6c5b4a3921").Replace(path)
			out = append(out, op.ID+" "+strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(out)
	require.NotEmpty(t, out)
	return out
}

// TestAccessMatrix asks every route as every caller. What is let in ends in a panic of the fakes, which none of
// them expects: 500. The table is written down, so that a change of it is seen.
func TestAccessMatrix(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded)
	who := []string{"", "forged", "nobody", "viewer", "editor", "admin", "ingest", "receipts"}
	var table strings.Builder
	fmt.Fprintf(&table, "%-22s", "operation")
	for _, name := range who {
		fmt.Fprintf(&table, " %-9s", map[bool]string{true: "none", false: name}[name == ""])
	}
	for _, op := range operations(t, b) {
		part := strings.Fields(op)
		fmt.Fprintf(&table, "\n%-22s", part[0])
		for _, name := range who {
			fmt.Fprintf(&table, " %-9s", b.ask(t, part[1], part[2], name))
		}
	}
	table.WriteString("\n")
	file := filepath.Join("testdata", "access.txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(table.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update")
	require.Equal(t, string(want), table.String())
}

// countingReader counts what is read of a body.
type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// ask gives "in", or the status of a refusal.
func (b *bundle) ask(t *testing.T, method, path, token string) string {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{"))
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, req)
	switch w.Code {
	case http.StatusUnauthorized:
		if method+path != "POST/receipts" {
			require.Equal(t, `Bearer realm="xencrm"`, w.Header().Get("WWW-Authenticate"), path)
		}
		return "401"
	case http.StatusForbidden:
		return "403"
	}
	return "in"
}

func TestAccess(t *testing.T) {
	t.Parallel()
	const segment = "/api/segments"

	t.Run("ARefusalComesBeforeTheBodyIsRead", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		body := &countingReader{r: strings.NewReader(strings.Repeat("x", 1<<20))}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, segment, body)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, req)
		require.Equal(t, http.StatusUnauthorized, w.Code)
		require.Zero(t, body.n)
	})

	t.Run("CreatedByIsThePrincipalWhateverTheBodySays", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		var by string
		b.campaigns.create = func(_ context.Context, in campaign.CreateInput) (campaign.Campaign, error) {
			by = in.Principal
			return campaign.Campaign{ID: campaignID}, nil
		}
		body := `{"name":"Diwali","segment_id":"` + segmentID.String() + `","message_template":"Hi","created_by":"somebody@else.in"}`
		require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, "/api/campaigns", body, "Authorization", "Bearer editor").Code)
		require.Equal(t, "key:editor", by)
	})

	t.Run("ACheckThatCannotBeMadeIsNoRefusal", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodGet, segment, "", "Authorization", "Bearer away").Code)
	})

	t.Run("OddAuthorizationHeadersAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		for _, header := range []string{"admin", "Basic admin", "Bearer", "Bearer  ", "bearer"} {
			require.Equal(t, http.StatusUnauthorized, b.call(t, http.MethodGet, segment, "", "Authorization", header).Code, header)
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, segment, nil)
		req.Header["Authorization"] = []string{"Bearer admin", "Bearer viewer"}
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, req)
		require.Equal(t, http.StatusUnauthorized, w.Code)
	})

	t.Run("MethodOverridesAreNoWayAround", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		target := "/api/customers/" + customerID.String()
		w := b.call(t, http.MethodDelete, target, "", "Authorization", "Bearer viewer", "X-HTTP-Method-Override", "GET")
		require.Equal(t, http.StatusForbidden, w.Code)
	})

	t.Run("APageOfAnotherSiteCannotUseASession", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded, func(d *api.Deps) { d.Access.Origins = []string{"https://crm.shop.in"} })
		target := "/api/campaigns/" + campaignID.String() + "/pause"
		for _, c := range []struct {
			site, origin string
			want         int
		}{
			{"cross-site", "https://evil.example", http.StatusForbidden},
			{"same-site", "https://other.shop.in", http.StatusForbidden},
			{"cross-site", "null", http.StatusForbidden},
			{"", "http://crm.shop.in", http.StatusForbidden},
			{"same-origin", "https://api.shop.in", http.StatusInternalServerError}, // in, and the fake panics
			{"cross-site", "https://crm.shop.in", http.StatusInternalServerError},
		} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, nil)
			req.AddCookie(&http.Cookie{Name: "session", Value: "good"})
			if c.site != "" {
				req.Header.Set("Sec-Fetch-Site", c.site)
			}
			req.Header.Set("Origin", c.origin)
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, req)
			require.Equal(t, c.want, w.Code, "%s %s", c.site, c.origin)
		}
	})

	t.Run("ACallerIsHeldToARate", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded, func(d *api.Deps) { d.Access.PerSecond = 3 })
		codes := map[int]int{}
		for range 20 {
			codes[b.call(t, http.MethodGet, "/api/me", "", "Authorization", "Bearer viewer").Code]++
		}
		require.GreaterOrEqual(t, codes[http.StatusOK], 3)
		require.Positive(t, codes[http.StatusTooManyRequests])
		require.Equal(t, http.StatusOK, b.call(t, http.MethodGet, "/api/me", "", "Authorization", "Bearer editor").Code, "another one is not")
	})
}

func TestAuditLog(t *testing.T) {
	t.Parallel()
	target := "/api/campaigns/" + campaignID.String() + "/pause"

	t.Run("AChangeIsWrittenDownWithItsOutcome", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		b.campaigns.steer = func(context.Context, string, uuid.UUID) (campaign.Progress, error) {
			return campaign.Progress{}, nil
		}
		b.call(t, http.MethodPost, target, "", "Authorization", "Bearer editor")
		require.Equal(t, []auth.Entry{{
			Principal: "key:editor", Operation: "pauseCampaign", Target: campaignID.String(), RequestID: "req-1", Status: http.StatusOK,
		}}, b.access.log())
	})

	t.Run("SoIsOneThatWasNotAllowed", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		b.call(t, http.MethodPost, target, "", "Authorization", "Bearer viewer")
		require.Len(t, b.access.log(), 1)
		require.Equal(t, http.StatusForbidden, b.access.log()[0].Status)
	})

	t.Run("AndOneWhoseProcessDied", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded) // the fake of campaigns panics
		b.call(t, http.MethodPost, target, "", "Authorization", "Bearer editor")
		require.Len(t, b.access.log(), 1)
		require.Zero(t, b.access.log()[0].Status)
	})

	t.Run("ReadsAndStrangersAreNot", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		b.call(t, http.MethodGet, "/api/me", "", "Authorization", "Bearer editor")
		b.call(t, http.MethodPost, target, "", "Authorization", "Bearer forged")
		require.Empty(t, b.access.log())
	})

	t.Run("WhatCannotBeWrittenDownIsNotDone", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		b.access.fail = errs.Errorf(errs.Unavailable, "the database is away")
		require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodPost, target, "", "Authorization", "Bearer editor").Code)
	})

	t.Run("APersonalTargetIsNotWrittenDown", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		b.call(t, http.MethodPost, "/api/campaigns/asha@shop.in/pause", "", "Authorization", "Bearer editor")
		require.Len(t, b.access.log(), 1)
		require.Empty(t, b.access.log()[0].Target)
	})
}

func TestKeyRoutes(t *testing.T) {
	t.Parallel()

	t.Run("TheKeyIsShownOnceAndNotKeptForRepeats", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		made := auth.NewKey()
		b.access.create = func(_ context.Context, by string, in auth.KeyInput) (auth.Key, auth.KeyInfo, error) {
			require.Equal(t, "key:admin", by)
			require.Equal(t, auth.KeyInput{Name: "shop", Role: auth.Editor, Scopes: []auth.Scope{auth.Ingest}}, in)
			return made, keyInfo(), nil
		}
		w := b.call(t, http.MethodPost, "/api/keys", `{"name":"shop","role":"editor","scopes":["ingest"]}`,
			"Authorization", "Bearer admin", "Idempotency-Key", "k")
		require.Equal(t, http.StatusCreated, w.Code)
		require.Contains(t, w.Body.String(), made.Reveal())
		require.Zero(t, b.repeats.size())
		require.NotContains(t, b.logs.String(), made.Reveal())
	})

	t.Run("Bodies", func(t *testing.T) {
		t.Parallel()
		b := setup(t, guarded)
		b.access.revoke = func(_ context.Context, by, id string) (auth.KeyInfo, error) {
			k := keyInfo()
			k.ID, k.RevokedBy, k.RevokedAt = id, by, now
			return k, nil
		}
		admin := []string{"Authorization", "Bearer admin"}
		golden(t, "keys_list", b.call(t, http.MethodGet, "/api/keys", "", admin...))
		golden(t, "keys_revoked", b.call(t, http.MethodDelete, "/api/keys/9f8e7d6c5b4a3921", "", admin...))
		golden(t, "keys_bad_expiry", b.call(t, http.MethodPost, "/api/keys", `{"name":"x","expires_at":"tomorrow"}`, admin...))
		golden(t, "audit_list", b.call(t, http.MethodGet, "/api/audit", "", admin...))
		golden(t, "me", b.call(t, http.MethodGet, "/api/me", "", admin...))
		golden(t, "unauthorized", b.call(t, http.MethodGet, "/api/me", ""))
		golden(t, "forbidden", b.call(t, http.MethodGet, "/api/keys", "", "Authorization", "Bearer viewer"))
	})
}

func TestSharing(t *testing.T) {
	t.Parallel()
	b := setup(t, func(d *api.Deps) { d.Access.Origins = []string{"https://crm.shop.in"} })
	preflight := func(origin string) http.Header {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/api/segments", nil)
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", http.MethodPost)
		req.Header.Set("Access-Control-Request-Headers", "authorization,content-type,idempotency-key")
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, req)
		return w.Header()
	}
	good := preflight("https://crm.shop.in")
	require.Equal(t, "https://crm.shop.in", good.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", good.Get("Access-Control-Allow-Credentials"))
	for _, evil := range []string{"https://evil.example", "http://crm.shop.in", "https://crm.shop.in:8443", "https://crm.shop.in.evil.example", "null"} {
		require.Empty(t, preflight(evil).Get("Access-Control-Allow-Origin"), evil)
	}
}
