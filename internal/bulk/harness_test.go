package bulk

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/errs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a store in memory: what was staged, and how the import ended.
type shelf struct {
	mu      sync.Mutex
	batches []Batch
	beats   int
	ended   bool
	failure string
	// waiting is what Staged says, one answer after the other; none when they are used up.
	waiting []int
	// stageErr fails a stage once each.
	stageErr []error
	beat     chan struct{}
}

func (s *shelf) CreateImport(context.Context, uuid.UUID) error { return nil }

func (s *shelf) StageImport(_ context.Context, _ uuid.UUID, b Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stageErr) > 0 {
		err := s.stageErr[0]
		s.stageErr = s.stageErr[1:]
		return err
	}
	s.batches = append(s.batches, b)
	return nil
}

func (s *shelf) Staged(context.Context, uuid.UUID) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return 0, nil
	}
	n := s.waiting[0]
	s.waiting = s.waiting[1:]
	return n, nil
}

func (s *shelf) BeatImport(context.Context, uuid.UUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beats++; s.beat != nil && s.beats == 1 {
		close(s.beat)
	}
	return nil
}

func (s *shelf) EndUpload(context.Context, uuid.UUID) error { s.ended = true; return nil }

func (s *shelf) FailImport(_ context.Context, _ uuid.UUID, failure string) error {
	s.failure = failure
	return nil
}

func (s *shelf) Import(_ context.Context, id uuid.UUID) (Import, error) {
	return Import{ID: id, State: Running}, nil
}

func (s *shelf) ImportErrors(context.Context, ErrorFilter) ([]RowError, error) { return nil, nil }

// all gives what was staged, put together.
func (s *shelf) all() Batch {
	var out Batch
	for _, b := range s.batches {
		out.Rows = append(out.Rows, b.Rows...)
		out.Errors = append(out.Errors, b.Errors...)
		out.Read += b.Read
		out.Accepted += b.Accepted
		out.Refused += b.Refused
		out.Faults += b.Faults
	}
	return out
}

func newService(s *shelf) *Service {
	out := NewService(s, s, slog.New(slog.DiscardHandler))
	out.pause = time.Millisecond
	return out
}

// take imports a file that must come through.
func take(t testing.TB, file string) *shelf {
	t.Helper()
	s := &shelf{}
	_, err := newService(s).Import(t.Context(), strings.NewReader(file), nil)
	require.NoError(t, err)
	require.True(t, s.ended)
	require.Empty(t, s.failure)
	return s
}

// refuse gives the faults of a file that is refused as a whole, with nothing stored.
func refuse(t *testing.T, file io.Reader) *errs.Error {
	t.Helper()
	s := &shelf{}
	_, err := newService(s).Import(t.Context(), file, nil)
	var refusal *errs.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, errs.Invalid, refusal.Code)
	require.Empty(t, s.batches)
	require.Empty(t, s.failure, "there is no import to fail")
	return refusal
}
