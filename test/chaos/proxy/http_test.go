package proxy_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/test/chaos/proxy"
)

// site is a server that answers with the request's body, a proxy before it, and a client.
type site struct {
	*proxy.HTTP

	served atomic.Int32
	client *http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.served.Add(1)
		body, _ := io.ReadAll(r.Body) // whole, since an answer on its way ends the reading; a cut one is answered as it is
		w.Header().Set("X-Agent", r.UserAgent())
		if r.URL.Path == "/chunked" {
			_ = http.NewResponseController(w).Flush() // it can; the length is unknown from here on
		}
		_, _ = w.Write(body) // a client that is gone has told the test
	}))
	t.Cleanup(server.Close)
	var err error
	s.HTTP, err = proxy.NewHTTP(fixed(server.Listener.Addr().String()))
	require.NoError(t, err)
	closeAtEnd(t, s)
	transport := &http.Transport{ExpectContinueTimeout: patience}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, Timeout: patience}
	return s
}

// send gives the body of the answer as far as it came.
func (s *site) send(t *testing.T, method, path, body string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, strings.NewReader(body))
	require.NoError(t, err)
	return s.do(t, req)
}

func (s *site) do(t *testing.T, req *http.Request) (string, error) {
	t.Helper()
	res, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close() //nolint:errcheck // It was read.
	require.Equal(t, http.StatusOK, res.StatusCode)
	got, err := io.ReadAll(res.Body)
	return string(got), err
}

func TestHTTPForwards(t *testing.T) {
	t.Parallel()

	t.Run("OverOneConnection", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		for _, path := range []string{"/a", "/chunked", "/b?q=%2F"} {
			got, err := s.send(t, http.MethodPost, path, "body of "+path)
			require.NoError(t, err)
			require.Equal(t, "body of "+path, got)
		}
		require.Equal(t, 1, s.Connections())
	})

	t.Run("LargeBodiesOfUnknownLength", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		long := bytes.Repeat([]byte("0123456789"), 1<<17)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+s.Addr()+"/chunked",
			io.NopCloser(bytes.NewReader(long)))
		require.NoError(t, err)
		got, err := s.do(t, req)
		require.NoError(t, err)
		require.True(t, bytes.Equal(long, []byte(got)), "%d bytes arrived", len(got))
	})

	t.Run("ARequestThatWaitsToBeAskedForItsBody", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+"/", strings.NewReader("late"))
		require.NoError(t, err)
		req.Header.Set("Expect", "100-continue")
		got, err := s.do(t, req)
		require.NoError(t, err)
		require.Equal(t, "late", got)
	})

	t.Run("AnswersToHeadAndNoNameOfItsOwn", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+s.Addr()+"/", http.NoBody)
		require.NoError(t, err)
		req.Header.Set("User-Agent", "")
		res, err := s.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Empty(t, res.Header.Get("X-Agent"))
		require.False(t, res.Close, "the connection can be used again")
		_, err = s.send(t, http.MethodGet, "/", "")
		require.NoError(t, err)
		require.Equal(t, 1, s.Connections())
	})
}

func TestHTTPFaults(t *testing.T) {
	t.Parallel()
	all := proxy.Match{}
	const body = "0123456789"
	for _, c := range []struct {
		name, path, got string
		arm             func(s *site) *proxy.Fault
		served          int32
	}{
		{"DropRequest", "/", "", func(s *site) *proxy.Fault { return s.DropRequest(2, all) }, 1},
		{"SwallowResponse", "/", "", func(s *site) *proxy.Fault { return s.SwallowResponse(2, all) }, 2},
		{"TruncateBody", "/", "01234", func(s *site) *proxy.Fault { return s.TruncateBody(2, all) }, 2},
		{"TruncateBodyOfUnknownLength", "/chunked", "0", func(s *site) *proxy.Fault { return s.TruncateBody(2, all) }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			fault := c.arm(s)
			_, err := s.send(t, http.MethodPost, c.path, body)
			require.NoError(t, err)
			require.Zero(t, fault.Struck())
			got, err := s.send(t, http.MethodPost, c.path, body)
			require.Error(t, err)
			require.Equal(t, c.got, got)
			require.Equal(t, 1, fault.Struck())
			require.Equal(t, c.served, s.served.Load())
			got, err = s.send(t, http.MethodPost, c.path, body)
			require.NoError(t, err, "it strikes once")
			require.Equal(t, body, got)
		})
	}

	t.Run("TruncateBodySwallowsAnAnswerWithoutOne", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		fault := s.TruncateBody(1, all)
		_, err := s.send(t, http.MethodPost, "/", "")
		require.Error(t, err)
		require.Equal(t, 1, fault.Struck())
	})

	t.Run("DelayHoldsTheHead", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		fault := s.Delay(1, silence, all)
		begun := time.Now()
		got, err := s.send(t, http.MethodPost, "/", body)
		require.NoError(t, err)
		require.Equal(t, body, got)
		require.GreaterOrEqual(t, time.Since(begun), silence)
		require.Equal(t, 1, fault.Struck())
	})

	t.Run("MatchSaysWhichRequestsCount", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		fault := s.DropRequest(1, proxy.Match{Method: http.MethodPost, Prefix: "/orders"})
		for _, other := range [][2]string{{http.MethodPut, "/orders"}, {http.MethodPost, "/customers"}} {
			_, err := s.send(t, other[0], other[1], body)
			require.NoError(t, err)
		}
		require.Zero(t, fault.Struck())
		_, err := s.send(t, http.MethodPost, "/orders/1", body)
		require.Error(t, err)
		require.Equal(t, 1, fault.Struck())
	})

	t.Run("TwoAtOneRequestStrikeOneAfterTheOther", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		first, second := s.DropRequest(1, all), s.SwallowResponse(1, all)
		_, err := s.send(t, http.MethodPost, "/", body)
		require.Error(t, err)
		require.Equal(t, []int{1, 0}, []int{first.Struck(), second.Struck()})
		_, err = s.send(t, http.MethodPost, "/", body)
		require.Error(t, err)
		require.Equal(t, []int{1, 1}, []int{first.Struck(), second.Struck()})
	})
}
