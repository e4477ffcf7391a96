package httpvendor_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/httpvendor"
	"github.com/xencrm/xencrm/internal/vendors/vendortest"
)

// against is a client of a server that answers as told.
func against(t *testing.T, c httpvendor.Config, answer http.HandlerFunc) *httpvendor.Client {
	t.Helper()
	server := httptest.NewServer(answer)
	c.BaseURL = server.URL
	client, err := httpvendor.New(c)
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return client
}

func TestSend(t *testing.T) {
	t.Parallel()

	t.Run("AsksAsTheContractSays", func(t *testing.T) {
		t.Parallel()
		var bodies []string
		client := against(t, httpvendor.Config{Token: "s3cret"}, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // Compared below.
			bodies = append(bodies, string(body))
			attempt := len(bodies)
			if r.Method+r.URL.Path != "POST/v1/messages" || r.Header.Get("Idempotency-Key") != "m-1" ||
				r.Header.Get("X-Attempt") != fmt.Sprint(attempt) || r.Header.Get("X-Max-Attempts") != "3" ||
				r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %s %s %v", r.Method, r.URL, r.Header)
			}
			_, _ = io.WriteString(w, `{"status":"ACCEPTED","vendor_ref":"v","communication_id":"m-1","answer":1,"new":{}}`)
		})
		r := vendortest.Request("m-1")
		r.CampaignID, r.CustomerID = "c-1", "u-1"
		for r.Attempt = 1; r.Attempt <= 2; r.Attempt++ {
			got, err := client.Send(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, vendor.Result{VendorRef: "v", Answer: 1}, got)
		}
		//nolint:testifylint // Byte for byte: the vendor fingerprints it.
		require.Equal(t, `{"communication_id":"m-1","campaign_id":"c-1","customer_id":"u-1",`+
			`"customer_email":"asha@example.com","customer_name":"Asha","message_text":"Hi Asha",`+
			`"campaign_name":"Diwali","campaign_type":"PROMOTIONAL"}`, bodies[0])
		require.Equal(t, bodies[0], bodies[1])
	})

	t.Run("JudgesAnswers", func(t *testing.T) {
		t.Parallel()
		const refused = `{"status":"FAILED","error_code":"%s","error_message":"no","retryable":%v,"communication_id":"m-1","answer":2}`
		say := func(code string, retryable bool) string { return fmt.Sprintf(refused, code, retryable) }
		tests := []struct {
			name   string
			status int
			body   string
			kind   vendor.Kind
			code   vendor.Code
		}{
			{"RateLimited", 429, say("RATE_LIMITED", true), vendor.Retryable, vendor.RateLimited},
			{"TemporaryFailure", 503, say("TEMPORARY_FAILURE", true), vendor.Retryable, vendor.TemporaryFailure},
			{"StoredServerError", 500, say("SYSTEM_ERROR", false), vendor.Retryable, vendor.SystemError},
			{"CodeOfItsOwn", 429, say("SLOW_DOWN_2", true), vendor.Retryable, "SLOW_DOWN_2"},
			{"InvalidEmail", 422, say("INVALID_EMAIL", false), vendor.Permanent, vendor.InvalidEmail},
			{"KeyReused", 422, say("KEY_REUSED", false), vendor.Permanent, vendor.KeyReused},
			{"RefusalWithoutID", 400, `{"status":"FAILED","error_code":"INVALID_PAYLOAD"}`, vendor.Permanent, vendor.InvalidPayload},
			{"RefusalOfAnother", 422, strings.Replace(say("INVALID_EMAIL", false), "m-1", "m-2", 1), vendor.Ambiguous, vendor.GatewayAnswer},
			{"ProxyPage", 502, "<html>Bad Gateway</html>", vendor.Ambiguous, vendor.GatewayAnswer},
			{"ProxyLimit", 429, "", vendor.Ambiguous, vendor.GatewayAnswer},
			{"Proxy404", 404, `{"message":"no such route"}`, vendor.Ambiguous, vendor.GatewayAnswer},
			{"CodeThatIsNone", 422, say("no such thing", false), vendor.Ambiguous, vendor.GatewayAnswer},
			{"Redirect", 302, "", vendor.Ambiguous, vendor.GatewayAnswer},
			{"Unauthorized", 401, say("UNAUTHORIZED", false), vendor.Ambiguous, vendor.NotAuthorized},
			{"Forbidden", 403, "", vendor.Ambiguous, vendor.NotAuthorized},
			{"InFlight", 409, say("IN_FLIGHT", false), vendor.Ambiguous, vendor.InFlight},
			{"EmptyBody", 200, "", vendor.Ambiguous, vendor.BadAnswer},
			{"Garbage", 200, "<html>Welcome</html>", vendor.Ambiguous, vendor.BadAnswer},
			{"Null", 200, "null", vendor.Ambiguous, vendor.BadAnswer},
			{"Array", 200, "[]", vendor.Ambiguous, vendor.BadAnswer},
			{"RefusalAs200", 200, say("RATE_LIMITED", true), vendor.Ambiguous, vendor.BadAnswer},
			{"NoReference", 200, `{"status":"ACCEPTED","communication_id":"m-1"}`, vendor.Ambiguous, vendor.BadAnswer},
			{"ReferenceWithNUL", 200, `{"status":"ACCEPTED","communication_id":"m-1","vendor_ref":"a\u0000"}`, vendor.Ambiguous, vendor.BadAnswer},
			{"AnotherMessage", 200, `{"status":"ACCEPTED","communication_id":"m-2","vendor_ref":"v"}`, vendor.Ambiguous, vendor.BadAnswer},
			{"NoMessage", 200, `{"status":"ACCEPTED","vendor_ref":"v"}`, vendor.Ambiguous, vendor.BadAnswer},
			{"Trailing", 200, `{"status":"ACCEPTED","communication_id":"m-1","vendor_ref":"v"}{}`, vendor.Ambiguous, vendor.BadAnswer},
			{"NegativeAnswer", 200, `{"status":"ACCEPTED","communication_id":"m-1","vendor_ref":"v","answer":-1}`, vendor.Ambiguous, vendor.BadAnswer},
			{"TooLong", 200, `{"status":"ACCEPTED","communication_id":"m-1","vendor_ref":"v"}` + strings.Repeat(" ", vendor.MaxBody), vendor.Ambiguous, vendor.BadAnswer},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				client := against(t, httpvendor.Config{}, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", "http://127.0.0.1:1/")
					w.WriteHeader(tt.status)
					_, _ = io.WriteString(w, tt.body) // The client may not read it all.
				})
				_, err := client.Send(t.Context(), vendortest.Request("m-1"))
				var e *vendor.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, tt.kind, e.Kind)
				require.Equal(t, tt.code, e.Code)
				require.Equal(t, tt.status, e.HTTPStatus)
				require.NotContains(t, e.Text, "html")
				if tt.kind == vendor.Retryable {
					require.Equal(t, 2, e.Answer)
				}
				if tt.code == vendor.InFlight {
					require.Equal(t, 250*time.Millisecond, e.RetryAfter)
				}
			})
		}
	})

	t.Run("TextOfTheVendorIsMadeSafe", func(t *testing.T) {
		t.Parallel()
		client := against(t, httpvendor.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"status":"FAILED","error_code":"X","error_message":"a\u0000b\nc`+strings.Repeat("y", 2000)+`"}`)
		})
		_, err := client.Send(t.Context(), vendortest.Request("m-1"))
		var e *vendor.Error
		require.ErrorAs(t, err, &e)
		require.True(t, strings.HasPrefix(e.Text, "a b cy"))
		require.Len(t, e.Text, vendor.MaxText)
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name, header string
		want         time.Duration
	}{
		{"Seconds", "7", 7 * time.Second},
		{"Zero", "0", 0},
		{"Date", now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{"PastDate", now.Add(-time.Hour).Format(http.TimeFormat), 0},
		{"FarDate", now.Add(99 * time.Hour).Format(http.TimeFormat), time.Hour},
		{"ManySeconds", "999999999999", time.Hour},
		{"MoreThanFits", "99999999999999999999999", 0},
		{"Negative", "-5", 0},
		{"Fraction", "1.5", 0},
		{"Garbage", "soon", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := against(t, httpvendor.Config{Now: func() time.Time { return now }}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tt.header)
				w.WriteHeader(http.StatusTooManyRequests)
			})
			_, err := client.Send(t.Context(), vendortest.Request("m-1"))
			var e *vendor.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.want, e.RetryAfter)
		})
	}
}

func TestSendWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	noAnswer := func(t *testing.T, client *httpvendor.Client) *vendor.Error {
		t.Helper()
		_, err := client.Send(t.Context(), vendortest.Request("m-1"))
		var e *vendor.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, vendor.Ambiguous, e.Kind)
		require.Equal(t, vendor.NoAnswer, e.Code)
		return e
	}

	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		client, err := httpvendor.New(httpvendor.Config{BaseURL: "http://127.0.0.1:1"})
		require.NoError(t, err)
		require.Equal(t, vendor.NoAnswer, noAnswer(t, client).Code)
	})
	t.Run("Hangs", func(t *testing.T) {
		t.Parallel()
		client := against(t, httpvendor.Config{Timeout: 50 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // So that the server notices the end of the client.
			<-r.Context().Done()
		})
		require.Contains(t, noAnswer(t, client).Text, "in time")
	})
	t.Run("DripsItsBody", func(t *testing.T) {
		t.Parallel()
		client := against(t, httpvendor.Config{Timeout: 100 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // As above.
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush() // The client is what is tested.
				<-tick.C
			}
		})
		require.Equal(t, vendor.NoAnswer, noAnswer(t, client).Code)
	})
	t.Run("IsCutOff", func(t *testing.T) {
		t.Parallel()
		client := against(t, httpvendor.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, `{"status":"ACCEPTED"`) // Cut off on purpose.
		})
		require.Equal(t, 200, noAnswer(t, client).HTTPStatus)
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "vendor", "ftp://vendor", "http://", "http://user:pw@vendor", "http://vendor?x=1", "http://vendor#f", "http://\x00",
	} {
		_, err := httpvendor.New(httpvendor.Config{BaseURL: url})
		require.Equal(t, errs.Invalid, errs.CodeOf(err), url)
		require.NotContains(t, err.Error(), "pw")
	}
	_, err := httpvendor.New(httpvendor.Config{BaseURL: "http://vendor", Token: "a\nb"})
	require.Error(t, err)
}

func TestSendRefusesHere(t *testing.T) {
	t.Parallel()
	client := against(t, httpvendor.Config{}, func(http.ResponseWriter, *http.Request) { t.Error("was sent") })
	long := vendortest.Request("m-1")
	long.Body = strings.Repeat("x", vendor.MaxBody)
	for _, r := range []vendor.Request{long, vendortest.Request(""), vendortest.Request("a\r\nb: c")} {
		_, err := client.Send(t.Context(), r)
		var e *vendor.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, vendor.Permanent, e.Kind)
		require.Equal(t, vendor.InvalidPayload, e.Code)
	}
}
