package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	postgresName = "postgres"

	// adminRole is the superuser, for tests that make databases. appRole owns the product's two
	// databases and nothing else, so that a statement that needs more shows here.
	adminRole = "postgres"
	appRole   = "xencrm"
)

// postgresServer runs one PostgreSQL cluster that carries both databases.
type postgresServer struct {
	st  *Stack
	bin string
	dir string // its working directory; the cluster is in data below it
}

func (p *postgresServer) title() string { return "PostgreSQL" }

func (p *postgresServer) data() string { return filepath.Join(p.dir, "data") }

func (p *postgresServer) port() int { return p.st.state.ports().Postgres }

func (p *postgresServer) claim() error {
	return p.st.state.claim(p.title(), func(ports *Ports) *int { return &ports.Postgres })
}

// prepare makes the cluster, once. A first start that was killed leaves a draft behind, never half
// a cluster.
func (p *postgresServer) prepare(ctx context.Context) error {
	dir, err := p.st.place.own(postgresName)
	if err != nil {
		return err
	}
	p.dir = dir
	// Nothing of ours runs here any more, so a pid file is left over; its pid may be somebody
	// else's by now, and then PostgreSQL would refuse to start.
	if err := removeFile(filepath.Join(p.data(), "postmaster.pid")); err != nil {
		return err
	}
	if _, err := os.Stat(p.data()); err == nil {
		return nil
	}
	return p.initdb(ctx)
}

func (p *postgresServer) initdb(ctx context.Context) error {
	draft := filepath.Join(p.dir, "data.new")
	if err := os.RemoveAll(draft); err != nil {
		return unwritable(draft, err)
	}
	password, err := p.passwordFile()
	if err != nil {
		return err
	}
	args := []string{
		"--pgdata", draft, "--username", adminRole, "--pwfile", password,
		// Also on loopback a password: other users of this machine can reach the port.
		"--auth", "scram-sha-256",
		// UTF-8 with the ordering of code points, the same on every machine; unlike plain C it
		// knows the lower case of letters beyond ASCII.
		"--encoding", "UTF8", "--locale", "C.UTF-8",
	}
	if p.st.options.NoSync {
		args = append(args, "--no-sync")
	}
	err = p.st.run(ctx, launch{path: filepath.Join(p.bin, "initdb"), args: args, env: serverEnv(), dir: p.dir})
	if err := firstError(err, removeFile(password)); err != nil {
		return errs.Wrap(errs.Unavailable, err, "PostgreSQL's data could not be prepared")
	}
	if err := os.Rename(draft, p.data()); err != nil {
		return unwritable(p.data(), err)
	}
	return nil
}

func (p *postgresServer) passwordFile() (string, error) {
	path := filepath.Join(p.dir, "password")
	if err := writeFile(path, []byte(p.st.state.AdminPassword+"\n")); err != nil {
		return "", err
	}
	if a := p.st.place.tenant; a != nil {
		if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
			return "", unwritable(path, err)
		}
	}
	return path, nil
}

func (p *postgresServer) launches() (launch, []launch, error) {
	args := []string{"-D", p.data()}
	for _, s := range p.settings() {
		args = append(args, "-c", s)
	}
	return launch{
		path: filepath.Join(p.bin, "postgres"), args: args, env: serverEnv(), dir: p.dir,
		// An immediate shutdown: the postmaster ends its backends, which SIGKILL would not.
		onOrphaned: syscall.SIGQUIT,
	}, nil, nil
}

