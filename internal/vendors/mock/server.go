package mock

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/xencrm/xencrm/internal/vendor"
)

// Server is the mock vendor. Serve Handler, keep Run going, Close when both have ended.
type Server struct {
	c        Config
	ledger   *ledger
	queue    *queue
	webhook  *standardwebhooks.Webhook
	receiver *http.Transport
	shuffle  *rand.Rand // Only Run uses it.
	faults   atomic.Pointer[Faults]

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

// New opens the ledger and queues the receipts that were never confirmed.
func New(c Config) (*Server, error) {
	if c.Logger == nil {
		c.Logger = DefaultConfig().Logger
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		c:       c,
		queue:   newQueue(),
		shuffle: rand.New(rand.NewPCG(c.Seed, 0)),
		receiver: &http.Transport{
			MaxIdleConnsPerHost: c.ReceiptConcurrency,
			IdleConnTimeout:     time.Minute,
		},
		closing: make(chan struct{}),
	}
	s.faults.Store(&c.Faults)
	if c.ReceiptURL != "" {
		var err error
		if s.webhook, err = standardwebhooks.NewWebhook(c.ReceiptSecret); err != nil {
			return nil, fmt.Errorf("receipt secret: %w", err)
		}
	}
	// Opening ends by itself: a file and a lock that is not waited for.
	l, unconfirmed, err := openLedger(context.Background(), c.LedgerPath,
		profile{seed: c.Seed, rate: c.SuccessRate}, s.enqueue)
	if err != nil {
		return nil, err
	}
	s.ledger = l
	if c.ReceiptURL != "" {
		s.queue.push(unconfirmed...)
	}
	return s, nil
}

// enqueue takes the receipts of a flush, which are on disk by now, and adds the copies.
func (s *Server) enqueue(receipts []*pending) {
	if len(receipts) == 0 {
		return
	}
	// With nowhere to post them they would only fill the memory; the ledger has them.
	if s.c.ReceiptURL == "" {
		return
	}
	mean := s.Faults().ReceiptCopies
	watched := false
	for _, r := range receipts {
		s.queue.push(r)
		s.queue.push(copies(s.c.Seed, r, mean)...)
		watched = watched || r.confirmed != nil
	}
	if watched {
		s.queue.kick()
	}
}

// Handler serves the vendor's API and, to loopback only, its operator's.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+vendor.MessagesPath, s.postMessage)
	mux.HandleFunc("GET /healthz", s.getHealth)
	mux.HandleFunc("GET /admin/faults", loopbackOnly(s.getFaults))
	mux.HandleFunc("PUT /admin/faults", loopbackOnly(s.putFaults))
	mux.HandleFunc("GET /admin/summary", loopbackOnly(s.getSummary))
	mux.HandleFunc("GET /admin/ledger/{key}", loopbackOnly(s.getLedger))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "NOT_FOUND", "no such route")
	})
	return mux
}

// Close lets go of hanging requests, writes what is queued for the ledger and closes it. End Run first:
// a receipt that is posted meanwhile is posted again after the next start.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.closeErr = s.ledger.close()
		s.receiver.CloseIdleConnections()
	})
	return s.closeErr
}
