package batch_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder doubles every item and remembers the sizes of the flushes.
type recorder struct {
	mu    sync.Mutex
	sizes []int
	took  time.Duration
	err   error
}

func (r *recorder) flush(_ context.Context, items []int) ([]int, error) {
	r.mu.Lock()
	r.sizes = append(r.sizes, len(items))
	r.mu.Unlock()
	if r.took > 0 {
		time.Sleep(r.took) // synctest's clock, never a real wait.
	}
	if r.err != nil {
		return nil, r.err
	}
	outs := make([]int, len(items))
	for i, item := range items {
		outs[i] = 2 * item
	}
	return outs, nil
}

func doAll(t *testing.T, g *batch.Group[int, int], n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			out, err := g.Do(t.Context(), i)
			if err != nil || out != 2*i {
				t.Errorf("item %d: got %d, %v", i, out, err)
			}
		})
	}
	wg.Wait()
}

func TestGroup(t *testing.T) {
	t.Parallel()

	t.Run("NeighboursShareOneFlush", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{}
			g := batch.New(batch.Options{Linger: 5 * time.Millisecond}, r.flush)
			start := time.Now()
			doAll(t, g, 20)
			require.Equal(t, []int{20}, r.sizes)
			require.Equal(t, 5*time.Millisecond, time.Since(start))
			g.Close()
		})
	})

	t.Run("FullBatchDoesNotLinger", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{}
			g := batch.New(batch.Options{MaxSize: 10, Linger: time.Hour}, r.flush)
			start := time.Now()
			doAll(t, g, 10)
			require.Zero(t, time.Since(start))
			require.Equal(t, []int{10}, r.sizes)
			g.Close()
		})
	})

	t.Run("ItemsGatherBehindARunningFlush", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{took: 10 * time.Millisecond}
			g := batch.New(batch.Options{MaxSize: 30}, r.flush)
			go func() { _, _ = g.Do(context.Background(), 1) }() // The first one occupies the flush.
			synctest.Wait()
			doAll(t, g, 40)
			require.Equal(t, []int{1, 30, 10}, r.sizes)
			g.Close()
		})
	})

	t.Run("ErrorOfAFlushIsTheErrorOfItsItems", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			boom := errors.New("boom")
			g := batch.New(batch.Options{Linger: time.Millisecond}, (&recorder{err: boom}).flush)
			for range 5 {
				go func() {
					_, err := g.Do(t.Context(), 1)
					if !errors.Is(err, boom) {
						t.Errorf("got %v", err)
					}
				}()
			}
			synctest.Wait()
			g.Close()
		})
	})

	t.Run("WrongNumberOfResultsIsAnError", func(t *testing.T) {
		t.Parallel()
		g := batch.New(batch.Options{}, func(context.Context, []int) ([]int, error) { return nil, nil })
		defer g.Close()
		_, err := g.Do(t.Context(), 1)
		require.ErrorContains(t, err, "flush of 1 items gave 0 results")
	})
}

func TestGroupContexts(t *testing.T) {
	t.Parallel()

	t.Run("CancelledCallerLeavesItsItemInTheFlush", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{}
			g := batch.New(batch.Options{Linger: time.Second}, r.flush)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := g.Do(ctx, 7)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Empty(t, r.sizes)
			g.Close()
			require.Equal(t, []int{1}, r.sizes)
		})
	})

	t.Run("DeadContextQueuesNothing", func(t *testing.T) {
		t.Parallel()
		r := &recorder{}
		g := batch.New(batch.Options{}, r.flush)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := g.Do(ctx, 7)
		require.ErrorIs(t, err, context.Canceled)
		g.Close()
		require.Empty(t, r.sizes)
	})

	t.Run("FlushIsBoundedByItsOwnTimeout", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := batch.New(batch.Options{Timeout: time.Minute}, func(ctx context.Context, _ []int) ([]int, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			start := time.Now()
			_, err := g.Do(t.Context(), 1)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(start))
			g.Close()
		})
	})
}

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("DrainsWithoutLingering", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{took: time.Millisecond}
			g := batch.New(batch.Options{MaxSize: 10, Linger: time.Hour}, r.flush)
			for i := range 7 {
				go func() { _, _ = g.Do(context.Background(), i) }() // Only the drain matters here.
			}
			synctest.Wait()
			start := time.Now()
			g.Close()
			require.Equal(t, time.Millisecond, time.Since(start))
			require.Equal(t, []int{7}, r.sizes)
			_, err := g.Do(t.Context(), 1)
			require.ErrorIs(t, err, batch.ErrClosed)
			g.Close() // Twice is harmless.
		})
	})

	t.Run("EveryAnsweredItemWasFlushedUnderStress", func(t *testing.T) {
		t.Parallel()
		for _, parallel := range []int{1, 4} {
			var flushed, answered atomic.Int64
			var running, most atomic.Int64
			g := batch.New(batch.Options{MaxSize: 16, Parallel: parallel, Linger: 50 * time.Microsecond},
				func(_ context.Context, items []int) ([]int, error) {
					now := running.Add(1)
					for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
					}
					flushed.Add(int64(len(items)))
					running.Add(-1)
					return items, nil
				})
			var wg sync.WaitGroup
			for w := range 64 {
				wg.Go(func() {
					for i := range 200 {
						out, err := g.Do(t.Context(), w*1000+i)
						if errors.Is(err, batch.ErrClosed) {
							return
						}
						if err != nil || out != w*1000+i {
							t.Errorf("got %d, %v", out, err)
						}
						if answered.Add(1) == 9000 {
							go g.Close()
						}
					}
				})
			}
			wg.Wait()
			g.Close()
			require.Equal(t, answered.Load(), flushed.Load())
			require.LessOrEqual(t, most.Load(), int64(parallel))
		}
	})
}

func BenchmarkDo(b *testing.B) {
	g := batch.New(batch.Options{}, func(_ context.Context, items []int) ([]int, error) { return items, nil })
	defer g.Close()
	b.SetParallelism(64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = g.Do(b.Context(), 1) // Only the cost matters.
		}
	})
}
