// Package app assembles each role from its parts: it opens what the role needs, in order, runs its
// services until the context ends, and closes in the reverse order. The commands, the demo and the
// end-to-end tests all go through it.
package app

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	// Send windows name time zones, and small images have no database of them.
	_ "time/tzdata"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/engine"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/failpoint"
	"github.com/xencrm/xencrm/internal/runner"
)

// The stores satisfy the ports of packages that do not know them.
var (
	_ activities.AudienceStore  = (*business.Store)(nil)
	_ activities.MessageStore   = (*business.Store)(nil)
	_ activities.BooksStore     = (*business.Store)(nil)
	_ activities.AnswerRecorder = (*business.Recorder)(nil)
	_ customer.RecordStore      = (*master.Store)(nil)
	_ bulk.Intake               = (*master.Store)(nil)
	_ bulk.Register             = (*master.Store)(nil)
	_ bulk.Ledger               = (*master.Store)(nil)
	_ customer.OrderStore       = (*master.Store)(nil)
	_ campaign.Store            = (*business.Store)(nil)
	_ campaign.Rehearser        = (*business.Store)(nil)
	_ campaign.SuppressionStore = (*business.Store)(nil)
	_ campaign.SegmentStore     = (*business.Store)(nil)
	_ campaign.LedgerStore      = (*business.Store)(nil)
	_ campaign.AudienceReader   = (*business.Store)(nil)
	_ campaign.Dashboard        = (*business.Store)(nil)
	_ campaign.ScheduleStore    = (*business.Store)(nil)
	_ engine.SyncStore          = (*business.Store)(nil)
	_ campaign.TestStore        = (*business.Store)(nil)
)

// NewLogger logs as JSON to standard error, one line an event.
func NewLogger(role string, e config.Env) *slog.Logger {
	level := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[strings.ToLower(e.LogLevel)]
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})).With("role", role)
}

// Prepare applies what concerns the process as a whole, which plays the given role.
func Prepare(role string, e config.Env) error {
	debug.SetGCPercent(e.GCPercent)
	return failpoint.Setup(role, e.Failpoints)
}

// role holds what a role has opened.
type role struct {
	name    string
	log     *slog.Logger
	cleanup []func()
}

func newRole(name string, log *slog.Logger) *role { return &role{name: name, log: log} }

// onClose adds something to be closed, before everything that was opened earlier.
func (r *role) onClose(fn func()) { r.cleanup = append(r.cleanup, fn) }

func (r *role) close() {
	for _, cleanup := range slices.Backward(r.cleanup) {
		cleanup()
	}
}

// schema is a database that a role needs at exactly its own version.
type schema struct {
	what       string
	dsn        string
	migrations fs.FS
	conns      int32
}

func masterSchema(dsn string) schema {
	return schema{what: "master database", dsn: dsn, migrations: master.Migrations()}
}

func businessSchema(dsn string) schema {
	return schema{what: "business database", dsn: dsn, migrations: business.Migrations()}
}

// open waits for the database and refuses one whose schema is older or newer than this binary.
func (r *role) open(ctx context.Context, s schema) (*db.Pool, error) {
	pool, err := db.Open(ctx, s.dsn, db.PoolOptions{Name: "xencrm-" + r.name, MaxConns: s.conns})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.what, err)
	}
	r.onClose(pool.Close)
	err = runner.Retry(ctx, r.log, s.what, errs.Retryable, func(ctx context.Context) error {
		return db.CheckSchema(ctx, s.dsn, s.migrations)
	})
	return pool, err
}

// dial makes a Temporal client that connects when it is first used, so that a role starts also while
// Temporal is away.
func (r *role) dial(t config.Temporal) (client.Client, error) {
	c, err := client.NewLazyClient(client.Options{
		HostPort: t.TemporalAddress, Namespace: t.TemporalNamespace,
		Logger:   log.NewStructuredLogger(r.log),
		Identity: fmt.Sprintf("%s-%d", r.name, os.Getpid()),
		// Compressing a few hundred bytes costs more than it saves on a local or regional network.
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}, DialOptions: lossy()},
	})
	if err != nil {
		return nil, errs.Errorf(errs.Invalid, "Temporal at %s: %w", t.TemporalAddress, err)
	}
	r.onClose(c.Close)
	return c, nil
}

// backend is what every role but the worker and the vendor works on.
type backend struct {
	customers *master.Store
	business  *business.Store
	engine    *engine.Engine
}

// connect opens both databases and Temporal.
func (r *role) connect(ctx context.Context, m config.Master, b config.Business, t config.Temporal) (backend, error) {
	masterPool, err := r.open(ctx, masterSchema(m.MasterURL))
	if err != nil {
		return backend{}, err
	}
	businessPool, err := r.open(ctx, businessSchema(b.BusinessURL))
	if err != nil {
		return backend{}, err
	}
	temporal, err := r.dial(t)
	if err != nil {
		return backend{}, err
	}
	return backend{customers: master.New(masterPool), business: business.New(businessPool), engine: engine.New(temporal)}, nil
}
