package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xencrm/xencrm/internal/demo"
	"github.com/xencrm/xencrm/internal/devstack"
	"github.com/xencrm/xencrm/test/chaos/proxy"
)

// startTime bounds the start of a world; a clean machine installs servers and builds Temporal first.
const startTime = 20 * time.Minute

// world is a whole system of its own: servers, every role as a child process, and a proxy on every
// line between them.
type world struct {
	dir  string
	seed uint64

	// business carries the business database, RabbitMQ and Temporal; master is a PostgreSQL of its own,
	// so that each database can fail without the other.
	business, master *devstack.Stack

	lines lines
	roles *demo.Supervisor
	env   map[string]string
	// each role's context: ending it ends the role in an orderly way.
	mu   sync.Mutex
	stop map[string]context.CancelFunc
	// ended is closed to a role that was stopped and is gone.
	ctx    context.Context //nolint:containedctx // the life of the roles
	cancel context.CancelFunc

	masterDB, businessDB *pgxpool.Pool
	api, vendor          string // as they listen, without a proxy
	failpoints           string
	client               *client
	segment              string
	// quarantined is how many messages the rounds so far have put into the quarantine on purpose.
	quarantined int
	up          atomic.Bool
	say         func(string)
}

// lines are the proxies between the parts.
type lines struct {
	master, business *proxy.Postgres
	broker           *proxy.AMQP
	temporal         *proxy.TCP
	vendor, receipts *proxy.HTTP // worker to vendor, vendor to API
	front            *proxy.HTTP // client to API
}

// all are the lines, once they are open.
func (l lines) all() []proxy.Proxy {
	if l.front == nil {
		return nil // the last that is opened
	}
	return []proxy.Proxy{l.master, l.business, l.broker, l.temporal, l.vendor, l.receipts, l.front}
}

// roleNames are the processes of a system; a second API is started only where a round needs one.
func roleNames() []string { return []string{"mock-vendor", "api", "consumer", "relay", "worker"} }

// newWorld builds the product, with overlay's files in place of its own unless it is empty, and brings
// everything up. Nothing is left running when it errs.
func newWorld(ctx context.Context, o options, overlay string) (*world, error) {
	w := &world{dir: o.dir, seed: o.Seed, say: o.say, stop: map[string]context.CancelFunc{}}
	w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	ctx, done := context.WithTimeout(ctx, startTime)
	defer done()
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return w.build(ctx, overlay) },
		w.startServers, w.openLines, w.connect, w.startRoles, w.seedCustomers(o.Recipients),
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	w.up.Store(true)
	return w, nil
}

func (w *world) build(ctx context.Context, overlay string) error {
	if err := os.MkdirAll(w.dir, 0o755); err != nil { // the servers' own users look into it
		return err
	}
	args := []string{"build", "-o", w.binary()}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/xencrm")...) // our own product
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the product: %w\n%s", err, out)
	}
	return nil
}

func (w *world) binary() string { return filepath.Join(w.dir, "xencrm") }

func (w *world) ledger() string { return filepath.Join(w.dir, "vendor", "ledger.db") }

// startServers starts both stacks from nothing, with fsync on: the auditor asks for it.
func (w *world) startServers(ctx context.Context) error {
	start := func(name string, o devstack.Options) (*devstack.Stack, error) {
		o.Dir, o.BinDir = filepath.Join(w.dir, name), filepath.Join(".dev", "bin")
		o.Fresh, o.Supervise, o.Postgres = true, true, true
		// While it starts; later it is the faults that end servers.
		o.Progress = func(line string) {
			if !w.up.Load() {
				w.say("  " + line)
			}
		}
		return devstack.Start(ctx, o)
	}
	var err error
	if w.business, err = start("business", devstack.Options{RabbitMQ: true, Temporal: true}); err != nil {
		return err
	}
	w.master, err = start("master", devstack.Options{})
	return err
}

