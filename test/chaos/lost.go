package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/xencrm/xencrm/test/chaos/wire"
)

// lostOnTheWire are the answers that get lost between two processes, each for the first of its kind and
// for a later one that is drawn.
func lostOnTheWire(r *rand.Rand) []fault {
	const latest = 6 // a round has at least so many of each, batches included
	var all []fault
	for _, fault := range wireFaults() {
		all = append(all, fault(1), fault(2+r.IntN(latest-1)))
	}
	return all
}

// loss is what a proxy can lose, and its name.
type loss struct {
	what int
	name string
}

// wireFaults make a fault of the k-th thing of their kind.
func wireFaults() []func(k int) fault {
	var all []func(k int) fault
	for _, c := range []struct {
		db, role string
		line     func(l lines) *wire.Postgres
	}{
		{"master", "consumer", func(l lines) *wire.Postgres { return l.master }},
		{"master", "relay", func(l lines) *wire.Postgres { return l.master }},
		{"business", "consumer", func(l lines) *wire.Postgres { return l.business }},
		{"business", "worker", func(l lines) *wire.Postgres { return l.business }},
	} {
		for _, x := range []loss{{wire.CommitNeverArrives, "commit"}, {wire.CommitUnanswered, "commit-answer"}} {
			all = append(all, func(k int) fault {
				return onLine(fmt.Sprintf("%s-%s/%s", c.db, c.role, x.name), k,
					func(l lines) { c.line(l).LoseCommit("xencrm-"+c.role, k, x.what) }, func(l lines) int { return c.line(l).Lost() })
			})
		}
	}
	for _, x := range []loss{
		{wire.PublishNeverArrives, "publish"},
		{wire.ConfirmNeverArrives, "confirm"},
		{wire.ConfirmIsSwallowed, "confirm-swallowed"},
		{wire.AckNeverArrives, "ack"},
	} {
		all = append(all, func(k int) fault {
			return onLine("amqp/"+x.name, k, func(l lines) { l.broker.Lose(x.what, k) }, func(l lines) int { return l.broker.Lost() })
		})
	}
	for _, h := range []struct {
		name string
		line func(l lines) *wire.HTTP
	}{
		{"vendor", func(l lines) *wire.HTTP { return l.vendor }},
		{"receipts", func(l lines) *wire.HTTP { return l.receipts }},
		{"client", func(l lines) *wire.HTTP { return l.front }},
	} {
		for _, x := range []loss{
			{wire.RequestNeverArrives, "request"},
			{wire.ResponseNeverArrives, "response"},
			{wire.ResponseIsCut, "half-response"},
		} {
			all = append(all, func(k int) fault {
				return onLine(h.name+"/"+x.name, k, func(l lines) { h.line(l).Lose(x.what, k) }, func(l lines) int { return h.line(l).Lost() })
			})
		}
	}
	return all
}

// onLine is a fault of one proxy: something is armed before the work, and must be lost in the course of it.
func onLine(name string, k int, arm func(l lines), lost func(l lines) int) fault {
	var before int
	return fault{
		name: fmt.Sprintf("lost/%s@%d", name, k),
		arm: func(_ context.Context, r *round) error {
			before = lost(r.w.lines)
			arm(r.w.lines)
			return nil
		},
		struck: func(r *round) bool { return lost(r.w.lines) > before },
	}
}
