package mock

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/vendor"
)

// receiptID is made of the key: the same key has the same receipt id even when the ledger was lost and made
// anew, so a consumer that remembers still recognises it. Of a key that is a UUID it keeps the first half, so
// that its receipts stand in an index in the order of the keys.
func receiptID(key string) string {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://xencrm.dev/mock-vendor/receipts/"+key))
	if k, err := uuid.Parse(key); err == nil {
		copy(id[:8], k[:8])
		id[6] = 8<<4 | k[6]&0x0f
	}
	return id.String()
}

// work is one thing for the ledger to do: decide on a request, or note posted receipts.
type work struct {
	ask       *ask
	confirmed []int64
}

// ask is one well-formed request.
type ask struct {
	key, communicationID, campaignID, customerID string
	fingerprint                                  fingerprint
	bodySHA256                                   [sha256.Size]byte
	maxAttempts                                  int
	// receiptIn is when the receipt is due, counted from the acceptance.
	receiptIn time.Duration
	// watched asks for reply.confirmed.
	watched bool
}

// fingerprint is half a SHA-256: 128 bits tell bodies apart, and the other half would cost 16 bytes a
// key.
type fingerprint [sha256.Size / 2]byte

// reply is what was decided.
type reply struct {
	verdict Verdict
	n       int
	ref     string
	// reused says that the key came with another body; nothing else is set but n.
	reused bool
	// confirmed is closed when the receipt was confirmed; only for a first acceptance that is watched.
	confirmed <-chan struct{}
}

// state is what the ledger knows of one key.
type state struct {
	fingerprint        fingerprint
	code               vendor.Code
	settledAt, firstAt int64
	profile            int32
	n, asked, reused   int32
	request            int64 // Its number in the file.
}

// plan is what one flush will write.
type plan struct {
	l          *ledger
	now        time.Time
	ms         int64
	touched    map[string]state
	last       int64 // The highest request number so far.
	answers    []any
	deliveries []any
	receipts   []*pending
	confirmed  []int64
}

func newPlan(l *ledger, now time.Time) *plan {
	return &plan{l: l, now: now, ms: now.UnixMilli(), touched: map[string]state{}, last: l.last}
}

// answer decides on one request. Requests with the same key are decided one after the other, also
// within one flush, so none of them needs a 409.
func (p *plan) answer(a *ask) reply {
	s, known := p.touched[a.key]
	if !known {
		s, known = p.l.keys[a.key]
	}
	if !known {
		p.last++
		s = state{request: p.last, fingerprint: a.fingerprint, profile: p.l.profile, firstAt: p.ms}
	}
	s.asked++
	var r reply
	switch {
	case s.fingerprint != a.fingerprint:
		s.reused++
		r = reply{reused: true, n: int(s.n)}
	case s.settledAt != 0 || (s.n > 0 && a.maxAttempts > 0 && int(s.n) >= a.maxAttempts):
		r = reply{verdict: Verdict{Code: s.code}, n: int(s.n)}
		if r.verdict.Accepted() {
			r.ref = vendorRef(a.key, s.settledAt)
		}
	default:
		s, r = p.decide(a, s)
	}
	p.touched[a.key] = s
	return r
}

// decide gives the next answer for a key that is still open.
func (p *plan) decide(a *ask, s state) (state, reply) {
	s.n++
	with := p.l.profiles[s.profile]
	v := Outcome(with.seed, a.communicationID, int(s.n), with.rate)
	s.code = v.Code
	p.answers = append(p.answers, s.request, s.n, v.HTTPStatus(), string(v.Code), p.ms)
	r := reply{verdict: v, n: int(s.n)}
	if v.Retryable() {
		return s, r
	}
	s.settledAt = p.ms
	if v.Accepted() {
		r.ref = vendorRef(a.key, p.ms)
		r.confirmed = p.deliver(a, s.request, r)
	}
	return s, r
}

