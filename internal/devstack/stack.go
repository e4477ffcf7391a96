package devstack

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// Stack is a set of running servers, some of them perhaps not ours. The addresses of servers that
// were not asked for are empty.
type Stack struct {
	// MasterURL and BusinessURL are the databases, as the role that owns them.
	MasterURL, BusinessURL string
	// AdminURL is the database "postgres" as the superuser; empty when PostgreSQL is not ours.
	AdminURL string
	// RabbitURL is an AMQP URL and RabbitManagementURL its HTTP API, both with user and password.
	RabbitURL, RabbitManagementURL string
	// TemporalAddress is the host and port of the frontend, TemporalUIURL the Web UI.
	TemporalAddress, TemporalUIURL string

	options *Options
	place   *place
	state   *state
	lock    *os.File
	spawner *spawner
	dog     *watchdog

	ctx      context.Context //nolint:containedctx // the life of the stack itself: it ends when the stack is stopped
	cancel   context.CancelFunc
	watchers sync.WaitGroup
	stop     sync.Once
	stopErr  error

	postgres, rabbit, temporal *Server
	cluster                    *postgresServer
}

// Start starts the servers that o wants and that have no address yet, side by side, and returns
// when all of them answer. The context bounds the start; Stop ends what was started. Nothing keeps
// running when Start fails.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if err := o.applyDefaults(); err != nil {
		return nil, err
	}
	s := &Stack{
		options:   &o,
		MasterURL: o.MasterURL, BusinessURL: o.BusinessURL,
		RabbitURL: o.RabbitURL, RabbitManagementURL: o.RabbitManagementURL,
		TemporalAddress: o.TemporalAddress, TemporalUIURL: o.TemporalUIURL,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	err := s.checkGiven(ctx)
	if err == nil && o.startsAny() {
		err = s.start(ctx)
	}
	if err != nil {
		// The first error is the one to tell.
		_ = s.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	s.fillAddresses()
	return s, nil
}

// start does what every server needs, then starts the servers.
func (s *Stack) start(ctx context.Context) error {
	o := s.options
	if !supported {
		return errs.Errorf(errs.Unavailable, "servers are started on Linux only: give the addresses of running ones")
	}
	// Before anything is installed: a directory that cannot be used is known at once.
	if err := makeDir(o.Dir, 0o755); err != nil {
		return err
	}
	lock, err := lockDir(ctx, o.Dir)
	if err != nil {
		return err
	}
	s.lock = lock
	found, err := ensureBinaries(ctx, o)
	if err != nil {
		return err
	}
	// After the installation, which may bring the account.
	if s.place, err = newPlace(o.Dir, o.host.serverAccount()); err != nil {
		return err
	}
	if err := endStrays(ctx, s.place.state); err != nil {
		return err
	}
	if o.Fresh {
		if err := s.place.clear(); err != nil {
			return err
		}
	}
	if s.state, err = loadState(s.place.state, o.Ports); err != nil {
		return err
	}
	if s.dog, err = newWatchdog(s.place.state, lock); err != nil {
		return err
	}
	s.spawner = newSpawner()
	return s.startServers(ctx, found)
}

func (s *Stack) startServers(ctx context.Context, found binaries) error {
	o := s.options
	if o.startsPostgres() {
		s.cluster = &postgresServer{st: s, bin: found.postgres}
		s.postgres = s.newServer(postgresName, s.cluster)
	}
	if o.startsRabbit() {
		s.rabbit = s.newServer(rabbitName, &rabbitServer{st: s, script: found.rabbit, epmd: found.epmd})
	}
	if o.startsTemporal() {
		s.temporal = s.newServer(temporalStateName, &temporalServer{st: s})
	}
	servers := s.servers()
	if o.TemporalOnPostgres && s.temporal != nil {
		// It does not start before its database answers.
		others := slices.DeleteFunc(servers, func(srv *Server) bool { return srv == s.temporal })
		if err := startSideBySide(ctx, others); err != nil {
			return err
		}
		servers = []*Server{s.temporal}
	}
	return startSideBySide(ctx, servers)
}

// startSideBySide returns when all of them answer, or with the error of the first that does not.
func startSideBySide(ctx context.Context, servers []*Server) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var starts sync.WaitGroup
	for _, srv := range servers {
		starts.Go(func() {
			err := srv.prog.prepare(ctx)
			if err == nil {
				err = srv.Start(ctx)
			}
			if err != nil {
				// The others need not go on; theirs would be the less telling error.
				cancel(err)
			}
		})
	}
	starts.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (s *Stack) newServer(name string, prog program) *Server {
	log := &serverLog{path: filepath.Join(s.place.logs, name+".log")}
	return &Server{name: name, prog: prog, st: s, log: log}
}

func (s *Stack) servers() []*Server {
	var all []*Server
	for _, srv := range []*Server{s.postgres, s.rabbit, s.temporal} {
		if srv != nil {
			all = append(all, srv)
		}
	}
	return all
}

// fillAddresses adds the addresses of our own servers to those that were given.
func (s *Stack) fillAddresses() {
	if c := s.cluster; c != nil {
		s.AdminURL = c.url(adminRole, s.state.AdminPassword, "postgres")
		if s.MasterURL == "" {
			s.MasterURL = c.url(appRole, s.state.AppPassword, masterDatabase)
		}
		if s.BusinessURL == "" {
			s.BusinessURL = c.url(appRole, s.state.AppPassword, businessDatabase)
		}
	}
	if s.rabbit != nil {
		r := s.rabbit.prog.(*rabbitServer) //nolint:forcetypeassert // made so in startServers
		s.RabbitURL, s.RabbitManagementURL = r.url(), r.managementURL()
	}
	if s.temporal != nil {
		t := s.temporal.prog.(*temporalServer) //nolint:forcetypeassert // made so in startServers
		s.TemporalAddress, s.TemporalUIURL = t.address(), t.uiURL()
	}
}

// Postgres returns our PostgreSQL, nil when it is not ours.
func (s *Stack) Postgres() *Server { return s.postgres }

// Rabbit returns our RabbitMQ, nil when it is not ours.
func (s *Stack) Rabbit() *Server { return s.rabbit }

// Temporal returns our Temporal server, nil when it is not ours.
func (s *Stack) Temporal() *Server { return s.temporal }

// CreateDatabase makes an empty database and returns its URL as the superuser. The name may hold
// lower-case letters, digits and underscores.
func (s *Stack) CreateDatabase(ctx context.Context, name string) (string, error) {
	if s.cluster == nil {
		return "", errs.Errorf(errs.Conflict, "databases are only made on a PostgreSQL that was started here")
	}
	return s.cluster.createDatabase(ctx, name)
}

// Stop ends the servers that were started, side by side, and returns when nothing of them is left.
// It may be called again, also by several at once; all get the same answer.
func (s *Stack) Stop(ctx context.Context) error {
	s.stop.Do(func() { s.stopErr = s.stopAll(ctx) })
	return s.stopErr
}

func (s *Stack) stopAll(ctx context.Context) error {
	s.cancel()
	servers := s.servers()
	stopped := make([]error, len(servers))
	var stops sync.WaitGroup
	for i, srv := range servers {
		stops.Go(func() { stopped[i] = srv.Stop(ctx) })
	}
	stops.Wait()
	results := []error{errors.Join(stopped...)}
	s.watchers.Wait()
	if s.spawner != nil {
		s.spawner.close()
	}
	if s.dog != nil {
		results = append(results, s.dog.close())
	}
	if s.lock != nil {
		results = append(results, s.lock.Close())
	}
	return errors.Join(results...)
}

// run runs a short command below our directory to its end, as the servers' account.
func (s *Stack) run(ctx context.Context, l launch) error {
	l.as, l.onOrphaned = s.place.tenant, syscall.SIGKILL
	var out bytes.Buffer
	cmd := l.command()
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := s.spawner.start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		if err := p.signal(syscall.SIGKILL); err != nil {
			return err
		}
		<-p.done
		return errs.Errorf(errs.Unavailable, "%s was interrupted", filepath.Base(l.path))
	}
	if p.err != nil {
		return errs.Errorf(errs.Unavailable, "%s: %s", filepath.Base(l.path), lastLine(out.String()))
	}
	return nil
}

