package proxy_test

import (
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/test/chaos/proxy"
)

const (
	// patience is how long a test waits for what must come; nothing waits that long when it passes.
	patience = 60 * time.Second

	// silence is how long a test listens for what must not come. Loopback takes microseconds.
	silence = 100 * time.Millisecond
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 10*time.Millisecond, what)
}

// fixed is an upstream that does not move.
func fixed(addr string) func() string { return func() string { return addr } }

// host is where a URL points to.
func host(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u.Host
}

// through is the URL with the proxy in place of the server.
func through(t *testing.T, raw string, p proxy.Proxy) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	u.Host = p.Addr()
	return u.String()
}

// closeAtEnd closes p before the servers behind it end.
func closeAtEnd(t *testing.T, p proxy.Proxy) {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, p.Close()) })
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // most tests have closed it
	tcp, ok := conn.(*net.TCPConn)
	require.True(t, ok)
	require.NoError(t, tcp.SetDeadline(time.Now().Add(patience)))
	return tcp
}
