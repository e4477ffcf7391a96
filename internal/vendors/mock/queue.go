package mock

import (
	"container/heap"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/vendor"
)

// copySpread is how long after a receipt its copies may come: longer than the gathering interval, so
// that they usually travel in other batches.
const copySpread = time.Second

// pending is a receipt that is in the ledger and has not been confirmed, or an extra copy of one.
type pending struct {
	request int64
	key     string
	due     time.Time
	receipt vendor.Receipt
	// confirmed, if anybody waits, is closed at the first confirmation.
	confirmed chan struct{}
}

// parcel is one batch on its way. It is retried as a whole under the same webhook-id, which Standard
// Webhooks make the receiver's idempotency key.
type parcel struct {
	id       string
	receipts []*pending
	due      time.Time
	tries    int
}

// queue holds what is to be posted, by due time; about 400 bytes a receipt while the receiver is away.
type queue struct {
	woken chan struct{}

	mu      sync.Mutex
	fresh   dueHeap
	retries []*parcel
	// out counts the receipts that were taken and neither confirmed nor put back.
	out int
}

func newQueue() *queue { return &queue{woken: make(chan struct{}, 1)} }

// kick lets the dispatcher look at once instead of at the next interval.
func (q *queue) kick() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

func (q *queue) push(receipts ...*pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range receipts {
		heap.Push(&q.fresh, r)
	}
}

// retry puts a parcel back that was taken.
func (q *queue) retry(p *parcel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retries = append(q.retries, p)
	q.out -= len(p.receipts)
}

// done is for a parcel that was confirmed.
func (q *queue) done(p *parcel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.out -= len(p.receipts)
}

// len counts what is not over, posts under way included: 0 means that this process has nothing to post.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.fresh) + q.out
	for _, p := range q.retries {
		n += len(p.receipts)
	}
	return n
}

// take gives what is due: earlier failures first, then fresh receipts in parcels of at most size.
// shuffle may be nil.
func (q *queue) take(now time.Time, size int, shuffle *rand.Rand) []*parcel {
	q.mu.Lock()
	defer q.mu.Unlock()
	var due []*parcel
	later := q.retries[:0]
	for _, p := range q.retries {
		if p.due.After(now) {
			later = append(later, p)
		} else {
			due = append(due, p)
		}
	}
	clear(q.retries[len(later):])
	q.retries = later
	var receipts []*pending
	for len(q.fresh) > 0 && !q.fresh[0].due.After(now) {
		receipts = append(receipts, heap.Pop(&q.fresh).(*pending)) //nolint:forcetypeassert // The heap is ours.
	}
	if shuffle != nil {
		shuffle.Shuffle(len(receipts), func(i, j int) { receipts[i], receipts[j] = receipts[j], receipts[i] })
	}
	for len(receipts) > 0 {
		n := min(len(receipts), size)
		due = append(due, &parcel{id: "msg_" + uuid.NewString(), receipts: receipts[:n:n]})
		receipts = receipts[n:]
	}
	for _, p := range due {
		q.out += len(p.receipts)
	}
	return due
}

// copies gives the extra copies of r: geometric with the given mean number in all, and the same for the
// same seed and receipt.
func copies(seed uint64, r *pending, mean float64) []*pending {
	if mean <= 1 {
		return nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.receipt.ReceiptID)) // A hash does not fail.
	draw := rand.New(rand.NewPCG(seed, h.Sum64()))
	// P(at least k more) = (1 - 1/mean)^k.
	extra := int(math.Log(1-draw.Float64()) / math.Log(1-1/mean))
	var all []*pending
	for range min(extra, maxCopies-1) {
		c := *r
		c.confirmed = nil
		c.due = r.due.Add(time.Duration(draw.Int64N(int64(copySpread))))
		all = append(all, &c)
	}
	return all
}

// dueHeap is a heap.Interface by due time, earlier receipts first among equals.
type dueHeap []*pending

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].request < h[j].request
	}
	return h[i].due.Before(h[j].due)
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *dueHeap) Push(x any) { *h = append(*h, x.(*pending)) } //nolint:forcetypeassert // The heap is ours.

// Pop is for container/heap.
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