// givenTimeout is how long a given address may take to answer: it may be in another town.
const givenTimeout = 5 * time.Second

// checkGiven looks whether something listens at the given addresses: a typing error in one of them
// is told at once and by name, not by a client's tenth attempt.
func (s *Stack) checkGiven(ctx context.Context) error {
	given := []struct {
		wanted           bool
		name, addr, port string
	}{
		{s.options.Postgres, "customer database", s.MasterURL, "5432"},
		{s.options.Postgres, "campaign database", s.BusinessURL, "5432"},
		{s.options.RabbitMQ, "RabbitMQ", s.RabbitURL, "5672"},
		{s.options.Temporal, "Temporal", s.TemporalAddress, "7233"},
	}
	for _, g := range given {
		if !g.wanted || g.addr == "" {
			continue
		}
		host, ok := hostPort(g.addr, g.port)
		if !ok {
			// A PostgreSQL address may be a list of keywords; its client will tell.
			continue
		}
		conn, err := (&net.Dialer{Timeout: givenTimeout}).DialContext(ctx, "tcp", host)
		if err != nil {
			return errs.Errorf(errs.Unavailable, "nothing answers at %s, given for %s: correct the address, "+
				"start the server, or leave the address out", host, g.name)
		}
		_ = conn.Close() // Nothing was said on it.
	}
	return nil
}

// hostPort finds the host and port in a URL or a plain address. It never returns a password.
func hostPort(addr, port string) (string, bool) {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr, true
	}
	u, err := url.Parse(addr)
	if err != nil || u.Hostname() == "" {
		return "", false
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), true
}