// deliver is the physical delivery, as far as a mock has one, and its receipt.
func (p *plan) deliver(a *ask, request int64, r reply) <-chan struct{} {
	status, code := r.verdict.receipt()
	p.deliveries = append(p.deliveries, request, a.key, r.ref, a.communicationID, a.campaignID, a.customerID, r.n,
		hex.EncodeToString(a.bodySHA256[:]), p.ms)
	due := p.now.Add(a.receiptIn)
	rec := &pending{request: request, key: a.key, due: due, receipt: vendor.Receipt{
		ReceiptID:       receiptID(a.key),
		CommunicationID: a.communicationID, CampaignID: a.campaignID, VendorRef: r.ref, Attempt: r.n,
		Status: status, ErrorCode: code, ErrorMessage: errorMessage(code), OccurredAt: occurredAt(due.UnixMilli()),
	}}
	p.receipts = append(p.receipts, rec)
	if !a.watched {
		return nil
	}
	rec.confirmed = make(chan struct{})
	return rec.confirmed
}

// vendorRef has the reference's form. It is made from what the ledger holds, so a repeat gives the
// same one without storing it per key in memory.
func vendorRef(key string, acceptedAt int64) string {
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("vendor_%d_%x", acceptedAt, sum[:8])
}

func errorMessage(code vendor.Code) string {
	if code == "" {
		return ""
	}
	return code.Text()
}

func occurredAt(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// statement is one that a flush runs, and what is bound to it.
type statement struct {
	text   string
	values []any
}

// statements are those that store the plan, in their order. Deliveries and answers are plain INSERTs: a second
// one for the same request violates its primary key and fails the whole flush rather than deliver twice.
func (p *plan) statements() ([]statement, error) {
	requests := make([]any, 0, 10*len(p.touched))
	for key, s := range p.touched {
		requests = append(requests, s.request, key, s.profile, hex.EncodeToString(s.fingerprint[:]), s.n, string(s.code),
			s.settledAt, s.firstAt, s.asked, s.reused)
	}
	receipts := make([]any, 0, 6*len(p.receipts))
	for _, r := range p.receipts {
		receipts = append(receipts, r.request, r.receipt.ReceiptID, r.key, string(r.receipt.Status),
			string(r.receipt.ErrorCode), r.due.UnixMilli())
	}
	var all []statement
	for _, in := range []insert{
		{
			head: "INSERT INTO requests (request, key, profile, fingerprint, n, code, settled_at, first_at, asked, reused)",
			tail: "ON CONFLICT (request) DO UPDATE SET n = excluded.n, code = excluded.code," +
				" settled_at = excluded.settled_at, asked = excluded.asked, reused = excluded.reused",
			columns: 10, values: requests,
		},
		{head: "INSERT INTO answers (request, n, http_status, code, at)", columns: 5, values: p.answers},
		{
			head: "INSERT INTO deliveries (request, key, vendor_ref, communication_id, campaign_id, customer_id, n," +
				" body_sha256, accepted_at)",
			columns: 9, values: p.deliveries,
		},
		{head: "INSERT INTO receipts (request, receipt_id, key, status, code, due_at)", columns: 6, values: receipts},
	} {
		all = append(all, in.statements()...)
	}
	if len(p.confirmed) == 0 {
		return all, nil
	}
	confirmed, err := json.Marshal(p.confirmed)
	if err != nil {
		return nil, err
	}
	// Copies of one receipt may be confirmed in one flush, so they are counted before they are added.
	return append(all, statement{`UPDATE receipts
		SET confirmed_at = coalesce(confirmed_at, ?), copies_sent = copies_sent + c.n
		FROM (SELECT value AS request, count(*) AS n FROM json_each(?) GROUP BY value) AS c
		WHERE receipts.request = c.request`, []any{p.ms, string(confirmed)}}), nil
}

// insertRows is how many rows one statement carries: past some 50 the time per row stays the same.
const insertRows = 50

// insert is rows for one table, many to a statement: SQLite's cost per statement through database/sql is
// several times that of a row.
type insert struct {
	head, tail string
	columns    int
	values     []any
}

func (in insert) statements() []statement {
	var all []statement
	row := "(" + strings.Repeat("?,", in.columns-1) + "?)"
	for values := in.values; len(values) > 0; {
		n := min(len(values)/in.columns, insertRows)
		all = append(all, statement{
			text:   in.head + " VALUES " + strings.Repeat(row+",", n-1) + row + " " + in.tail,
			values: values[:n*in.columns],
		})
		values = values[n*in.columns:]
	}
	return all
}
