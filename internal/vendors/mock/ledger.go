package mock

import (
	"context"
	"database/sql"
	_ "embed" // schema.sql
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // The driver.

	"github.com/xencrm/xencrm/internal/batch"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/failpoint"
	"github.com/xencrm/xencrm/internal/vendor"
)

//go:embed schema.sql
var schema string

// schemaVersion is the user_version that schema.sql sets.
const schemaVersion = 1

const (
	// flushSize is far above what gathers during one fsync (a few hundred requests at 10,000/s); it only
	// bounds a statement's memory.
	flushSize = 1000
	// flushLinger gathers messages behind one fsync, which takes about as long: BenchmarkSend 7,250 a second
	// without, 8,250 with.
	flushLinger = 3 * time.Millisecond
	// flushTimeout is below the sender's 5 s: a stuck disk shows as an error, not as a hang.
	flushTimeout = 4 * time.Second
)

// ledger is the vendor's memory. Every decision is taken inside its flush, one flush at a time, and is
// on disk (WAL, synchronous=FULL) before anyone hears of it.
type ledger struct {
	db     *sql.DB // One connection: SQLite has one writer.
	read   *sql.DB
	unlock func()
	group  *batch.Group[work, reply]
	// prepared are the flush's statements by their text, one for each table and number of rows: 201 at most.
	// Parsing them each time took a quarter of a flush.
	prepared map[string]*sql.Stmt
	profile  int32
	profiles map[int32]profile

	// keys mirrors the table requests, about 200 bytes a key, so that no decision reads the disk. Only the
	// flush touches it.
	keys map[string]state
	last int64
	// stale says that a write failed and that the file must be read again before the next decision.
	stale bool
	// written is called with the receipts of a flush after its commit.
	written func([]*pending)
}

type profile struct {
	seed uint64
	rate float64
}

// openLedger opens or makes the file and gives the receipts that were never confirmed.
func openLedger(
	ctx context.Context, path string, p profile, written func([]*pending),
) (*ledger, []*pending, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, nil, errs.Wrap(errs.Unavailable, err, "folder of the vendor ledger cannot be made")
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, nil, errs.Wrap(errs.Conflict, err,
			"vendor ledger "+path+" cannot be locked: another mock vendor has it, or it is not writable")
	}
	l := &ledger{unlock: unlock, written: written, prepared: map[string]*sql.Stmt{}}
	if err := l.open(ctx, path, p); err != nil {
		return nil, nil, fmt.Errorf("open vendor ledger %s: %w", path, errors.Join(err, l.closeFiles()))
	}
	unconfirmed, err := l.unconfirmed(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read unconfirmed receipts: %w", errors.Join(err, l.closeFiles()))
	}
	l.group = batch.New(batch.Options{MaxSize: flushSize, Linger: flushLinger, Timeout: flushTimeout}, l.flush)
	return l, unconfirmed, nil
}

func (l *ledger) open(ctx context.Context, path string, p profile) error {
	// FULL syncs the WAL on every commit: what was answered survives the machine, not just the process.
	// temp_store: the undo of a many-row statement is otherwise written to a file, a tenth of the time in
	// BenchmarkSend. cache_size is 32 MB, because the index on the random keys is touched all over.
	const writer = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(3000)" +
		"&_pragma=wal_autocheckpoint(4000)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-32000)" +
		"&_txlock=immediate"
	file := "file:" + (&url.URL{Path: path}).EscapedPath()
	var err error
	if l.db, err = sql.Open("sqlite", file+writer); err != nil {
		return err
	}
	l.db.SetMaxOpenConns(1)
	if err := l.migrate(ctx); err != nil {
		return err
	}
	if l.read, err = sql.Open("sqlite", file+"?mode=ro&_pragma=busy_timeout(3000)"); err != nil {
		return err
	}
	l.read.SetMaxOpenConns(2)
	if err := l.chooseProfile(ctx, p); err != nil {
		return err
	}
	return l.load(ctx)
}

func (l *ledger) migrate(ctx context.Context) error {
	var version int
	if err := l.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		return nil
	case 0:
		return l.inTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, schema)
			return err
		})
	default:
		return errs.Errorf(errs.Conflict, "file has ledger version %d, this program knows %d", version, schemaVersion)
	}
}

