package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/internal/audit"
	"github.com/xencrm/xencrm/internal/vendors/mock"
)

// successRate is the mock vendor's default.
const successRate = 0.9

// judge decides whether every promise held: the auditor's invariants over everything so far, the
// vendor's outcome function over every row of the round, and the clients' history.
func (r *round) judge(ctx context.Context, v *verdict, wait time.Duration) error {
	w := r.w
	if err := w.attended(ctx); errors.Is(err, errTooLong) {
		v.add("L1", "a queue is left without a consumer")
	} else if err != nil {
		return err
	}
	audited, err := audit.Final(ctx, w.evidence(wait))
	if err != nil {
		return fmt.Errorf("the auditor: %w", err)
	}
	for _, found := range audited.Violations {
		v.add(found.ID, "%s (%d): %s", found.Promise, found.Count, strings.Join(found.Examples, " | "))
	}
	if audited.Outcome == audit.Unknown {
		v.add("L1", "not at rest: %s; not checked: %v", strings.Join(audited.Stuck, ", "), audited.NotChecked)
	}
	for _, line := range audited.Conservation {
		if line.CampaignID == r.campaignID() {
			v.Lines = append(v.Lines, line.String())
			if line.Audience != r.recipients {
				v.add("I8", "audience of %d, want %d", line.Audience, r.recipients)
			}
		}
	}
	if len(v.Lines) == 0 && audited.Outcome != audit.Unknown {
		v.add("I1", "the campaign that was acknowledged is not there")
	}
	for _, check := range []func(context.Context, *verdict) error{r.judgeOutcomes, w.judgeHistory, w.judgePoison, r.judgeRepeats} {
		if err := check(ctx, v); err != nil {
			return err
		}
	}
	for _, o := range w.client.history() {
		if o.Tries > 1 && (o.Round == r.key || strings.HasPrefix(o.Round, r.key+"-")) {
			v.Retried++
		}
	}
	if r.fault.unnoticed && v.Retried > 0 {
		v.add("L2", "%d requests had to be repeated", v.Retried)
	}
	return nil
}

func (v *verdict) add(id, format string, args ...any) {
	v.Violations = append(v.Violations, violation{id, fmt.Sprintf(format, args...)})
}

// evidence is everything, past every proxy.
func (w *world) evidence(wait time.Duration) audit.Options {
	return audit.Options{
		MasterURL: w.master.MasterURL, BusinessURL: w.business.BusinessURL, VendorLedger: w.ledger(),
		RabbitManagementURL: w.business.RabbitManagementURL, TemporalAddress: w.business.TemporalAddress,
		AllowQuarantined: w.quarantined, RequireAll: true,
		// The broker's own figures are up to a second old, so looking more often would tell little.
		Wait: wait, Poll: 700 * time.Millisecond,
	}
}

// judgeOutcomes holds every row of the round's campaign against what the vendor's outcome function says
// of it: the end of a run without faults.
func (r *round) judgeOutcomes(ctx context.Context, v *verdict) error {
	//nolint:rowserrcheck // pgx.ForEachRow checks it
	rows, err := r.w.businessDB.Query(ctx, `SELECT communication_id::text, status, attempts, max_attempts, coalesce(failure_code, '')
		FROM communication_log WHERE campaign_id = $1`, r.campaignID())
	if err != nil {
		return err
	}
	var key, status, code string
	var attempts, most, n, wrong int
	_, err = pgx.ForEachRow(rows, []any{&key, &status, &attempts, &most, &code}, func() error {
		n++
		want := mock.Predict(r.w.seed, key, most, successRate)
		expected, got := fmt.Sprint(want.Status, want.Attempts, want.Code), fmt.Sprint(status, attempts, code)
		if expected == got || (r.work.steer == steerCancel && status == "CANCELLED") {
			return nil
		}
		if wrong++; wrong <= 3 {
			v.add("oracle", "message %s ended as %s, without faults as %s", key, got, expected)
		}
		return nil
	})
	if err == nil && n != r.recipients {
		v.add("oracle", "%d messages, want %d", n, r.recipients)
	}
	return err
}

