package runner_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/runner"
)

func waits(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestRun(t *testing.T) {
	t.Parallel()

	t.Run("EndsWithTheContext", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, runner.Run(ctx, runner.Service{Name: "a", Run: waits}))
	})

	t.Run("OneThatFailsTakesTheOthersDown", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("broken")
		err := runner.Run(t.Context(), runner.Service{Name: "a", Run: waits},
			runner.Service{Name: "b", Run: func(context.Context) error { return broken }})
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "b: ")
	})

	t.Run("OneThatEndsByItselfIsAFault", func(t *testing.T) {
		t.Parallel()
		err := runner.Run(t.Context(), runner.Service{Name: "a", Run: waits},
			runner.Service{Name: "b", Run: func(context.Context) error { return nil }})
		require.ErrorContains(t, err, "ended by itself")
	})
}

func TestBehind(t *testing.T) {
	t.Parallel()

	t.Run("TheBackEndsAfterTheFront", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		var order []string
		service := func(name string) runner.Service {
			return runner.Service{Name: name, Run: func(ctx context.Context) error {
				<-ctx.Done()
				order = append(order, name)
				return nil
			}}
		}
		cancel()
		require.NoError(t, runner.Behind(ctx, service("back"), service("front")))
		require.Equal(t, []string{"front", "back"}, order)
	})

	t.Run("AFailingBackStopsTheFront", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("broken")
		err := runner.Behind(t.Context(), runner.Service{Name: "back", Run: func(context.Context) error { return broken }},
			runner.Service{Name: "front", Run: waits})
		require.ErrorIs(t, err, broken)
	})
}

func TestRetry(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	always := func(error) bool { return true }

	t.Run("GoesOnUntilItSucceeds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			begin := time.Now()
			require.NoError(t, runner.Retry(t.Context(), log, "x", always, func(context.Context) error {
				if tries++; tries < 10 {
					return errors.New("not yet")
				}
				return nil
			}))
			require.Equal(t, 10, tries)
			require.Less(t, time.Since(begin), time.Minute, "pauses are bounded")
		})
	})

	t.Run("StopsAtWhatIsNotWorthRepeating", func(t *testing.T) {
		t.Parallel()
		tries := 0
		err := runner.Retry(t.Context(), log, "x", func(error) bool { return false }, func(context.Context) error {
			tries++
			return errors.New("wrong password")
		})
		require.ErrorContains(t, err, "wrong password")
		require.Equal(t, 1, tries)
	})

	t.Run("StopsWithTheContext", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.Error(t, runner.Retry(ctx, log, "x", always, func(context.Context) error { return errors.New("away") }))
		})
	})
}
