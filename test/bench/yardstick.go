package main

import (
	"crypto/sha256"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// yardWords is what is walked through: 64 MB, twice the third-level cache, so that each step waits for memory.
	yardWords = 16 << 20
	// yardSteps and yardHashes take some 2 ms together; ten a second are one percent of two cores.
	yardSteps, yardHashes = 5_000, 20
	yardEvery             = 200 * time.Millisecond
)

// yardstick measures the machine itself while the scenarios run: what a dependent read from memory takes, and a
// piece of work that stays in the first cache. On a shared machine the neighbours change both, the first by far
// more, and no figure of ours tells it apart from a change of our own. It counts the CPU time of its own thread,
// so that waiting for a core does not count.
type yardstick struct {
	mu      sync.Mutex
	samples []yardSample
}

type yardSample struct {
	at time.Time
	// memory is of one read in ns, hash of 64 KB in µs.
	memory, hash float64
}

// startYardstick measures until the process ends.
func startYardstick() *yardstick {
	y := &yardstick{}
	go y.run()
	return y
}

func (y *yardstick) run() {
	runtime.LockOSThread() // whose time is counted
	// One cycle through all words, in random order, so that nothing is read ahead.
	next := make([]uint32, yardWords)
	order := rand.Perm(yardWords)
	for i, at := range order {
		next[at] = uint32(order[(i+1)%yardWords])
	}
	block := make([]byte, 64<<10)
	at := uint32(0)
	for {
		begin := threadTime()
		for range yardHashes {
			sum := sha256.Sum256(block)
			copy(block, sum[:])
		}
		hashed := threadTime()
		for range yardSteps {
			at = next[at]
		}
		block[len(block)-1] = byte(at) // so that the walk is not optimised away
		walked := threadTime()
		y.mu.Lock()
		y.samples = append(y.samples, yardSample{
			at:     time.Now(),
			memory: float64((walked - hashed).Nanoseconds()) / yardSteps, hash: float64((hashed - begin).Microseconds()) / yardHashes,
		})
		y.mu.Unlock()
		time.Sleep(yardEvery)
	}
}

// threadTime is the CPU time of the calling thread, 0 where the system does not tell.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// between gives the medians of a stretch of time: of a memory read in ns, and of a hash in µs.
func (y *yardstick) between(from, to time.Time) figures {
	y.mu.Lock()
	defer y.mu.Unlock()
	var memory, hash []float64
	for _, s := range y.samples {
		if s.at.After(from) && s.at.Before(to) {
			memory, hash = append(memory, s.memory), append(hash, s.hash)
		}
	}
	if len(memory) == 0 {
		return nil
	}
	return figures{"machine_memory_read_ns": percentile(memory, 0.50), "machine_hash_us": percentile(hash, 0.50)}
}
