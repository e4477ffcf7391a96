package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/internal/devstack"
)

const (
	// outage is how long something stays away or frozen: beyond a vendor call's 5 s and a heartbeat, far
	// below the minutes after which an operator would act.
	outage = 6 * time.Second
	// hiccup is an outage that is over before most time limits.
	hiccup = 1500 * time.Millisecond
)

// infrastructure is every fault of a server, a role or the vendor, without its phase.
func infrastructure() []fault {
	all := append(servers(), roleFaults()...)
	return append(append(all, brokerFaults()...), vendorFaultList()...)
}

// servers are the faults that every server has alike.
func servers() []fault {
	var all []fault
	for name, pick := range map[string]func(w *world) *devstack.Server{
		"postgres-master":   func(w *world) *devstack.Server { return w.master.Postgres() },
		"postgres-business": func(w *world) *devstack.Server { return w.business.Postgres() },
		"rabbitmq":          func(w *world) *devstack.Server { return w.business.Rabbit() },
		"temporal":          func(w *world) *devstack.Server { return w.business.Temporal() },
	} {
		all = append(all,
			strike(name+"/kill", func(ctx context.Context, r *round) error { return killServer(ctx, pick(r.w)) }),
			strike(name+"/restart", func(ctx context.Context, r *round) error { return pick(r.w).Restart(ctx) }),
			strike(name+"/freeze", func(ctx context.Context, r *round) error {
				return errors.Join(pick(r.w).Pause(), pause(ctx, outage), pick(r.w).Resume())
			}),
		)
	}
	for name, url := range map[string]func(w *world) string{
		"postgres-master":   func(w *world) string { return w.master.AdminURL },
		"postgres-business": func(w *world) string { return w.business.AdminURL },
	} {
		all = append(all, databaseFaults(name, url)...)
	}
	return all
}

// strike makes a fault of one deed.
func strike(name string, do func(ctx context.Context, r *round) error) fault {
	return fault{name: name, strike: do, work: work{slow: true}}
}

// killServer kills a supervised server and returns when it is back.
func killServer(ctx context.Context, s *devstack.Server) error {
	before := s.Pid()
	if err := s.Kill(); err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) { pid := s.Pid(); return pid != 0 && pid != before, nil })
}

// databaseFaults are what an operator, or another tenant, may do to a PostgreSQL.
func databaseFaults(name string, url func(w *world) string) []fault {
	sql := func(during time.Duration, do, undo string) func(context.Context, *round) error {
		return func(ctx context.Context, r *round) error {
			err := execute(ctx, url(r.w), do)
			if during > 0 {
				err = errors.Join(err, pause(ctx, during))
			}
			if undo == "" {
				return err
			}
			return errors.Join(err, execute(context.WithoutCancel(ctx), url(r.w), undo))
		}
	}
	// Everyone but the superuser who asks, by which our own pools are meant.
	const everyone = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name LIKE 'xencrm-%'"
	return []fault{
		strike(name+"/disconnect", sql(0, "SELECT pg_terminate_backend(pid) "+everyone, "")),
		strike(name+"/kill-backend", func(ctx context.Context, r *round) error {
			return killBackend(ctx, url(r.w), "SELECT pid "+everyone+" LIMIT 1")
		}),
		strike(name+"/read-only", sql(hiccup,
			"ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()",
			"ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()")),
		strike(name+"/connection-limit", sql(outage,
			"ALTER ROLE xencrm CONNECTION LIMIT 1; SELECT pg_terminate_backend(pid) "+everyone,
			"ALTER ROLE xencrm CONNECTION LIMIT -1")),
	}
}

// execute runs statements one by one in a session of its own.
func execute(ctx context.Context, url, statements string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is open in it
	for s := range strings.SplitSeq(statements, "; ") {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// killBackend kills one server process with -9, on which PostgreSQL ends all others and recovers.
func killBackend(ctx context.Context, url, query string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it dies too
	var pid int
	if err := conn.QueryRow(ctx, query).Scan(&pid); err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// roleFaults are those of our own processes.
func roleFaults() []fault {
	var all []fault
	for _, name := range roleNames() {
		all = append(all,
			strike(name+"/kill", func(ctx context.Context, r *round) error { return r.w.signal(ctx, name, syscall.SIGKILL) }),
			strike(name+"/restart", func(ctx context.Context, r *round) error { return r.w.signal(ctx, name, syscall.SIGTERM) }),
			strike(name+"/freeze", func(ctx context.Context, r *round) error {
				if err := r.w.signal(ctx, name, syscall.SIGSTOP); err != nil {
					return err
				}
				return errors.Join(pause(ctx, outage), r.w.signal(ctx, name, syscall.SIGCONT))
			}),
		)
	}
	return all
}

// brokerFaults are RabbitMQ's own.
func brokerFaults() []fault {
	ctl := func(during time.Duration, do, undo []string) func(context.Context, *round) error {
		return func(ctx context.Context, r *round) error {
			if err := r.w.business.RabbitCtl(ctx, do...); err != nil {
				return err
			}
			return errors.Join(pause(ctx, during), r.w.business.RabbitCtl(context.WithoutCancel(ctx), undo...))
		}
	}
	all := []fault{
		strike("rabbitmq/disk-alarm", ctl(hiccup,
			[]string{"set_disk_free_limit", "1000GiB"}, []string{"set_disk_free_limit", "100MiB"})),
		strike("rabbitmq/memory-alarm", ctl(hiccup,
			[]string{"set_vm_memory_high_watermark", "absolute", "1MiB"},
			[]string{"set_vm_memory_high_watermark", "absolute", "1GiB"})),
		strike("rabbitmq/close-connections", func(ctx context.Context, r *round) error {
			n, err := r.w.closeConnections(ctx)
			if err == nil && n == 0 {
				return errors.New("no connection was open")
			}
			return err
		}),
	}
	return all
}

// vendorFaultList are the ways of a bad vendor.
func vendorFaultList() []fault {
	mocked := func(name string, faults map[string]any) fault {
		return strike("vendor/"+name, func(ctx context.Context, r *round) error {
			if err := r.w.vendorFaults(ctx, faults); err != nil {
				return err
			}
			return errors.Join(pause(ctx, hiccup), r.w.vendorFaults(context.WithoutCancel(ctx), map[string]any{}))
		})
	}
	return []fault{
		strike("vendor/down", func(ctx context.Context, r *round) error {
			r.w.lines.vendor.Refuse(true)
			r.w.lines.vendor.Reset()
			err := pause(ctx, hiccup)
			r.w.lines.vendor.Refuse(false)
			return err
		}),
		mocked("slow", map[string]any{"extra_latency": "2s"}),
		mocked("hangs", map[string]any{"hang": 0.3}),
		mocked("500-before", map[string]any{"error_before": 0.5}),
		mocked("500-after", map[string]any{"error_after": 0.5}),
		mocked("drops-after", map[string]any{"drop_after": 0.5}),
		mocked("503", map[string]any{"outage": "503"}),
		mocked("429-storm", map[string]any{"storm": 0.7}),
		mocked("garbage", map[string]any{"garbage": 0.5}),
		mocked("receipt-first", map[string]any{"receipt_first": true, "receipt_copies": 3}),
	}
}