func (p *postgresServer) settings() []string {
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(p.port()),
		// No Unix socket: its path may not exceed 107 bytes, and nobody uses it.
		"unix_socket_directories=",
		// Roles and tests open pools side by side; a connection costs about 2 MB when used.
		"max_connections=200",
		"shared_buffers=" + p.buffers(),
		// Sorting an audience of 100,000 ids stays in memory.
		"work_mem=16MB",
		"maintenance_work_mem=128MB",
		// A campaign of a million writes some 2 GB of log, half of it when the audience is stored: no checkpoint
		// on the way, after which each page is written to the log as a whole again.
		"max_wal_size=6GB",
		"checkpoint_timeout=15min",
		// Full page images are most of that log; compressing them costs less than writing them.
		"wal_compression=on",
		// Solid state disks: reading at random costs about what reading in order does.
		"random_page_cost=1.1",
		// Compiling a query takes longer than any of ours.
		"jit=off",
		// What the schema says, whatever the machine's settings are.
		"timezone=UTC",
		"log_timezone=UTC",
		// Slow statements in the log: half a second is ten times what ours take.
		"log_min_duration_statement=500ms",
		// A client that vanished is noticed in half a minute, and its locks are freed.
		"tcp_keepalives_idle=10",
		"tcp_keepalives_interval=5",
		"tcp_keepalives_count=4",
	}
	// The promise is that no crash loses anything, so these are the settings of production.
	durable := "on"
	if p.st.options.NoSync {
		durable = "off"
	}
	// A commit is always handed to the kernel before it is answered: without that, not only a power
	// cut but a killed server would lose the last ones.
	return append(settings, "synchronous_commit=on", "fsync="+durable, "full_page_writes="+durable)
}

// buffers is the memory for pages. The ledger of a million messages and its indexes are 1.2 GB, and the
// messages' ids are random, so that with less of it each change would bring pages in and write others out. Only
// what is used is taken. Tests, which make and drop hundreds of small databases, search all of it for each.
func (p *postgresServer) buffers() string {
	if p.st.options.NoSync {
		return "256MB"
	}
	return "1280MB"
}

// probe is true when the server lets clients in, which it does not while it recovers from a crash.
func (p *postgresServer) probe(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port()))
	if err := cmd.Run(); err != nil {
		return errs.Errorf(errs.Unavailable, "no answer on port %d", p.port())
	}
	return nil
}

// started makes the role and its databases.
func (p *postgresServer) started(ctx context.Context) error {
	var script strings.Builder
	fmt.Fprintf(&script, `
SELECT 'CREATE ROLE %[1]s LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%[1]s') \gexec
ALTER ROLE %[1]s PASSWORD '%[2]s';
`, appRole, p.st.state.AppPassword)
	names := []string{masterDatabase, businessDatabase}
	if p.st.options.TemporalOnPostgres {
		names = append(names, temporalDatabase, temporalVisibilityDatabase)
	}
	for _, name := range names {
		fmt.Fprintf(&script,
			"SELECT 'CREATE DATABASE %[1]s OWNER %[2]s' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '%[1]s') \\gexec\n",
			name, appRole)
	}
	return p.psql(ctx, script.String())
}

// createDatabase makes an empty database of the administrator.
func (p *postgresServer) createDatabase(ctx context.Context, name string) (string, error) {
	if !databaseName.MatchString(name) {
		return "", errs.Errorf(errs.Invalid, "%q is no database name: use lower-case letters, digits and underscores", name)
	}
	if err := p.psql(ctx, "CREATE DATABASE "+name+";\n"); err != nil {
		return "", err
	}
	return p.url(adminRole, p.st.state.AdminPassword, name), nil
}

// databaseName is what needs no quoting; 63 bytes are what PostgreSQL keeps of a name.
var databaseName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// psql runs a script as the administrator.
func (p *postgresServer) psql(ctx context.Context, script string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
		"-h", "127.0.0.1", "-p", strconv.Itoa(p.port()), "-U", adminRole, "-d", "postgres")
	cmd.Env = append(serverEnv(), "PGPASSWORD="+p.st.state.AdminPassword)
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return errs.Errorf(errs.Unavailable, "PostgreSQL refused: %s", lastLine(string(out)))
		}
		return errs.Wrap(errs.Unavailable, err, "run psql")
	}
	return nil
}

func (p *postgresServer) url(role, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password),
		Host: loopback(p.port()), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// stopSignal is the fast shutdown: it ends the clients' transactions, and writes a checkpoint.
func (p *postgresServer) stopSignal() syscall.Signal { return syscall.SIGINT }

// serverEnv is the whole environment of a server: nothing of ours leaks into it, and no PGHOST or
// RABBITMQ_NODENAME of the person at the keyboard changes what it does.
func serverEnv(more ...string) []string {
	return append([]string{"PATH=" + childPath, "LC_ALL=C.UTF-8", "TZ=UTC"}, more...)
}
