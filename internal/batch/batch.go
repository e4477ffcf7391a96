// Package batch lets callers that each hold one item share one write: a group commit.
//
// It owns the gathering, the hand-out of results and the draining. It knows nothing about what a
// flush does, does not retry, and does not split a failed batch: an error of a flush is the error of
// every item in it, and whoever called Do decides whether to try again.
package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// DefaultMaxSize is where the measured cost of a PostgreSQL commit is spread thin enough: between
	// 25 and 50 sends per commit the prototype in design.md section 3 stopped gaining.
	DefaultMaxSize = 50
	// DefaultTimeout bounds one flush, so that a frozen database fails callers instead of holding
	// them for ever. It is far above any healthy commit and below Temporal's usual heartbeat limits.
	DefaultTimeout = 30 * time.Second
)

// ErrClosed is given by Do after Close; the item was not queued.
var ErrClosed = errors.New("batch: group is closed")

// Options are the knobs of a Group. The zero value is usable.
type Options struct {
	// MaxSize is the most items one flush gets; DefaultMaxSize when zero.
	MaxSize int
	// Linger is how long the first item of an idle group waits for neighbours. A batch that gathered
	// behind a running flush does not linger: it has already waited. Zero flushes at once.
	Linger time.Duration
	// Parallel is how many flushes may run at once; 1 when zero, which also keeps flushes in order.
	Parallel int
	// Timeout bounds one flush; DefaultTimeout when zero.
	Timeout time.Duration
}

// ApplyDefaults fills in what was left zero or makes no sense.
func (o *Options) ApplyDefaults() {
	if o.MaxSize <= 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.Parallel <= 0 {
		o.Parallel = 1
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
}

// Flush writes items and gives one result per item, in the same order. It owns items.
type Flush[In, Out any] func(ctx context.Context, items []In) ([]Out, error)

// Group gathers the items of concurrent Do calls into flushes. It holds no goroutine while idle.
type Group[In, Out any] struct {
	o     Options
	flush Flush[In, Out]
	loops sync.WaitGroup

	mu      sync.Mutex
	pending []*call[In, Out]
	running int
	// lingering is open while one loop waits for neighbours; closing it sends that loop off early.
	lingering chan struct{}
	closed    bool
}

// call is one item on its way; done is closed after out and err were set.
type call[In, Out any] struct {
	item In
	out  Out
	err  error
	done chan struct{}
}

// New makes a group around flush.
func New[In, Out any](o Options, flush func(ctx context.Context, items []In) ([]Out, error)) *Group[In, Out] {
	o.ApplyDefaults()
	return &Group[In, Out]{o: o, flush: flush}
}

// Do queues item and waits until the flush that held it has ended.
//
// When ctx ends first, Do gives ctx.Err() and the outcome is UNKNOWN: the item stays queued and will
// normally still be flushed. A ctx that has already ended queues nothing.
func (g *Group[In, Out]) Do(ctx context.Context, item In) (Out, error) {
	var zero Out
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	c := &call[In, Out]{item: item, done: make(chan struct{})}
	if !g.enqueue(c) {
		return zero, ErrClosed
	}
	select {
	case <-c.done:
		return c.out, c.err
	case <-ctx.Done():
	}
	// Both may be ready at once; a known outcome beats an unknown one.
	select {
	case <-c.done:
		return c.out, c.err
	default:
		return zero, ctx.Err()
	}
}

// Close refuses further items, cuts lingering short and returns when every queued item was flushed.
func (g *Group[In, Out]) Close() {
	g.mu.Lock()
	g.closed = true
	g.endLinger()
	g.mu.Unlock()
	g.loops.Wait()
}

func (g *Group[In, Out]) enqueue(c *call[In, Out]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.pending = append(g.pending, c)
	if g.lingering == nil && g.running < g.o.Parallel {
		g.running++
		g.lingering = make(chan struct{})
		g.loops.Add(1)
		go g.loop(g.lingering)
	}
	if g.o.Linger <= 0 || len(g.pending) >= g.o.MaxSize {
		g.endLinger()
	}
	return true
}

// endLinger sends the lingering loop off. The caller holds mu.
func (g *Group[In, Out]) endLinger() {
	if g.lingering != nil {
		close(g.lingering)
		g.lingering = nil
	}
}

// loop lingers once, then flushes until nothing is pending: what gathers during a flush is the next
// batch, so batches grow by themselves as the flush gets slower.
func (g *Group[In, Out]) loop(full <-chan struct{}) {
	defer g.loops.Done()
	g.linger(full)
	for batch := g.take(); batch != nil; batch = g.take() {
		g.run(batch)
	}
}

func (g *Group[In, Out]) linger(full <-chan struct{}) {
	timer := time.NewTimer(g.o.Linger)
	defer timer.Stop()
	select {
	case <-full:
		return
	case <-timer.C:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	// Another loop may linger by now, if full was closed while the timer fired: leave that one alone.
	select {
	case <-full:
	default:
		g.endLinger()
	}
}

// take gives the next batch, or nil after signing the loop off.
func (g *Group[In, Out]) take() []*call[In, Out] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.pending), g.o.MaxSize)
	if n == 0 {
		g.running--
		return nil
	}
	batch := g.pending[:n:n]
	if n == len(g.pending) {
		g.pending = nil
	} else {
		// Only the tail is kept: appending reallocates soon and frees the head.
		g.pending = g.pending[n:]
	}
	return batch
}

// run flushes under a context of the group's own: a caller that gives up must not undo the work of
// its neighbours.
func (g *Group[In, Out]) run(batch []*call[In, Out]) {
	ctx, cancel := context.WithTimeout(context.Background(), g.o.Timeout)
	defer cancel()
	items := make([]In, len(batch))
	for i, c := range batch {
		items[i] = c.item
	}
	outs, err := g.flush(ctx, items)
	if err == nil && len(outs) != len(batch) {
		err = fmt.Errorf("batch: flush of %d items gave %d results", len(batch), len(outs))
	}
	for i, c := range batch {
		if err != nil {
			c.err = err
		} else {
			c.out = outs[i]
		}
		close(c.done)
	}
}
