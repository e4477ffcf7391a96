package proxy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/test/chaos/proxy"
)

// echo is a server that sends back what it gets, after a greeting.
func echo(t *testing.T, greeting string) (addr string) {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close() //nolint:errcheck // A client that is gone has told the test.
				_, _ = io.WriteString(conn, greeting)
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		running.Wait()
	})
	return listener.Addr().String()
}

func newTCP(t *testing.T, upstream func() string) *proxy.TCP {
	t.Helper()
	p, err := proxy.NewTCP(upstream)
	require.NoError(t, err)
	closeAtEnd(t, p)
	return p
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
}

func hear(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

// requireReset waits for the end of conn, which must not be an orderly one.
func requireReset(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// requireRefused connects and is reset, be it before or after it notices that it was connected.
func requireRefused(t *testing.T, addr string) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err == nil {
		defer conn.Close() //nolint:errcheck // It is closed already.
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = conn.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestTCPForwards(t *testing.T) {
	t.Parallel()

	t.Run("MoreThanItsBuffersBothWaysAndTheEnd", func(t *testing.T) {
		t.Parallel()
		p := newTCP(t, fixed(echo(t, "")))
		conn := dial(t, p.Addr())
		sent := make([]byte, 3<<20)
		_, err := rand.Read(sent)
		require.NoError(t, err)
		var writing sync.WaitGroup
		writing.Go(func() {
			if _, err := conn.Write(sent); err != nil {
				t.Errorf("write: %v", err)
			}
			if err := conn.CloseWrite(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		got, err := io.ReadAll(conn)
		writing.Wait()
		require.NoError(t, err, "an orderly end must arrive as one")
		require.True(t, bytes.Equal(sent, got))
		eventually(t, "forgotten", func() bool { return p.Connections() == 0 })
	})

	t.Run("ToWhereTheUpstreamIsNow", func(t *testing.T) {
		t.Parallel()
		var at atomic.Value
		at.Store(echo(t, "one"))
		p := newTCP(t, func() string { s, _ := at.Load().(string); return s })
		first := dial(t, p.Addr())
		hear(t, first, "one")
		at.Store(echo(t, "two"))
		hear(t, dial(t, p.Addr()), "two")
		say(t, first, "still there")
		hear(t, first, "still there")
		require.Equal(t, 2, p.Connections())
	})

	t.Run("ResetsWhenTheUpstreamIsAway", func(t *testing.T) {
		t.Parallel()
		p := newTCP(t, fixed("127.0.0.1:1"))
		requireRefused(t, p.Addr())
	})
}

func TestTCPFaults(t *testing.T) {
	t.Parallel()

	t.Run("ResetEndsConnectionsAndServesNewOnes", func(t *testing.T) {
		t.Parallel()
		p := newTCP(t, fixed(echo(t, "hello")))
		conn := dial(t, p.Addr())
		hear(t, conn, "hello")
		p.Reset()
		requireReset(t, conn)
		hear(t, dial(t, p.Addr()), "hello")
	})

	t.Run("RefuseResetsOnlyNewConnections", func(t *testing.T) {
		t.Parallel()
		p := newTCP(t, fixed(echo(t, "hello")))
		conn := dial(t, p.Addr())
		hear(t, conn, "hello")
		p.Refuse(true)
		requireRefused(t, p.Addr())
		say(t, conn, "mine")
		hear(t, conn, "mine")
		p.Refuse(false)
		hear(t, dial(t, p.Addr()), "hello")
	})

	t.Run("FreezeHoldsEverythingUntilTheThaw", func(t *testing.T) {
		t.Parallel()
		p := newTCP(t, fixed(echo(t, "hello")))
		old := dial(t, p.Addr())
		hear(t, old, "hello")
		p.Freeze(true)
		say(t, old, "later")
		fresh := dial(t, p.Addr())
		for _, conn := range []net.Conn{old, fresh} {
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(silence)))
			_, err := conn.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nothing arrives and nothing is closed")
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		}
		eventually(t, "both are connected", func() bool { return p.Connections() == 2 })
		p.Freeze(false)
		hear(t, old, "later")
		hear(t, fresh, "hello")
	})

	t.Run("FreezeHidesTheEndOfTheOtherSide", func(t *testing.T) {
		t.Parallel()
		p := newTCP(t, fixed(echo(t, "hello")))
		conn := dial(t, p.Addr())
		hear(t, conn, "hello")
		p.Freeze(true)
		require.NoError(t, conn.CloseWrite())
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(silence)))
		_, err := conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		p.Freeze(false)
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})

	t.Run("DelayCountsInEachDirection", func(t *testing.T) {
		t.Parallel()
		const delay = 50 * time.Millisecond
		p := newTCP(t, fixed(echo(t, "hello")))
		conn := dial(t, p.Addr())
		hear(t, conn, "hello")
		p.SetDelay(delay)
		begun := time.Now()
		say(t, conn, "slow")
		hear(t, conn, "slow")
		require.GreaterOrEqual(t, time.Since(begun), 2*delay)
	})
}

func TestTCPCloseEndsWhateverItsConnectionsDo(t *testing.T) {
	t.Parallel()
	p, err := proxy.NewTCP(fixed(echo(t, "hello")))
	require.NoError(t, err)
	idle := dial(t, p.Addr())
	hear(t, idle, "hello")
	p.SetDelay(time.Hour) // longer than any test may take
	say(t, idle, "never arrives")
	p.Freeze(true)
	waiting := dial(t, p.Addr())
	eventually(t, "both are connected", func() bool { return p.Connections() == 2 })
	require.NoError(t, p.Close())
	require.NoError(t, p.Close(), "a second Close does nothing")
	require.Zero(t, p.Connections())
	requireReset(t, idle)
	requireReset(t, waiting)
	var d net.Dialer
	_, err = d.DialContext(context.Background(), "tcp", p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