// openLines opens the proxies and says in env what each role is told.
func (w *world) openLines(context.Context) error {
	api, vendor, err := twoPorts()
	if err != nil {
		return err
	}
	w.api, w.vendor = "http://"+api, "http://"+vendor
	l := &w.lines
	for _, open := range []func() error{
		func() (err error) { l.master, err = proxy.NewPostgres(fixed(host(w.master.MasterURL))); return err },
		func() (err error) {
			l.business, err = proxy.NewPostgres(fixed(host(w.business.BusinessURL)))
			return err
		},
		func() (err error) { l.broker, err = proxy.NewAMQP(fixed(host(w.business.RabbitURL))); return err },
		func() (err error) { l.temporal, err = proxy.NewTCP(fixed(w.business.TemporalAddress)); return err },
		func() (err error) { l.vendor, err = proxy.NewHTTP(fixed(vendor)); return err },
		func() (err error) { l.receipts, err = proxy.NewHTTP(fixed(api)); return err },
		func() (err error) { l.front, err = proxy.NewHTTP(fixed(api)); return err },
	} {
		if err := open(); err != nil {
			return err
		}
	}
	w.failpoints = filepath.Join(w.dir, "failpoints")
	// What an earlier world noted is not this one's.
	if err := errors.Join(os.RemoveAll(w.failpoints), os.RemoveAll(filepath.Join(w.dir, "vendor"))); err != nil {
		return err
	}
	for _, dir := range []string{"logs", "pids", "vendor", "failpoints"} {
		if err := os.MkdirAll(filepath.Join(w.dir, dir), 0o755); err != nil { // not secret
			return err
		}
	}
	w.env = map[string]string{
		"CUSTOMER_DATABASE_URL": through(w.master.MasterURL, l.master), "CAMPAIGN_DATABASE_URL": through(w.business.BusinessURL, l.business),
		"RABBITMQ_URL": through(w.business.RabbitURL, l.broker), "TEMPORAL_ADDRESS": l.temporal.Addr(),
		"VENDOR_URL": "http://" + l.vendor.Addr(), "VENDOR_RECEIPT_URL": "http://" + l.receipts.Addr() + "/receipts",
		"XENCRM_LISTEN": api, "VENDOR_LISTEN": vendor, "VENDOR_LEDGER": w.ledger(), "XENCRM_FAILPOINTS": w.failpoints,
		"VENDOR_SEED": strconv.FormatUint(w.seed, 10), "XENCRM_AUTH": "off", "XENCRM_ENV": "development",
		"XENCRM_PAGE_SIZE": "50", // four pages of a paged campaign of 200
		// A vendor without latency: the faults are what takes time here.
		"VENDOR_LATENCY_MIN": "0s", "VENDOR_LATENCY_MAX": "5ms", "VENDOR_RETRY_AFTER": "0s",
		"VENDOR_RECEIPT_MIN": "0s", "VENDOR_RECEIPT_MAX": "20ms", "VENDOR_RECEIPT_COPIES": "2", "VENDOR_RECEIPT_SHUFFLE": "true",
	}
	return nil
}

func (w *world) connect(ctx context.Context) error {
	var err error
	if w.masterDB, err = pgxpool.New(ctx, w.master.MasterURL); err != nil {
		return err
	}
	if w.businessDB, err = pgxpool.New(ctx, w.business.BusinessURL); err != nil {
		return err
	}
	w.client, err = newClient("http://"+w.lines.front.Addr(), filepath.Join(w.dir, "history.jsonl"))
	return err
}

func (w *world) startRoles(ctx context.Context) error {
	w.roles = &demo.Supervisor{
		Binary: w.binary(), Logs: filepath.Join(w.dir, "logs"), Pids: filepath.Join(w.dir, "pids"), Notice: func(string) {},
	}
	migrate := demo.Role{Name: "migrate", Args: []string{"migrate"}, Env: w.env}
	if err := w.roles.Once(ctx, migrate); err != nil {
		return fmt.Errorf("migrate: %w (see %s)", err, w.roles.Logs)
	}
	for _, name := range roleNames() {
		w.startRole(name, name, nil)
	}
	if err := w.ready(ctx); err != nil {
		return err
	}
	// RabbitMQ 3.10 loses a quorum queue that was declared within a second of a kill.
	if err := w.business.Rabbit().Restart(ctx); err != nil {
		return err
	}
	// A known-bad consumer may not find back by itself; that is for its round to show.
	return errors.Join(w.replace(ctx, "consumer"), w.attended(ctx))
}

