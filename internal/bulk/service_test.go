package bulk

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
)

func TestImport(t *testing.T) {
	t.Parallel()
	oneRow := header + "Asha,a@shop.in,,\n"

	t.Run("AnUploadThatIsCutOffFails", func(t *testing.T) {
		t.Parallel()
		s := &shelf{}
		_, err := newService(s).Import(t.Context(), io.MultiReader(strings.NewReader(oneRow), iotest.ErrReader(io.ErrUnexpectedEOF)), nil)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.False(t, s.ended)
		require.Contains(t, s.failure, "change nothing")
	})

	t.Run("SoDoesOneWithMoreThanTheFile", func(t *testing.T) {
		t.Parallel()
		s := &shelf{}
		more := errors.New("a second file")
		_, err := newService(s).Import(t.Context(), strings.NewReader(oneRow), func() error { return more })
		require.ErrorIs(t, err, more)
		require.False(t, s.ended)
		require.NotEmpty(t, s.failure)
	})

	t.Run("ADatabaseThatIsAwayForAMomentIsWaitedFor", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &shelf{stageErr: []error{errs.Errorf(errs.Unavailable, "away"), errs.Errorf(errs.Unknown, "no answer")}}
			_, err := newService(s).Import(t.Context(), strings.NewReader(oneRow), nil)
			require.NoError(t, err)
			require.Equal(t, 1, s.all().Read)
			require.True(t, s.ended)
		})
	})

	t.Run("OneThatStaysAwayFailsIt", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &shelf{stageErr: slices.Repeat([]error{errs.Errorf(errs.Unavailable, "away")}, 100)}
			begin := time.Now()
			_, err := newService(s).Import(t.Context(), strings.NewReader(oneRow), nil)
			require.True(t, errs.Is(err, errs.Unavailable))
			require.NotEmpty(t, s.failure)
			require.Equal(t, patience, time.Since(begin))
		})
	})

	t.Run("AnImportThatEndedMeanwhileEndsTheUpload", func(t *testing.T) {
		t.Parallel()
		s := &shelf{stageErr: []error{errs.Errorf(errs.Conflict, "the import is FAILED")}}
		_, err := newService(s).Import(t.Context(), strings.NewReader(oneRow), nil)
		require.True(t, errs.Is(err, errs.Conflict))
	})

	t.Run("WaitsWhileTooMuchIsStaged", func(t *testing.T) {
		t.Parallel()
		s := &shelf{waiting: []int{maxWaiting + 1, maxWaiting + 1, maxWaiting}}
		_, err := newService(s).Import(t.Context(), strings.NewReader(oneRow), nil)
		require.NoError(t, err)
		require.Empty(t, s.waiting, "it looked until there was room")
	})

	t.Run("ShowsLifeWhileTheClientIsSlow", func(t *testing.T) {
		t.Parallel()
		s := &shelf{beat: make(chan struct{})}
		service := newService(s)
		service.every = time.Millisecond
		file, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, oneRow) // the reader sees a closed pipe
			<-s.beat
			_ = w.Close() // always nil
		}()
		_, err := service.Import(t.Context(), file, nil)
		require.NoError(t, err)
		require.True(t, s.ended)
	})

	t.Run("SoManyAtOnceAndNoMore", func(t *testing.T) {
		t.Parallel()
		service := newService(&shelf{})
		for range maxUploads {
			service.uploads <- struct{}{}
		}
		_, err := service.Import(t.Context(), strings.NewReader(oneRow), nil)
		require.True(t, errs.Is(err, errs.RateLimited))
		<-service.uploads
		_, err = service.Import(t.Context(), strings.NewReader(oneRow), nil)
		require.NoError(t, err)
		require.Len(t, service.uploads, maxUploads-1, "the place is free again")
	})
}

// ledger is a Ledger of functions; those that are nil are not expected to be called.
type ledger struct {
	apply  func() (uuid.UUID, error)
	fail   func(id uuid.UUID, failure string) error
	silent func(silence time.Duration) (int, error)
	purge  func(before time.Time) (int, error)
}

func (l ledger) ApplyImport(context.Context) (uuid.UUID, error) { return l.apply() }

func (l ledger) FailImport(_ context.Context, id uuid.UUID, failure string) error {
	return l.fail(id, failure)
}

func (l ledger) FailSilent(_ context.Context, silence time.Duration, _ string) (int, error) {
	return l.silent(silence)
}

func (l ledger) PurgeImports(_ context.Context, before time.Time, _ int) (int, error) {
	return l.purge(before)
}

func calm() ledger {
	return ledger{
		apply:  func() (uuid.UUID, error) { return uuid.Nil, nil },
		silent: func(time.Duration) (int, error) { return 0, nil },
		purge:  func(time.Time) (int, error) { return 0, nil },
	}
}

// run lets an applier work for a while of made-up time.
func run(t *testing.T, l Ledger, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	require.NoError(t, NewApplier(l, time.Now, slog.New(slog.DiscardHandler)).Run(ctx))
}

func TestApplier(t *testing.T) {
	t.Parallel()

	t.Run("AppliesWithoutAPauseUntilNothingIsStaged", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			begin, done := time.Now(), time.Duration(0)
			l, staged := calm(), 10
			l.apply = func() (uuid.UUID, error) {
				if staged == 0 {
					return uuid.Nil, nil
				}
				staged--
				done = time.Since(begin)
				return uuid.New(), nil
			}
			run(t, l, time.Minute)
			require.Zero(t, staged)
			require.Equal(t, applyEvery, done)
		})
	})

	t.Run("AnImportThatCannotBeStoredFailsAndTheOthersGoOn", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			bad, good := uuid.New(), 3
			l := calm()
			var failed []uuid.UUID
			l.fail = func(id uuid.UUID, _ string) error { failed = append(failed, id); return nil }
			l.apply = func() (uuid.UUID, error) {
				switch {
				case len(failed) == 0:
					return bad, errs.Errorf(errs.Invalid, "out of range")
				case good > 0:
					good--
					return uuid.New(), nil
				}
				return uuid.Nil, nil
			}
			run(t, l, time.Second)
			require.Equal(t, []uuid.UUID{bad}, failed)
			require.Zero(t, good)
		})
	})

	t.Run("ADatabaseThatIsAwayFailsNobody", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			l, tries := calm(), 0
			l.apply = func() (uuid.UUID, error) { tries++; return uuid.New(), errs.Errorf(errs.Unavailable, "away") }
			run(t, l, time.Minute)
			require.InDelta(t, time.Minute/troubled, tries, 1)
		})
	})

	t.Run("SweepsNowAndThen", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			l, sweeps := calm(), 0
			l.silent = func(d time.Duration) (int, error) {
				sweeps++
				require.Equal(t, silence, d)
				return 1, nil
			}
			l.purge = func(before time.Time) (int, error) {
				require.Equal(t, keepImports, time.Since(before))
				return 0, nil
			}
			run(t, l, time.Minute)
			require.InDelta(t, time.Minute/tidyEvery, sweeps, 1)
		})
	})
}
