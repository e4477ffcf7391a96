package mock

import (
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/failpoint"
	"github.com/xencrm/xencrm/internal/vendor"
)

// receiptFirstWait bounds the wait of Faults.ReceiptFirst. It is below the sender's 5 s: a receiver that
// is down must not turn every send into a timeout as well.
const receiptFirstWait = 2 * time.Second

// postMessage is POST /v1/messages.
func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) {
	f := s.Faults()
	if f.Outage == OutageClose {
		drop(w)
		return
	}
	if f.Outage == Outage503 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	a, problem := readAsk(r)
	latency := s.c.Latency.draw()
	if !s.pause(r, latency/2+time.Duration(f.ExtraLatency)) || s.failedBefore(w, r, f) {
		return
	}
	if problem != nil {
		// The same bytes would be refused again for the same reason, so the ledger need not remember.
		writeAnswer(w, problem.status, vendor.Answer{
			Status: vendor.StatusFailed, CommunicationID: problem.communicationID,
			ErrorCode: problem.code, ErrorMessage: problem.text,
		})
		return
	}
	a.receiptIn = latency - latency/2 + s.c.ReceiptDelay.draw()
	if f.ReceiptFirst && s.c.ReceiptURL != "" {
		a.receiptIn, a.watched = 0, true
	}
	failpoint.Hit(failpoint.VendorBeforeLedger)
	decided, err := s.ledger.group.Do(r.Context(), work{ask: a})
	if err != nil {
		// No body of ours: whether the ledger has it is not known, so the sender must ask again.
		if r.Context().Err() == nil {
			s.c.Logger.ErrorContext(r.Context(), "ledger not written", slog.Any("error", err))
		}
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	failpoint.Hit(failpoint.VendorAfterLedger)
	s.awaitReceipt(r, decided)
	if !s.pause(r, latency-latency/2) {
		return
	}
	s.answer(w, f, a, decided)
}

// failedBefore plays the faults after which nothing was accepted.
func (s *Server) failedBefore(w http.ResponseWriter, r *http.Request, f Faults) bool {
	switch {
	case hits(f.Hang):
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
	case hits(f.Storm):
		s.setRetryAfter(w)
		w.WriteHeader(http.StatusTooManyRequests)
	case hits(f.ErrorBefore):
		w.WriteHeader(http.StatusInternalServerError)
	default:
		return false
	}
	return true
}

// answer tells what the ledger has, or loses it on the way.
func (s *Server) answer(w http.ResponseWriter, f Faults, a *ask, d reply) {
	body := vendor.Answer{CommunicationID: a.communicationID, Answer: d.n, VendorRef: d.ref, Status: vendor.StatusAccepted}
	status := d.verdict.HTTPStatus()
	code := d.verdict.Code
	if d.reused {
		status, code = http.StatusUnprocessableEntity, vendor.KeyReused
	}
	if status != http.StatusOK {
		body.Status, body.ErrorCode, body.ErrorMessage = vendor.StatusFailed, code, code.Text()
		body.Retryable = !d.reused && d.verdict.Retryable()
	}
	switch {
	case hits(f.ErrorAfter):
		w.WriteHeader(http.StatusInternalServerError)
	case hits(f.DropAfter):
		drop(w)
	case hits(f.Garbage):
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(garbage(body)) // Nobody is owed garbage.
	default:
		if body.Retryable {
			s.setRetryAfter(w)
		}
		writeAnswer(w, status, body)
	}
}

func (s *Server) setRetryAfter(w http.ResponseWriter) {
	if s.c.RetryAfter > 0 {
		secs := (s.c.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(secs)))
	}
}

func (s *Server) awaitReceipt(r *http.Request, d reply) {
	if d.confirmed == nil {
		return
	}
	timer := time.NewTimer(receiptFirstWait)
	defer timer.Stop()
	select {
	case <-d.confirmed:
	case <-timer.C:
	case <-r.Context().Done():
	case <-s.closing:
	}
}

// pause spends a latency; false means that the sender has gone or that we are closing.
func (s *Server) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	case <-s.closing:
		return false
	}
}

// problem is why a request is refused before the ledger hears of it.
type problem struct {
	status          int
	code            vendor.Code
	text            string
	communicationID string
}

// readAsk reads one request as the vendor's API defines it.
func readAsk(r *http.Request) (*ask, *problem) {
	body, err := io.ReadAll(io.LimitReader(r.Body, vendor.MaxBody+1))
	if err != nil {
		return nil, &problem{http.StatusBadRequest, vendor.InvalidPayload, "body was cut off", ""}
	}
	if len(body) > vendor.MaxBody {
		return nil, &problem{http.StatusRequestEntityTooLarge, vendor.InvalidPayload, "body is over 64 KiB", ""}
	}
	var m vendor.Request
	err = vendor.DecodeStrict(body, &m, vendor.RefuseUnknown, "communication_id", "campaign_id", "customer_id",
		"customer_email", "customer_name", "message_text", "campaign_name", "campaign_type")
	if err != nil {
		return nil, &problem{http.StatusBadRequest, vendor.InvalidPayload, err.Error(), ""}
	}
	refused := func(code vendor.Code, text string) (*ask, *problem) {
		return nil, &problem{http.StatusBadRequest, code, text, m.CommunicationID}
	}
	key := r.Header.Get(vendor.HeaderIdempotencyKey)
	if !vendor.IsRef(key) {
		return refused(vendor.InvalidPayload, vendor.HeaderIdempotencyKey+" is required")
	}
	for _, id := range []struct{ name, value string }{
		{"communication_id", m.CommunicationID}, {"campaign_id", m.CampaignID}, {"customer_id", m.CustomerID},
	} {
		if !vendor.IsRef(id.value) {
			return refused(vendor.InvalidPayload, id.name+" is required")
		}
	}
	if strings.TrimSpace(m.Recipient) == "" {
		return refused(vendor.MissingEmail, vendor.MissingEmail.Text())
	}
	if strings.TrimSpace(m.Body) == "" {
		return refused(vendor.MissingMessage, vendor.MissingMessage.Text())
	}
	most, err := maxAttempts(r.Header.Get(vendor.HeaderMaxAttempts))
	if err != nil {
		return refused(vendor.InvalidPayload, err.Error())
	}
	sum := sha256.Sum256(body)
	return &ask{
		key: key, communicationID: m.CommunicationID, campaignID: m.CampaignID, customerID: m.CustomerID,
		fingerprint: fingerprint(sum[:len(fingerprint{})]), bodySHA256: sha256.Sum256([]byte(m.Body)), maxAttempts: most,
	}, nil
}

var errMaxAttempts = errors.New(vendor.HeaderMaxAttempts + " must be a number from 1 to 1000")

// maxAttempts gives 0, which means no bound, when the header is not there.
func maxAttempts(header string) (int, error) {
	if header == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(header)
	if err != nil || n < 1 || n > 1000 {
		return 0, errMaxAttempts
	}
	return n, nil
}

func writeAnswer(w http.ResponseWriter, status int, body vendor.Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(body)) // A sender that has gone will ask again.
}

// drop resets the connection without an answer.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusBadGateway) // HTTP/2 cannot be hijacked; this is as ambiguous.
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // Without it the sender sees a polite end instead of a reset.
	}
	_ = conn.Close() // It is being thrown away.
}