// startRole starts a role under a name of its own; more is added to its environment.
func (w *world) startRole(name, role string, more map[string]string) {
	env := maps.Clone(w.env)
	maps.Copy(env, more)
	ctx, stop := context.WithCancel(w.ctx)
	w.mu.Lock()
	w.stop[name] = stop
	w.mu.Unlock()
	w.roles.Start(ctx, demo.Role{Name: name, Args: []string{role}, Env: env})
}

// stopRole ends a role in an orderly way and returns when it is gone.
func (w *world) stopRole(ctx context.Context, name string) error {
	w.mu.Lock()
	stop := w.stop[name]
	w.mu.Unlock()
	stop()
	return poll(ctx, func() (bool, error) { return w.roles.Pid(name) == 0, nil })
}

// second is what the second process of a role adds to its name.
const second = "-2"

// startSeconds starts another process of each role and has clients use both APIs, as a balancer does.
func (w *world) startSeconds(ctx context.Context, names []string) error {
	listen, _, err := twoPorts()
	if err != nil {
		return err
	}
	for _, name := range names {
		w.startRole(name+second, name, map[string]string{"XENCRM_LISTEN": listen})
	}
	other := "http://" + listen
	w.client.balance(w.api, other)
	return poll(ctx, func() (bool, error) { return get(ctx, other+"/readyz") == nil, nil })
}

// replace stops a role in an orderly way and starts it again.
func (w *world) replace(ctx context.Context, name string) error {
	if err := w.stopRole(ctx, name); err != nil {
		return err
	}
	w.startRole(name, name, nil)
	return errors.Join(poll(ctx, func() (bool, error) { return w.roles.Pid(name) != 0, nil }), w.ready(ctx))
}

// signal sends a signal to a running role; a role that is just being started again is waited for.
func (w *world) signal(ctx context.Context, name string, sig syscall.Signal) error {
	var pid int
	err := poll(ctx, func() (bool, error) {
		pid = w.roles.Pid(name)
		return pid != 0, nil
	})
	if err != nil {
		return fmt.Errorf("%s does not run: %w", name, err)
	}
	return syscall.Kill(pid, sig)
}

// ready waits until the API says that all it needs is there.
func (w *world) ready(ctx context.Context) error {
	err := poll(ctx, func() (bool, error) { return get(ctx, w.api+"/readyz") == nil, nil })
	if err != nil {
		return fmt.Errorf("the API does not become ready, see %s: %w", filepath.Join(w.dir, "logs"), err)
	}
	return nil
}

// close ends everything, the roles first.
func (w *world) close() error {
	w.cancel()
	if w.roles != nil {
		w.roles.Wait()
	}
	var all []error
	for _, pool := range []*pgxpool.Pool{w.masterDB, w.businessDB} {
		if pool != nil {
			pool.Close()
		}
	}
	if w.client != nil {
		all = append(all, w.client.close())
	}
	for _, line := range w.lines.all() {
		all = append(all, line.Close())
	}
	ctx, done := context.WithTimeout(context.Background(), time.Minute) // servers get 15 s each, side by side
	defer done()
	for _, s := range []*devstack.Stack{w.business, w.master} {
		if s != nil {
			all = append(all, s.Stop(ctx))
		}
	}
	return errors.Join(all...)
}

func fixed(addr string) func() string { return func() string { return addr } }

// host gives host:port of a URL of ours, which always has both.
func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// through is the URL with the proxy in place of the server.
func through(raw string, p proxy.Proxy) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	u.Host = p.Addr()
	return u.String()
}
