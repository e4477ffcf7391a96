package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

func aSuppression() campaign.Suppression {
	return campaign.Suppression{Email: "asha@shop.in", Reason: campaign.SuppressedBounced, CreatedBy: "anonymous", CreatedAt: now}
}

// alwaysSuppressions gives fakes whose every method succeeds.
func alwaysSuppressions(b *bundle) {
	b.suppressions.list = func(context.Context, campaign.SuppressionFilter) (cursor.Page[campaign.Suppression], error) {
		return cursor.Page[campaign.Suppression]{
			Items: []campaign.Suppression{aSuppression()}, Next: cursor.Position{Key: "asha@shop.in"},
		}, nil
	}
	b.suppressions.add = func(context.Context, string, string, string) (campaign.Suppression, bool, error) {
		return aSuppression(), true, nil
	}
	b.suppressions.remove = func(context.Context, string) (bool, error) { return true, nil }
	b.suppressions.checkLink = func(string) error { return nil }
	b.suppressions.unsubscribe = func(context.Context, string) error { return nil }
}

func TestSuppressions(t *testing.T) {
	t.Parallel()

	t.Run("WhatIsSuppressedAlreadyIs200", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.suppressions.add = func(_ context.Context, email, reason, principal string) (campaign.Suppression, bool, error) {
			require.Equal(t, []string{"asha@shop.in", "", "anonymous"}, []string{email, reason, principal})
			return aSuppression(), false, nil
		}
		require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, "/api/suppressions", `{"email":"asha@shop.in"}`).Code)
	})

	t.Run("APlusInTheAddressComesThrough", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var got []string
		b.suppressions.remove = func(_ context.Context, email string) (bool, error) {
			got = append(got, email)
			return false, nil
		}
		require.Equal(t, http.StatusOK, b.call(t, http.MethodDelete, "/api/suppressions?email=a%2Bb%2F%40shop.in", "").Code)
		require.Equal(t, []string{"a+b/@shop.in"}, got)
	})

	tests := []struct {
		name, method, target, body string
		want                       int
	}{
		{"C1NoAddress", "POST", "/api/suppressions", `{}`, 422},
		{"C1NoAt", "POST", "/api/suppressions", `{"email":"asha"}`, 422},
		{"C1Injection", "POST", "/api/suppressions", `{"email":"a@x.com\nBcc:b@x.com"}`, 422},
		{"UnknownReason", "POST", "/api/suppressions", `{"email":"a@x.com","reason":"ERASED"}`, 422},
		{"ReasonInLowerCase", "POST", "/api/suppressions", `{"email":"a@x.com","reason":"bounced"}`, 422},
		{"R5UnknownMember", "POST", "/api/suppressions", `{"email":"a@x.com","id":1}`, 400},
		{"RemoveNobody", "DELETE", "/api/suppressions", "", 422},
		{"RemoveWithABarePlus", "DELETE", "/api/suppressions?email=a+b@x.com", "", 422},
		{"ListUnknownReason", "GET", "/api/suppressions?reason=x", "", 400},
		{"ListBadCursor", "GET", "/api/suppressions?cursor=x", "", 400},
		{"ListBadAddress", "GET", "/api/suppressions?email=x", "", 422},
	}
	for _, tt := range tests {
		t.Run("Refuses"+tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			real := campaign.NewSuppressions(nil, campaign.Links{}) // what is refused never comes to a store
			b.suppressions.add, b.suppressions.remove, b.suppressions.list = real.Add, real.Remove, real.List
			require.Equal(t, tt.want, b.call(t, tt.method, tt.target, tt.body).Code)
		})
	}
}

// open calls a link as a browser or a mail program does.
func (b *bundle) open(t *testing.T, method, token, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "/u/"+token, strings.NewReader(body))
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, req)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"), "the link is a credential")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "form-action 'self'")
	require.Empty(t, w.Header().Get("Set-Cookie"))
	require.NotContains(t, w.Body.String(), "<script")
	require.NotContains(t, b.logs.String(), token)
	return w
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	const form, oneClick = "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"
	token := strings.Repeat("A", 87)

	t.Run("OpeningTheLinkOnlyAsks", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.suppressions.checkLink = func(string) error { return nil }
		// unsubscribe is not set: calling it would fail.
		w := b.open(t, http.MethodGet, token, "", "")
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), `<form method="post">`)
		require.Contains(t, w.Body.String(), `name="List-Unsubscribe" value="One-Click"`)
	})

	for name, request := range map[string][2]string{
		"AForm":            {form, oneClick},
		"AFormWithMore":    {form, oneClick + "&x=y"},
		"AMultipartForm":   {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n"},
		"AFormWithCharset": {form + "; charset=utf-8", oneClick},
	} {
		t.Run("OneClickIs"+name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var got []string
			b.suppressions.unsubscribe = func(_ context.Context, token string) error {
				got = append(got, token)
				return nil
			}
			w := b.open(t, http.MethodPost, token, request[0], request[1])
			require.Equal(t, http.StatusOK, w.Code)
			require.NotContains(t, w.Body.String(), "<form")
			require.Equal(t, []string{token}, got)
		})
	}

	for name, request := range map[string][2]string{
		"NoBody": {"", ""}, "AnotherValue": {form, "List-Unsubscribe=Yes"}, "JSON": {"application/json", `{"List-Unsubscribe":"One-Click"}`},
		"ATooLongForm": {form, "x=" + strings.Repeat("y", 5000) + "&" + oneClick},
	} {
		t.Run("IsNot"+name, func(t *testing.T) {
			t.Parallel()
			// unsubscribe is not set: calling it would fail.
			require.Equal(t, http.StatusBadRequest, setup(t).open(t, http.MethodPost, token, request[0], request[1]).Code)
		})
	}

	t.Run("ALinkThatIsNotOursIs404", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		real := campaign.NewSuppressions(nil, campaign.NewLinks("https://x.in", "secret"))
		b.suppressions.checkLink, b.suppressions.unsubscribe = real.CheckLink, real.Unsubscribe
		require.Equal(t, http.StatusNotFound, b.open(t, http.MethodGet, token, "", "").Code)
		require.Equal(t, http.StatusNotFound, b.open(t, http.MethodPost, token, form, oneClick).Code)
	})

	t.Run("AFaultOfOursIsTriedAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.suppressions.unsubscribe = func(context.Context, string) error {
			return errs.Errorf(errs.Unavailable, "the database is away")
		}
		w := b.open(t, http.MethodPost, token, form, oneClick)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		require.NotContains(t, w.Body.String(), "database")
		require.Contains(t, b.logs.String(), "the database is away")
	})
}
