package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/internal/auth"
)

// TestMCPDoor is who gets to the assistants' handler, which says who came and how much.
func TestMCPDoor(t *testing.T) {
	t.Parallel()
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.FromContext(r.Context())
		raw, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %d", p.ID(), len(raw)) // to a recorder
	})
	open := func(d *api.Deps) {
		d.MCP = api.MCP{Handler: inside, Patience: time.Minute, Hosts: api.MCPHosts("10.1.2.3:8080", "https://crm.shop.in")}
		d.Access.Origins = []string{"https://console.shop.in"}
	}
	closed := setup(t)
	b := setup(t, open, func(d *api.Deps) { d.Access.Authenticator, d.Access.PerSecond = tokens{}, 1000 })
	nobody := setup(t, open)
	call := func(b *bundle, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/mcp", strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer viewer")
		if change != nil {
			change(r)
		}
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		return w
	}
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

	for name, tt := range map[string]struct {
		b      *bundle
		change func(*http.Request)
		status int
		want   string
	}{
		"AKey":                       {b, nil, 200, "key:viewer 2"},
		"AnybodyWithoutAuth":         {nobody, func(r *http.Request) { r.Header.Del("Authorization") }, 200, "anonymous 2"},
		"NoCredential":               {b, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "/problems/unauthorized"},
		"AForgedKey":                 {b, with("Authorization", "Bearer forged"), 401, "/problems/unauthorized"},
		"AnotherScheme":              {b, with("Authorization", "Basic dmlld2VyOg=="), 401, "/problems/unauthorized"},
		"ASessionIsNoCredentialHere": {b, func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("Cookie", "session=good") }, 401, "/problems/unauthorized"},
		"KeysCannotBeChecked":        {b, with("Authorization", "Bearer away"), 503, "/problems/unavailable"},
		"OurPublicName":              {b, host("crm.shop.in"), 200, "key:viewer"},
		"OurAddress":                 {b, host("10.1.2.3:8080"), 200, "key:viewer"},
		"Localhost":                  {b, host("localhost:8080"), 200, "key:viewer"},
		"LoopbackOfVersionSix":       {b, host("[::1]:8080"), 200, "key:viewer"},
		"ANameThatWasPointedAtUs":    {b, host("evil.example"), 403, "XENCRM_PUBLIC_URL"},
		"TheSameWithAPort":           {b, host("evil.example:8080"), 403, "XENCRM_PUBLIC_URL"},
		"AnotherAddress":             {b, host("192.168.0.1"), 403, "XENCRM_PUBLIC_URL"},
		"AllowedOrigin":              {b, with("Origin", "https://console.shop.in"), 200, "key:viewer"},
		"AnotherOrigin":              {b, with("Origin", "https://evil.example"), 403, "XENCRM_ALLOWED_ORIGINS"},
		"AnotherPort":                {b, with("Origin", "https://console.shop.in:8443"), 403, "XENCRM_ALLOWED_ORIGINS"},
		"AnotherScheme2":             {b, with("Origin", "http://console.shop.in"), 403, "XENCRM_ALLOWED_ORIGINS"},
		"NullOrigin":                 {b, with("Origin", "null"), 403, "XENCRM_ALLOWED_ORIGINS"},
		"OurOwnNameIsNoPassport":     {b, with("Origin", "http://127.0.0.1:8080"), 403, "XENCRM_ALLOWED_ORIGINS"},
		"FourMiB":                    {b, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", 4<<20))) }, 200, "key:viewer 4194304"},
		"OneByteMore":                {b, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", 4<<20+1))) }, 413, "/problems/body-too-large"},
		"AStream":                    {b, func(r *http.Request) { r.Method = http.MethodGet }, 405, "/problems/method-not-allowed"},
		"ADoorThatIsClosed":          {closed, nil, 404, "/problems/not-found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := call(tt.b, tt.change)
			require.Equal(t, tt.status, w.Code, w.Body)
			require.Contains(t, w.Body.String(), tt.want)
			if tt.status == http.StatusUnauthorized {
				require.Equal(t, `Bearer realm="xencrm"`, w.Header().Get("WWW-Authenticate"))
			}
		})
	}
	t.Run("TooManyASecond", func(t *testing.T) {
		t.Parallel()
		slow := setup(t, open, func(d *api.Deps) { d.Access.Authenticator, d.Access.PerSecond = tokens{}, 1 })
		require.Equal(t, http.StatusOK, call(slow, nil).Code)
		w := call(slow, nil)
		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		require.Equal(t, http.StatusOK, call(slow, with("Authorization", "Bearer editor")).Code, "others are not held up")
	})
}
