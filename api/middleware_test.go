package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
)

func TestRequestIDIsTakenOrMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for given, kept := range map[string]bool{
		"abc-123": true, "": false, "a b": false, "a\nb": false, strings.Repeat("x", 129): false, "é": false,
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/nope", nil)
		req.Header["X-Request-Id"] = []string{given}
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, req)
		got := w.Header().Get("X-Request-Id")
		require.Equal(t, kept, got == given, "%q", given)
		require.Contains(t, w.Body.String(), `"request_id":"`+got+`"`)
		if !kept {
			require.NoError(t, uuid.Validate(got))
		}
	}
}

// TestLogsNameRoutesAndNoPersons is faults S7 and S8.
func TestLogsNameRoutesAndNoPersons(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	const person = "canary@shop.in"
	b.call(t, http.MethodPost, "/customers", `{"name":"Canary Person","email":"`+person+`"}`)
	b.call(t, http.MethodGet, "/api/segments/"+person, "")
	b.call(t, http.MethodGet, "/nope/"+person+"?q="+person, "")
	b.call(t, http.MethodPost, "/api/segments", `{"`+person+`":1}`)
	require.NotContains(t, b.logs.String(), "anary")

	lines := strings.Split(strings.TrimSpace(b.logs.String()), "\n")
	require.Len(t, lines, 4)
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &line))
	require.Equal(t, "/api/segments/:segmentId", line["route"])
	require.Equal(t, "GET", line["method"])
	require.InDelta(t, http.StatusNotFound, line["status"], 0)
	require.Equal(t, "req-1", line["request_id"])
	require.Contains(t, line, "duration")
	require.Contains(t, lines[2], `"route":"unmatched"`)
}

// TestPanicsSayNothing is faults S25: no stack to the caller, one line with it in the log.
func TestPanicsSayNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.segments.list = func(context.Context) ([]campaign.Segment, error) { panic("canary@shop.in") }
	w := b.call(t, http.MethodGet, "/api/segments", "")
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String()+b.logs.String(), "canary@shop.in")
	require.Contains(t, b.logs.String(), `"msg":"panic"`)
	require.Contains(t, b.logs.String(), "middleware_test.go")
}

func TestCallersWhoLeaveAreNoFault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, leave := context.WithCancel(t.Context())
	b.segments.list = func(ctx context.Context) ([]campaign.Segment, error) {
		leave()
		<-ctx.Done()
		return nil, errors.Join(errors.New("query"), ctx.Err())
	}
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/segments", nil)
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, req)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, b.logs.String(), `"level":"ERROR"`)
}

func TestHandlersHaveADeadlineBeforeTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	left := make(chan time.Duration, 1)
	b.segments.list = func(ctx context.Context) ([]campaign.Segment, error) {
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		left <- time.Until(deadline)
		return nil, nil
	}
	b.call(t, http.MethodGet, "/api/segments", "")
	require.Less(t, <-left, api.WriteTimeout)
}

func TestChecksHaveADeadlineAndRunTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	both := make(chan struct{})
	meet := func(other chan<- struct{}, own <-chan struct{}) func(context.Context) error {
		return func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				return errors.New("no deadline")
			}
			select {
			case other <- struct{}{}:
			case <-own:
			case <-ctx.Done():
				return ctx.Err()
			}
			return nil
		}
	}
	b.readiness["postgres"] = meet(both, both)
	b.readiness["rabbitmq"] = meet(both, both)
	require.Equal(t, http.StatusOK, b.call(t, http.MethodGet, "/readyz", "").Code)
}

// TestServerLimits is faults S3: what a test can see without waiting for the timeouts.
func TestServerLimits(t *testing.T) {
	t.Parallel()
	s := api.NewServer("127.0.0.1:0", http.NotFoundHandler())
	require.Equal(t, 5*time.Second, s.ReadHeaderTimeout)
	require.Equal(t, 15*time.Second, s.ReadTimeout)
	require.Equal(t, 30*time.Second, s.WriteTimeout)
	require.Equal(t, 60*time.Second, s.IdleTimeout)
	require.Equal(t, 16<<10, s.MaxHeaderBytes)
}

// TestCutOffBodyQueuesNothing is over a real connection: the client ends in mid-body.
func TestCutOffBodyQueuesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t) // whose services panic
	server := httptest.NewServer(b.handler)
	t.Cleanup(server.Close)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() /* the test is over */ })
	_, err = io.WriteString(conn, "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"+order)
	require.NoError(t, err)
	tcp, ok := conn.(*net.TCPConn)
	require.True(t, ok)
	require.NoError(t, tcp.CloseWrite())
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() /* the test is over */ })
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
}

func TestAnswersManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	b.customers.acceptCustomer = func(_ context.Context, raw []byte, key string) (customer.AcceptedCustomer, error) {
		return customer.AcceptedCustomer{Name: string(raw), Email: key}, nil
	}
	for i := range 50 {
		key := strings.Repeat("k", i+1)
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			w := b.call(t, http.MethodPost, "/customers", `"`+key+`"`, "Idempotency-Key", key)
			require.Contains(t, w.Body.String(), `"name":"\"`+key+`\""`)
			require.Contains(t, w.Body.String(), `"email":"`+key+`"`)
		})
	}
}

func TestDepsValidate(t *testing.T) {
	t.Parallel()
	err := api.Deps{}.Validate()
	for _, name := range []string{"Customers", "Segments", "Campaigns", "Dashboard", "Receipts", "Logger", "Now", "webhook secret"} {
		require.ErrorContains(t, err, name)
	}
	for _, bad := range []string{"", "whsec_", "whsec_AAAA", "whsec_not base64!", "whsec_" + strings.Repeat("AAAA", 30)} {
		err := api.Deps{WebhookSecret: bad}.Validate()
		require.ErrorContains(t, err, "webhook secret: must")
		if len(bad) > 6 {
			require.NotContains(t, err.Error(), bad[6:], "the secret is not repeated")
		}
	}
}

// TestUnusableSecretRefusesReceipts: with an empty key anybody could sign.
func TestUnusableSecretRefusesReceipts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := api.New(api.Deps{
		Customers: b.customers, Segments: b.segments, Campaigns: b.campaigns, Schedules: &fakeSchedules{}, Dashboard: b.dashboard,
		Receipts: b.publisher, Logger: testLogger(b), Now: clock,
	})
	body := batch(delivered)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/receipts", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	headers := sign(t, "", body, now)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Contains(t, b.logs.String(), "receipts are refused")
}