// judgeHistory compares what clients were told, ever, with what is stored: everything acknowledged is
// there (I1), once (I3), and nothing is there that nobody asked for (I2).
func (w *world) judgeHistory(ctx context.Context, v *verdict) error {
	asked := map[string]map[string]outcome{"order": {}, "customer": {}, "campaign": {}}
	for _, o := range w.client.history() {
		if known, ok := asked[o.Kind]; ok {
			known[o.Key] = o.Outcome
		}
		for i := range o.Rows {
			asked["customer"][customerKey(o.Round, i)] = o.Outcome
		}
	}
	for _, table := range []struct {
		kind, query string
		db          interface {
			Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
		}
	}{
		{"order", "SELECT coalesce(external_id, '') FROM orders", w.masterDB},
		// The address holds the number and the round, which are the key's.
		{"customer", `SELECT regexp_replace(email, '^c(\d+)@(.*)\.example\.com$', '\2-customer-\1') FROM customers`, w.masterDB},
		{"campaign", "SELECT name || '-campaign' FROM campaigns", w.businessDB},
	} {
		rows, err := table.db.Query(ctx, table.query)
		if err != nil {
			return err
		}
		stored, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		compare(v, table.kind, asked[table.kind], stored)
	}
	return nil
}

// compare holds the stored keys of one kind against those that were asked for.
func compare(v *verdict, kind string, asked map[string]outcome, stored []string) {
	slices.Sort(stored)
	for i, key := range stored {
		if i > 0 && stored[i-1] == key {
			v.add("I3", "%s %s is stored twice", kind, key)
		}
		if told, ok := asked[key]; !ok {
			v.add("I2", "%s %q comes from nowhere", kind, key)
		} else if told == refused {
			v.add("I2", "%s %s was refused and is stored", kind, key)
		}
	}
	for key, told := range asked {
		if _, found := slices.BinarySearch(stored, key); told == acknowledged && !found {
			v.add("I1", "%s %s was acknowledged and is not stored", kind, key)
		}
	}
}

// judgePoison wants every message that was meant to be refused in the quarantine, byte for byte.
func (w *world) judgePoison(ctx context.Context, v *verdict) error {
	var parked int
	err := w.masterDB.QueryRow(ctx, "SELECT count(DISTINCT message_id) FROM quarantine WHERE message_id LIKE 'poison-%' AND body = $1",
		[]byte(poison)).Scan(&parked)
	if err == nil && parked != w.quarantined {
		v.add("I19", "%d of %d refused messages are in the quarantine", parked, w.quarantined)
	}
	return err
}

// judgeRepeats asks again for what was acknowledged, under the same keys: the answers are the same, and
// the next round's history shows that nothing came of it.
func (r *round) judgeRepeats(ctx context.Context, v *verdict) error {
	once := map[string]bool{}
	for _, o := range r.w.client.history() {
		if o.Round != r.key || o.Key == "" || once[o.Kind] || o.Method == "PUBLISH" || o.Outcome != acknowledged {
			continue
		}
		once[o.Kind] = true
		again := *o
		again.Tries = 0
		if err := poll(ctx, func() (bool, error) {
			r.w.client.once(ctx, &again)
			return again.Outcome != unknown, nil
		}); err != nil && !errors.Is(err, errTooLong) {
			return err
		}
		if again.Outcome != acknowledged || idsOf(again.Answer) != idsOf(o.Answer) {
			v.add("I22", "%s %s: first %s, again %d %s", o.Kind, o.Key, o.Answer, again.Status, again.Answer)
		}
	}
	return nil
}

// idsOf gives what must be the same in two answers to one request: of a campaign its id, for its
// status and figures move on; of anything else all of it.
func idsOf(answer []byte) string {
	if _, rest, ok := bytes.Cut(answer, []byte(`"campaign_id":"`)); ok {
		id, _, _ := bytes.Cut(rest, []byte(`"`))
		return string(id)
	}
	return string(answer)
}
