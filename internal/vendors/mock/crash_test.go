package mock_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/vendor"
	"github.com/xencrm/xencrm/internal/vendors/mock"
	"github.com/xencrm/xencrm/internal/vendors/vendortest"
)

// crashLedger names the ledger for the child process of TestKill.
const crashLedger = "XENCRM_TEST_CRASH_LEDGER"

func crashConfig(ledger string) mock.Config {
	c := mock.DefaultConfig()
	c.LedgerPath, c.SuccessRate = ledger, 0.5
	c.Latency, c.RetryAfter = mock.Range{}, 0
	c.Logger = slog.New(slog.DiscardHandler)
	return c
}

// serveUntilKilled is the child: it prints its address and serves.
func serveUntilKilled(ledger string) {
	s, err := mock.New(crashConfig(ledger))
	if err != nil {
		panic(err) // The parent sees no address.
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // The parent sees no address.
	}
	_, _ = fmt.Fprintln(os.Stdout, "http://"+l.Addr().String()) // The parent waits for it.
	_ = http.Serve(l, s.Handler())                              // It ends with the process.
}

func startChild(t *testing.T, ledger string) (string, func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashLedger+"="+ledger)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill := sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // SIGKILL.
		_ = cmd.Wait()         // It was killed.
	})
	t.Cleanup(kill)
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	return lines.Text(), kill
}

// heard is the last that a sender heard about a message before the kill.
type heard struct {
	request vendor.Request
	answer  vendor.Answer
}

// TestKill kills the vendor with SIGKILL in mid-load, several times over one ledger, and then holds the
// reopened ledger against every answer that anybody heard: nothing forgotten, nothing delivered twice,
// everything as predicted.
func TestKill(t *testing.T) {
	t.Parallel()
	ledger := t.TempDir() + "/vendor.db"
	var mu sync.Mutex
	last := map[string]heard{}
	for round := range 4 {
		url, kill := startChild(t, ledger)
		w := &world{url: url, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
		enough := make(chan struct{}, 1)
		var senders sync.WaitGroup
		for range 32 {
			senders.Go(func() {
				for i := 0; ; i++ {
					// Few keys, so that many are in flight twice and are asked for again after the kill.
					r := vendortest.Request(fmt.Sprintf("m-%d", rand.IntN(600)))
					r.CampaignID, r.CustomerID = "campaign", "customer"
					got, err := w.send(t, r)
					if err != nil {
						return // Killed.
					}
					mu.Lock()
					if got.body.Answer >= last[r.IdempotencyKey].answer.Answer {
						last[r.IdempotencyKey] = heard{r, got.body}
					}
					mu.Unlock()
					if i == 40+20*round {
						select {
						case enough <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(patience):
			t.Fatal("child does not answer")
		}
		kill()
		senders.Wait()
		w.http.CloseIdleConnections()
	}

	c := crashConfig(ledger)
	w := start(t, c)
	sum := w.summary(t)
	require.Equal(t, 1, sum.MaxDeliveriesPerKey)
	require.Equal(t, sum.Deliveries, sum.ReceiptsUnconfirmed, "every delivery has its receipt")
	require.Zero(t, sum.KeyReused)
	require.Greater(t, len(last), 300)
	for key, h := range last {
		e, err := w.Entry(t.Context(), key)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(e.Answers), h.answer.Answer, "an answer that was heard is in the ledger")
		for i, a := range e.Answers {
			require.Equal(t, i+1, a.N)
			require.Equal(t, mock.Outcome(c.Seed, key, a.N, c.SuccessRate).Code, a.Code)
		}
		if h.answer.Status == vendor.StatusAccepted {
			require.Len(t, e.Deliveries, 1)
			require.Equal(t, h.answer.VendorRef, e.Deliveries[0].VendorRef)
			require.Equal(t, h.answer, w.mustSend(t, h.request).body)
		}
	}
}
