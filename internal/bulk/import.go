package bulk

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
)

// State is where an import stands.
type State string

// The states of an import.
const (
	Running   State = "RUNNING"
	Completed State = "COMPLETED"
	// Failed means that the rest of the file was not stored. What was stored stays; repeating the file is
	// harmless.
	Failed State = "FAILED"
)

// Import is the progress of one import.
type Import struct {
	ID    uuid.UUID
	State State
	// Read counts the rows of the file so far; when it is COMPLETED each of them is Stored or Refused.
	Read, Stored, Refused int64
	// Created and Changed count customers; the rows of the others say what was known.
	Created, Changed int64
	// Errors counts all errors there are; the first MaxErrors are kept.
	Errors int64
	// Failure says why the import FAILED and what to do, "" if it did not.
	Failure    string
	StartedAt  time.Time
	FinishedAt *time.Time
}

// MaxErrors is how many errors of an import are kept: whoever has more mends what is common to them,
// and imports again.
const MaxErrors = 10_000

// RowError is one thing wrong with one row.
type RowError struct {
	// Number is the error's own, from 1 in the order of the file.
	Number int
	Line   int64
	// Column is "" when the row as a whole is at fault.
	Column string
	// Code is CodeValidation, CodeCells, CodeEncoding, or a csvrow.Fault.
	Code    string
	Message string
}

// Codes of row errors, beside those of csvrow.
const (
	// CodeValidation is a value that POST /customers refuses, in its words.
	CodeValidation = "validation"
	// CodeCells is a row that has not as many cells as the header.
	CodeCells = "cell_count"
	// CodeEncoding is a cell that is not UTF-8.
	CodeEncoding = "invalid_utf8"
)

// Row is what a batch does to one customer.
type Row struct {
	// CustomerID is for a customer who is new, EventID for the event that tells of the change. Both are
	// made in the order of the file, which keeps the indexes over them small.
	CustomerID, EventID uuid.UUID
	Input               customer.Input
}

// Batch is a part of a file.
type Batch struct {
	// Number counts the batches from 1; they are applied in this order.
	Number int
	// Rows has one of each address.
	Rows   []Row
	Errors []RowError
	// Read, Accepted and Refused count the rows of the file; several of one address are one of Rows.
	Read, Accepted, Refused int
	// Faults counts the errors, also those that are not kept.
	Faults int
}

// ErrorFilter chooses errors of an import.
type ErrorFilter struct {
	ImportID uuid.UUID
	// After is the number of the last error of the page before.
	After int
	Limit int
}

// Position is where the error stands in the list.
func (ErrorFilter) Position(e RowError) cursor.Position {
	return cursor.Position{Key: strconv.Itoa(e.Number)}
}

// Intake keeps what uploads bring; see master.Store. What it gives for an import that is no longer
// RUNNING is errs.Conflict.
type Intake interface {
	CreateImport(ctx context.Context, id uuid.UUID) error
	// StageImport keeps a batch; keeping it again changes nothing.
	StageImport(ctx context.Context, id uuid.UUID, b Batch) error
	// Staged gives how many batches wait to be applied.
	Staged(ctx context.Context, id uuid.UUID) (int, error)
	// BeatImport says that the upload is alive.
	BeatImport(ctx context.Context, id uuid.UUID) error
	// EndUpload says that the whole file is staged.
	EndUpload(ctx context.Context, id uuid.UUID) error
	// FailImport drops what is staged and says why. An import that has ended stays as it is.
	FailImport(ctx context.Context, id uuid.UUID, failure string) error
}

// Register shows imports; see master.Store.
type Register interface {
	Import(ctx context.Context, id uuid.UUID) (Import, error)
	ImportErrors(ctx context.Context, f ErrorFilter) ([]RowError, error)
}
