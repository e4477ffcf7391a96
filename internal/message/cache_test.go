package message_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/message"
)

func TestCache(t *testing.T) {
	t.Parallel()

	t.Run("GivesTheSameTemplateAgain", func(t *testing.T) {
		t.Parallel()
		cache := message.NewCache(2)
		first, err := cache.Parse("{{name}}")
		require.NoError(t, err)
		again, err := cache.Parse("{{name}}")
		require.NoError(t, err)
		require.Same(t, first, again)
	})

	t.Run("ForgetsTheOneUsedLongestAgo", func(t *testing.T) {
		t.Parallel()
		cache := message.NewCache(2)
		kept, _ := cache.Parse("a")
		forgotten, _ := cache.Parse("b")
		_, _ = cache.Parse("a")
		_, _ = cache.Parse("c")
		again, _ := cache.Parse("a")
		require.Same(t, kept, again)
		again, _ = cache.Parse("b")
		require.NotSame(t, forgotten, again)
	})

	t.Run("KeepsNoFaultyTemplate", func(t *testing.T) {
		t.Parallel()
		cache := message.NewCache(2)
		for range 2 {
			_, err := cache.Parse("{{ phone }}")
			require.Error(t, err)
		}
	})

	t.Run("IsSafeForConcurrentUse", func(t *testing.T) {
		t.Parallel()
		cache := message.NewCache(3)
		var group sync.WaitGroup
		for n := range 40 {
			group.Go(func() {
				if _, err := cache.Parse("t" + strconv.Itoa(n%5)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}
