package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"
)

// evidence is every source that was given, opened.
type evidence struct {
	o                Options
	master, business *pgx.Conn
	ledger           *sql.DB       // nil when not given
	broker           *broker       // nil when not given
	temporal         client.Client // nil when not given
}

// gather opens what the options name. The databases are opened again for each look: they may restart
// while the auditor waits for rest.
func gather(ctx context.Context, o Options) (*evidence, error) {
	e := &evidence{o: o}
	if err := e.open(ctx); err != nil {
		e.close(ctx)
		return nil, err
	}
	return e, nil
}

func (e *evidence) open(ctx context.Context) error {
	var err error
	if e.master, err = connect(ctx, e.o.MasterURL, "master"); err != nil {
		return err
	}
	if e.business, err = connect(ctx, e.o.BusinessURL, "business"); err != nil {
		return err
	}
	if e.o.VendorLedger != "" {
		if e.ledger, err = openLedger(e.o.VendorLedger); err != nil {
			return err
		}
	}
	if e.o.RabbitManagementURL != "" {
		if e.broker, err = newBroker(e.o.RabbitManagementURL, e.o.RabbitVhost); err != nil {
			return err
		}
	}
	if e.o.TemporalAddress != "" {
		e.temporal, err = dialTemporal(e.o.TemporalAddress, e.o.TemporalNamespace)
	}
	return err
}

func (e *evidence) close(ctx context.Context) {
	if e.master != nil {
		disconnect(ctx, e.master)
	}
	if e.business != nil {
		disconnect(ctx, e.business)
	}
	if e.ledger != nil {
		_ = e.ledger.Close() // it was only read
	}
	if e.temporal != nil {
		e.temporal.Close()
	}
}

// snapshots runs fn in one snapshot of each database.
func (e *evidence) snapshots(ctx context.Context, fn func(master, business pgx.Tx) error) error {
	return snapshot(ctx, e.master, func(master pgx.Tx) error {
		return snapshot(ctx, e.business, func(business pgx.Tx) error { return fn(master, business) })
	})
}

// notChecked says what the missing sources leave open.
func (o Options) notChecked() []NotChecked {
	out := []NotChecked{}
	if o.VendorLedger == "" {
		for _, id := range []string{oneDelivery, noGhosts, logMatches, receiptsStored} {
			out = append(out, NotChecked{id, "no vendor ledger was given"})
		}
	}
	if o.TemporalAddress == "" {
		out = append(out, NotChecked{workflowRight, "no Temporal address was given"})
	}
	if o.RabbitManagementURL == "" {
		const why = "of RabbitMQ: no management URL was given"
		out = append(out, NotChecked{quarantineKnown, "dead letters " + why},
			NotChecked{nothingLeaks, "consumers " + why}, NotChecked{settingsDurable, "queues " + why})
	}
	for _, id := range o.Skip {
		out = append(out, NotChecked{id, "skipped on request"})
	}
	return out
}

// Validate reports options that cannot be worked with.
func (o Options) Validate() error {
	var all []error
	if o.MasterURL == "" || o.BusinessURL == "" {
		all = append(all, errors.New("both databases must be given"))
	}
	if unknown := UnknownIDs(o.Skip); len(unknown) > 0 {
		all = append(all, fmt.Errorf("no such invariants: %v", unknown))
	}
	if o.AllowQuarantined < 0 {
		all = append(all, errors.New("a negative number of quarantined messages cannot be allowed"))
	}
	return errors.Join(all...)
}
