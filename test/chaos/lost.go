package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/xencrm/xencrm/test/chaos/proxy"
)

// lostOnTheWire are the answers that get lost between two processes, each for the first of its kind and
// for a later one that is drawn.
func lostOnTheWire(r *rand.Rand) []fault {
	const latest = 6 // a round has at least so many of each, batches included
	var all []fault
	for _, one := range wireFaults() {
		all = append(all, one(1), one(2+r.IntN(latest-1)))
	}
	return all
}

// wireFaults make a fault of the k-th thing of their kind.
func wireFaults() []func(k int) fault {
	return append(append(lostCommits(), lostFrames()...), lostCalls()...)
}

func lostCommits() []func(k int) fault {
	var all []func(k int) fault
	for _, c := range []struct {
		db, role string
		line     func(l lines) *proxy.Postgres
	}{
		{"master", "consumer", func(l lines) *proxy.Postgres { return l.master }},
		{"master", "relay", func(l lines) *proxy.Postgres { return l.master }},
		{"business", "consumer", func(l lines) *proxy.Postgres { return l.business }},
		{"business", "worker", func(l lines) *proxy.Postgres { return l.business }},
	} {
		for _, x := range []struct {
			name string
			when proxy.When
		}{{"commit", proxy.Before}, {"commit-answer", proxy.After}} {
			all = append(all, func(k int) fault {
				return onLine(fmt.Sprintf("%s-%s/%s", c.db, c.role, x.name), k, func(l lines) *proxy.Fault {
					return c.line(l).DropCommit(proxy.Commit{K: k, When: x.when, App: "xencrm-" + c.role})
				})
			})
		}
	}
	return all
}

func lostFrames() []func(k int) fault {
	var all []func(k int) fault
	for _, x := range []struct {
		name  string
		frame proxy.Frame
	}{
		{"publish", proxy.Publish},
		{"confirm", proxy.ConfirmAndReset},
		{"confirm-swallowed", proxy.Confirm},
		{"ack", proxy.ConsumerAck},
	} {
		all = append(all, func(k int) fault {
			return onLine("amqp/"+x.name, k, func(l lines) *proxy.Fault { return l.broker.Drop(x.frame, k) })
		})
	}
	return all
}

func lostCalls() []func(k int) fault {
	posts := proxy.Match{Method: http.MethodPost}
	var all []func(k int) fault
	for _, h := range []struct {
		name string
		line func(l lines) *proxy.HTTP
	}{
		{"vendor", func(l lines) *proxy.HTTP { return l.vendor }},
		{"receipts", func(l lines) *proxy.HTTP { return l.receipts }},
		{"client", func(l lines) *proxy.HTTP { return l.front }},
	} {
		all = append(all,
			func(k int) fault {
				return onLine(h.name+"/request", k, func(l lines) *proxy.Fault { return h.line(l).DropRequest(k, posts) })
			},
			func(k int) fault {
				return onLine(h.name+"/response", k, func(l lines) *proxy.Fault { return h.line(l).SwallowResponse(k, posts) })
			},
			func(k int) fault {
				return onLine(h.name+"/half-response", k, func(l lines) *proxy.Fault { return h.line(l).TruncateBody(k, posts) })
			},
		)
	}
	return all
}

// onLine is a fault of one proxy: something is armed before the work, and must be lost in the course of it.
func onLine(name string, k int, arm func(l lines) *proxy.Fault) fault {
	var armed *proxy.Fault
	return fault{
		name: fmt.Sprintf("lost/%s@%d", name, k),
		arm: func(_ context.Context, r *round) error {
			armed = arm(r.w.lines)
			return nil
		},
		heal: func(context.Context, *round) error {
			armed.Disarm()
			return nil
		},
		struck: func(*round) bool { return armed.Struck() > 0 },
	}
}
