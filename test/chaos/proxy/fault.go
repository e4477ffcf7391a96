package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Fault is something that a proxy will do once.
type Fault struct {
	struck atomic.Int32
	off    atomic.Bool
}

// Struck is how often it has struck: 1 after it did, 0 before. It stays 0 for a fault whose message
// came to nothing for another reason, as when the server dies before its answer.
func (f *Fault) Struck() int { return int(f.struck.Load()) }

// Disarm takes back a fault that has not struck yet. One that is about to strike still may.
func (f *Fault) Disarm() { f.off.Store(true) }

// faults are the armed ones of a proxy; S says what exactly each does and to what.
type faults[S any] struct {
	mu    sync.Mutex
	armed []*armed[S]
}

type armed[S any] struct {
	*Fault

	spec S
	left int // messages until it strikes, the struck one included
}

// arm makes a fault of the k-th message from now on that it fits; below 1 counts as 1.
func (fs *faults[S]) arm(k int, spec S) *Fault {
	a := &armed[S]{Fault: new(Fault), spec: spec, left: max(k, 1)}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.armed = append(fs.armed, a)
	return a.Fault
}

// next counts a message for all faults that it fits, and gives the one that strikes it. Of several
// that are due the oldest strikes, and the others take the next message.
func (fs *faults[S]) next(fits func(S) bool) (spec S, f *Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.armed = slices.DeleteFunc(fs.armed, func(a *armed[S]) bool {
		switch {
		case a.off.Load():
			return true
		case !fits(a.spec):
			return false
		case a.left > 1:
			a.left--
			return false
		case f != nil:
			return false
		}
		spec, f = a.spec, a.Fault
		return true
	})
	return spec, f
}
