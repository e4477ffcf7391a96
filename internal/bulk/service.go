package bulk

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/runner"
)

// Service takes files in and shows how far they are.
type Service struct {
	intake   Intake
	register Register
	log      *slog.Logger
	// uploads holds a token for each upload under way.
	uploads chan struct{}
	// every is the distance of two signs of life of an upload, pause that of two looks at a backlog.
	every, pause time.Duration
}

const (
	// maxUploads bounds the memory and the connections of one process: an upload holds a batch of some
	// megabytes, and a connection while it stages.
	maxUploads = 4
	// maxWaiting bounds what is staged and not applied, to half a million rows an import: a database can
	// be filled faster than customers can be made of it. The client is kept waiting meanwhile.
	maxWaiting = 100
	// beatEvery is a sixth of what an upload may be silent before it counts as cut off.
	beatEvery = silence / 6
	// silence is after how long without a sign of life an upload counts as cut off, because the process
	// that took it in is gone.
	silence = time.Minute
	// patience is how long an upload waits for the database: with a sign of life missed before, still less
	// than silence.
	patience = silence / 2
)

// NewService makes a service.
func NewService(i Intake, r Register, log *slog.Logger) *Service {
	return &Service{
		intake: i, register: r, log: log, uploads: make(chan struct{}, maxUploads),
		every: beatEvery, pause: 50 * time.Millisecond,
	}
}

// Import reads a file to its end and stages its rows; applying them has begun by then and goes on. A
// file that no row can be read from is errs.Invalid. Whatever cuts the upload off makes the import
// FAILED, and the error says so; an error of source is given as it is, behind context.
//
// after is called at the end of the file, before the import is told to be complete; its error is one of
// the file. It may be nil.
func (s *Service) Import(ctx context.Context, source io.Reader, after func() error) (Import, error) {
	select {
	case s.uploads <- struct{}{}:
	default:
		return Import{}, errs.Errorf(errs.RateLimited, "%d imports are being uploaded already; try again when one of them is", maxUploads)
	}
	defer func() { <-s.uploads }()
	f, err := openFile(source)
	if err != nil {
		return Import{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Import{}, errs.Wrap(errs.Internal, err, "make import id")
	}
	if err := s.intake.CreateImport(ctx, id); err != nil {
		return Import{}, err
	}
	stop := s.beat(ctx, id)
	err = s.upload(ctx, id, f, after)
	stop()
	if err != nil {
		s.fail(ctx, id, err)
		return Import{}, err
	}
	return s.register.Import(ctx, id)
}

func (s *Service) upload(ctx context.Context, id uuid.UUID, f *file, after func() error) error {
	rows := newCollector()
	for {
		in, faults, err := f.next()
		switch {
		case errors.Is(err, io.EOF):
			return s.end(ctx, id, rows, after)
		case err != nil:
			return err
		case len(faults) > 0:
			rows.refuse(faults)
		default:
			if err := rows.accept(in); err != nil {
				return err
			}
		}
		if rows.full() {
			if err := s.stage(ctx, id, rows.take()); err != nil {
				return err
			}
		}
	}
}

// end stages what is left of the file.
func (s *Service) end(ctx context.Context, id uuid.UUID, rows *collector, after func() error) error {
	if after != nil {
		if err := after(); err != nil {
			return err
		}
	}
	if !rows.empty() {
		if err := s.stage(ctx, id, rows.take()); err != nil {
			return err
		}
	}
	return s.steady(ctx, func(ctx context.Context) error { return s.intake.EndUpload(ctx, id) })
}

// steady repeats what the database could not do or did not answer: a failover does not cost a client the
// hours of its upload. Every step may be repeated.
func (s *Service) steady(ctx context.Context, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return runner.Retry(ctx, s.log, "the database of an import", passes, do)
}

// passes reports whether an error is one of the moment.
func passes(err error) bool { return errs.Is(err, errs.Unavailable) || errs.Is(err, errs.Unknown) }

// stage keeps a batch and waits while too many are not applied yet.
func (s *Service) stage(ctx context.Context, id uuid.UUID, b Batch) error {
	err := s.steady(ctx, func(ctx context.Context) error { return s.intake.StageImport(ctx, id, b) })
	if err != nil {
		return err
	}
	timer := time.NewTimer(s.pause)
	defer timer.Stop()
	for {
		waiting := 0
		err := s.steady(ctx, func(ctx context.Context) (err error) {
			waiting, err = s.intake.Staged(ctx, id)
			return err
		})
		if err != nil || waiting <= maxWaiting {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			timer.Reset(s.pause)
		}
	}
}

// beat says that the upload is alive until stop is called.
func (s *Service) beat(ctx context.Context, id uuid.UUID) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(s.every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if err := s.intake.BeatImport(ctx, id); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "import shows no sign of life", "import_id", id, "error", err)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// Failures, as clients see them.
const (
	failedUpload = "the upload was cut off, or was not one whole file" + sendAgain
	failedStore  = "the rest of the rows could not be stored, which is a fault of ours" + sendAgain
	sendAgain    = "; the rows that were stored stay. Send the whole file again: rows that are stored already change nothing"
)

// fail notes why an upload ended. When that cannot be noted the import falls silent, and a sweep does it.
func (s *Service) fail(ctx context.Context, id uuid.UUID, cause error) {
	s.log.WarnContext(ctx, "import failed", "import_id", id, "error", cause)
	if err := s.intake.FailImport(ctx, id, failedUpload); err != nil {
		s.log.WarnContext(ctx, "failure of an import not noted", "import_id", id, "error", err)
	}
}

// Get gives one import.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Import, error) {
	found, err := s.register.Import(ctx, id)
	if errs.Is(err, errs.NotFound) {
		err = errs.Wrap(errs.NotFound, err, "Import not found")
	}
	return found, err
}

// Errors gives a page of the errors of an import.
func (s *Service) Errors(ctx context.Context, f ErrorFilter) (cursor.Page[RowError], error) {
	if _, err := s.Get(ctx, f.ImportID); err != nil {
		return cursor.Page[RowError]{}, err
	}
	limit := f.Limit
	f.Limit++ // one more shows whether anything follows
	found, err := s.register.ImportErrors(ctx, f)
	return cursor.Cut(found, limit, f.Position), err
}
