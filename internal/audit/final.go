package audit

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Final waits until the system is at rest and then judges every invariant for which there is
// evidence. An error is a fault of the auditor, or of a source that stopped answering, and no verdict.
func Final(ctx context.Context, o Options) (Verdict, error) {
	if err := o.Validate(); err != nil {
		return Verdict{}, err
	}
	o.ApplyDefaults()
	// A path that is wrong does not become right by waiting.
	if _, err := os.Stat(o.VendorLedger); o.VendorLedger != "" && err != nil {
		return Verdict{}, fmt.Errorf("vendor ledger: %w", err)
	}
	stuck, err := awaitRest(ctx, o)
	if err != nil {
		return Verdict{}, fmt.Errorf("wait for rest: %w", err)
	}
	v := Verdict{
		Mode: "final", Outcome: Unknown, Stuck: stuck,
		Conservation: []Conservation{}, Violations: []Violation{}, NotChecked: o.notChecked(),
	}
	if len(stuck) > 0 {
		return v, nil
	}
	e, err := gather(ctx, o)
	if err != nil {
		return Verdict{}, err
	}
	defer e.close(ctx)
	f := newFindings()
	if err := e.snapshots(ctx, func(master, business pgx.Tx) error {
		v.Conservation, err = e.judge(ctx, f, master, business)
		return err
	}); err != nil {
		return Verdict{}, err
	}
	if q := f.by[quarantineKnown]; q != nil && q.Count <= o.AllowQuarantined {
		delete(f.by, quarantineKnown)
	}
	v.Violations = f.list(o.Skip)
	switch {
	case len(v.Violations) > 0:
		v.Outcome = Violated
	case !o.RequireAll || len(v.NotChecked) == 0:
		v.Outcome = Holds
	}
	return v, nil
}

// judge asks every source in turn.
func (e *evidence) judge(ctx context.Context, f *findings, master, business pgx.Tx) ([]Conservation, error) {
	if err := f.run(ctx, master, masterQueries()); err != nil {
		return nil, err
	}
	if err := compareProjection(ctx, f, master, business); err != nil {
		return nil, err
	}
	if err := f.run(ctx, business, businessQueries()); err != nil {
		return nil, err
	}
	lines, err := conservation(ctx, business)
	if err != nil {
		return nil, err
	}
	if err := e.judgeMessages(ctx, f, business, lines); err != nil {
		return nil, err
	}
	if err := judgeServer(ctx, f, master, "master", idleTooLong); err != nil {
		return nil, err
	}
	if err := judgeServer(ctx, f, business, "business", idleTooLong); err != nil {
		return nil, err
	}
	return lines, e.judgeOutside(ctx, f, business)
}

// judgeMessages compares the log with itself and with the vendor's ledger, and completes the lines.
func (e *evidence) judgeMessages(ctx context.Context, f *findings, business pgx.Tx, lines []Conservation) error {
	if e.ledger == nil {
		return judgeMessages(ctx, f, business, nil)
	}
	if err := f.runLedger(ctx, e.ledger); err != nil {
		return err
	}
	parked, err := parkedReceipts(ctx, business)
	if err != nil {
		return err
	}
	tests, err := testSends(ctx, business)
	if err != nil {
		return err
	}
	stream, err := streamLedger(ctx, e.ledger)
	if err != nil {
		return err
	}
	defer func() { _ = stream.rows.Close() }() // rows.Err tells
	l := &ledger{stream: stream, parked: parked, tests: tests, campaigns: map[string]*VendorSide{}}
	if err := judgeMessages(ctx, f, business, l); err != nil {
		return err
	}
	for i := range lines {
		lines[i].Vendor = l.campaigns[lines[i].CampaignID]
		if lines[i].Vendor == nil {
			lines[i].Vendor = &VendorSide{}
		}
	}
	return nil
}

// judgeOutside looks at the broker and at Temporal.
func (e *evidence) judgeOutside(ctx context.Context, f *findings, business pgx.Tx) error {
	if e.broker != nil {
		queues, err := e.attendedQueues(ctx)
		if err != nil {
			return err
		}
		judgeQueues(f, queues)
	}
	if e.temporal == nil {
		return nil
	}
	campaigns, err := launchedCampaigns(ctx, business)
	if err != nil {
		return err
	}
	all, err := chains(ctx, e.temporal, e.o.TemporalNamespace, "")
	if err != nil {
		return err
	}
	judgeWorkflows(f, campaigns, all)
	return nil
}

// attendedQueues asks again while a queue has no consumer, until the wait is over: the broker's figures
// lag behind a consumer that has just come back, and they may tell of its absence only now.
func (e *evidence) attendedQueues(ctx context.Context) (map[string]queue, error) {
	deadline := time.NewTimer(e.o.Wait)
	defer deadline.Stop()
	ticker := time.NewTicker(e.o.Poll)
	defer ticker.Stop()
	for {
		queues, err := e.broker.queues(ctx)
		if err != nil || !slices.ContainsFunc(ourQueues(), func(name string) bool { return queues[name].Consumers == 0 }) {
			return queues, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline.C:
			return queues, nil
		case <-ticker.C:
		}
	}
}

// anyID finds ids in whatever a quarantined message says.
var anyID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// testSends gives the ids of messages that belong to no campaign.
func testSends(ctx context.Context, tx pgx.Tx) (map[string]bool, error) {
	rows, err := tx.Query(ctx, "SELECT communication_id::text FROM test_sends") //nolint:rowserrcheck // pgx.ForEachRow checks it
	if err != nil {
		return nil, fmt.Errorf("read the test sends: %w", err)
	}
	out := map[string]bool{}
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		out[id] = true
		return nil
	})
	return out, err
}

// parkedReceipts gives the ids in quarantined receipt messages. A quarantine is small: whoever lets it
// grow has other worries, and sees them under I19.
func parkedReceipts(ctx context.Context, tx pgx.Tx) (map[string]bool, error) {
	rows, err := tx.Query(ctx, "SELECT body FROM quarantine WHERE queue = 'message_response_queue'") //nolint:rowserrcheck // pgx.ForEachRow checks it
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	out := map[string]bool{}
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&body}, func() error {
		for _, id := range anyID.FindAll(body, -1) {
			out[string(id)] = true
		}
		return nil
	})
	return out, err
}