func (l *ledger) chooseProfile(ctx context.Context, p profile) error {
	_, err := l.db.ExecContext(ctx, "INSERT INTO profiles (seed, success_rate) VALUES (?, ?) ON CONFLICT DO NOTHING",
		strconv.FormatUint(p.seed, 10), p.rate)
	if err != nil {
		return err
	}
	rows, err := l.db.QueryContext(ctx, "SELECT profile, seed, success_rate FROM profiles")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells.
	l.profiles = map[int32]profile{}
	for rows.Next() {
		var id int32
		var seed string
		var got profile
		if err := rows.Scan(&id, &seed, &got.rate); err != nil {
			return err
		}
		if got.seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
			return err
		}
		l.profiles[id] = got
		if got == p {
			l.profile = id
		}
	}
	return rows.Err()
}

// load reads every key back; 1,000,000 of them take a few seconds.
func (l *ledger) load(ctx context.Context) error {
	keys, last := map[string]state{}, int64(0)
	rows, err := l.db.QueryContext(ctx,
		"SELECT request, key, profile, fingerprint, n, code, settled_at, first_at, asked, reused FROM requests")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells.
	for rows.Next() {
		var key, fingerprint, code string
		var s state
		err := rows.Scan(&s.request, &key, &s.profile, &fingerprint, &s.n, &code, &s.settledAt, &s.firstAt,
			&s.asked, &s.reused)
		if err != nil {
			return err
		}
		if _, err := hex.Decode(s.fingerprint[:], []byte(fingerprint)); err != nil {
			return err
		}
		s.code = interned(code)
		keys[key] = s
		last = max(last, s.request)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	l.keys, l.last, l.stale = keys, last, false
	return nil
}

// interned gives the constant, so that a million keys do not hold a million strings.
func interned(code string) vendor.Code {
	for _, c := range failures() {
		if string(c) == code {
			return c
		}
	}
	return vendor.Code(code)
}

// flush decides on items in their order and writes what that changes in one transaction.
func (l *ledger) flush(ctx context.Context, items []work) ([]reply, error) {
	if l.stale {
		if err := l.load(ctx); err != nil {
			return nil, fmt.Errorf("read ledger again: %w", err)
		}
	}
	p := newPlan(l, time.Now())
	replies := make([]reply, len(items))
	for i, item := range items {
		if item.ask != nil {
			replies[i] = p.answer(item.ask)
		}
		p.confirmed = append(p.confirmed, item.confirmed...)
	}
	if err := l.write(ctx, p); err != nil {
		l.stale = true
		return nil, fmt.Errorf("write ledger: %w", err)
	}
	maps.Copy(l.keys, p.touched)
	l.last = p.last
	l.written(p.receipts)
	return replies, nil
}

// write stores the plan in one transaction.
func (l *ledger) write(ctx context.Context, p *plan) error {
	statements, err := p.statements()
	if err != nil {
		return err
	}
	// Before the transaction, which has the only connection.
	for _, s := range statements {
		if err := l.prepare(ctx, s.text); err != nil {
			return err
		}
	}
	return l.inTx(ctx, func(tx *sql.Tx) error {
		for _, s := range statements {
			prepared := tx.StmtContext(ctx, l.prepared[s.text]) //nolint:sqlclosecheck // The transaction closes it.
			if _, err := prepared.ExecContext(ctx, s.values...); err != nil {
				return err
			}
		}
		failpoint.Hit(failpoint.VendorBeforeCommit)
		return nil
	})
}

func (l *ledger) prepare(ctx context.Context, text string) error {
	if l.prepared[text] != nil {
		return nil
	}
	made, err := l.db.PrepareContext(ctx, text) //nolint:sqlclosecheck // The database closes it.
	if err != nil {
		return err
	}
	l.prepared[text] = made
	return nil
}

func (l *ledger) inTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// close finishes what is queued and lets the file go.
func (l *ledger) close() error {
	l.group.Close()
	return l.closeFiles()
}

func (l *ledger) closeFiles() error {
	var err error
	for _, db := range []*sql.DB{l.read, l.db} {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}
	l.unlock()
	return err
}
