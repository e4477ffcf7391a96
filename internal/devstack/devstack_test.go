package devstack

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/errs"
)

// deadline is how long any of these tests waits for something to become true: a start of RabbitMQ
// beside a compiler on two cores takes half a minute.
const deadline = 2 * time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(childMain(dir))
	}
	goleak.VerifyTestMain(m)
}

func eventually(t *testing.T, what string, probe func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	require.NoError(t, poll(ctx, probe), what)
}

// tempDir returns a temporary directory that the servers' account can use, so that nothing lies
// elsewhere.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(d, 0o711))
	}
	return dir
}

// start starts a stack that ends with the test. Tests of servers do not run with -short.
func start(t *testing.T, o Options) *Stack {
	t.Helper()
	if testing.Short() {
		t.Skip("starts servers")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*deadline) // it may have to install or build
	defer cancel()
	if o.Dir == "" {
		o.Dir = tempDir(t)
	}
	o.NoSync = true
	s, err := Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

func query(t *testing.T, url, sql string, dest ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background()) //nolint:errcheck // The answer is in.
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(dest...))
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background()) //nolint:errcheck // The statement is committed.
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// withQueue runs f on a channel in confirm mode and a durable quorum queue.
func withQueue(t *testing.T, url string, f func(ch *amqp.Channel, queue string)) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // What matters was confirmed.
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	q, err := ch.QueueDeclare("kept", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	require.NoError(t, err)
	f(ch, q.Name)
}

func publish(t *testing.T, url, text string) {
	t.Helper()
	withQueue(t, url, func(ch *amqp.Channel, queue string) {
		c, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(text)})
		require.NoError(t, err)
		ok, err := c.WaitContext(t.Context())
		require.NoError(t, err)
		require.True(t, ok)
	})
}

func take(t *testing.T, url string) string {
	t.Helper()
	var text string
	eventually(t, "a message", func() error {
		var err error
		// A quorum queue elects its leader for a moment after the broker greets; what is asked of
		// it meanwhile ends the channel.
		withQueue(t, url, func(ch *amqp.Channel, queue string) {
			d, ok, getErr := ch.Get(queue, true)
			if text, err = string(d.Body), getErr; err == nil && !ok {
				err = errs.Errorf(errs.NotFound, "the queue is empty")
			}
		})
		return err
	})
	return text
}

func TestServersKeepTheirDataAndPorts(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := start(t, Options{Dir: dir, Postgres: true, RabbitMQ: true})
	var role, zone, address string
	query(t, s.MasterURL, "SELECT current_user, current_setting('timezone'), current_setting('listen_addresses')",
		&role, &zone, &address)
	require.Equal(t, []string{"xencrm", "UTC", "127.0.0.1"}, []string{role, zone, address})
	execute(t, s.BusinessURL, "CREATE TABLE kept AS SELECT 42 AS answer")
	publish(t, s.RabbitURL, "first")
	// RabbitMQ 3.10 writes that a queue exists about a second after it said so; see Kill.
	require.NoError(t, s.Rabbit().Restart(t.Context()))

	// As a crash would.
	require.NoError(t, s.Postgres().Kill())
	require.NoError(t, s.Rabbit().Kill())
	require.Zero(t, s.Postgres().Pid())
	require.NoError(t, s.Postgres().Start(t.Context()))
	require.NoError(t, s.Rabbit().Start(t.Context()))
	var answer int
	query(t, s.BusinessURL, "SELECT answer FROM kept", &answer)
	require.Equal(t, 42, answer)
	require.Equal(t, "first", take(t, s.RabbitURL))

	// As a new run would.
	publish(t, s.RabbitURL, "second")
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, s.Stop(t.Context()), "stopping twice is fine")
	require.Empty(t, strays(dir))
	again := start(t, Options{Dir: dir, Postgres: true, RabbitMQ: true})
	require.Equal(t, s.Env(), again.Env(), "ports and passwords stay")
	query(t, again.BusinessURL, "SELECT answer FROM kept", &answer)
	require.Equal(t, "second", take(t, again.RabbitURL))

	url, err := again.CreateDatabase(t.Context(), "another")
	require.NoError(t, err)
	query(t, url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", &answer)
	require.Zero(t, answer)
	_, err = again.CreateDatabase(t.Context(), `bad"name`)
	require.True(t, errs.Is(err, errs.Invalid))
}

func TestAKilledServerComesBackWhenSupervised(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Postgres: true, Supervise: true})
	before := s.Postgres().Pid()
	// From outside, and the postmaster alone: its backends are left to end by themselves.
	require.NoError(t, syscall.Kill(before, syscall.SIGKILL))
	eventually(t, "PostgreSQL is back", func() error {
		if pid := s.Postgres().Pid(); pid == 0 || pid == before {
			return errs.Errorf(errs.Unavailable, "still away")
		}
		return s.cluster.probe(t.Context())
	})
	var one int
	query(t, s.MasterURL, "SELECT 1", &one)
	// On purpose: it stays away.
	require.NoError(t, s.Postgres().Stop(t.Context()))
	require.Zero(t, s.Postgres().Pid())
}

func TestAPausedServerHangsAndGoesOn(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Postgres: true})
	conn, err := pgx.Connect(t.Context(), s.MasterURL)
	require.NoError(t, err)
	require.NoError(t, s.Postgres().Pause())
	open, err := net.DialTimeout("tcp", loopback(s.cluster.port()), time.Second)
	require.NoError(t, err, "the port stays open")
	require.NoError(t, open.Close())
	answered := make(chan error, 1)
	go func() { _, err := conn.Exec(context.Background(), "SELECT 1"); answered <- err }()
	select {
	case err := <-answered:
		t.Fatalf("a paused server answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	require.NoError(t, s.Postgres().Resume())
	require.NoError(t, <-answered)
	require.NoError(t, conn.Close(t.Context()))
	require.NoError(t, s.Postgres().Pause())
	require.NoError(t, s.Postgres().Restart(t.Context()), "a paused server can be stopped")
}

// childDir names the directory in which a copy of this test binary starts servers and waits to be
// killed.
const childDir = "XENCRM_DEVSTACK_TEST_CHILD"

func childMain(dir string) int {
	s, err := Start(context.Background(), Options{Dir: dir, Postgres: true, RabbitMQ: true, NoSync: true})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("ready", s.MasterURL)
	select {}
}

func TestServersEndWhenTheirParentIsKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts servers")
	}
	dir := tempDir(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	word, url, _ := strings.Cut(strings.TrimSpace(line), " ")
	require.Equal(t, "ready", word, line)
	// A backend in the middle of a long statement does not notice by itself that all is over.
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	busy := make(chan error, 1)
	go func() { _, err := conn.Exec(context.Background(), "SELECT pg_sleep(600)"); busy <- err }()
	running := descendants(child.Process.Pid)
	require.Greater(t, len(running), 8, "postmaster and its workers, beam.smp and its helpers, epmd, watchdog")

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	eventually(t, "everything is gone", func() error {
		for _, pid := range running {
			if p, ok := readProc(pid); ok && (p.parent == child.Process.Pid || p.isServer()) {
				return errs.Errorf(errs.Conflict, "%+v is left", p)
			}
		}
		if left := strays(dir); len(left) > 0 {
			return errs.Errorf(errs.Conflict, "%v are left", left)
		}
		return nil
	})
	require.Error(t, <-busy)
	s := start(t, Options{Dir: dir, Postgres: true, RabbitMQ: true})
	require.Equal(t, url, s.MasterURL)
}

func TestStraysOfAKilledRunAreEnded(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts servers")
	}
	s, err := Start(t.Context(), Options{Dir: tempDir(t), Postgres: true, NoSync: true})
	require.NoError(t, err)
	// Nobody is left to end them: not the watchdog, and not the kernel.
	require.NoError(t, s.dog.cmd.Process.Kill())
	left := strays(s.place.state)
	require.NotEmpty(t, left)
	require.NoError(t, endStrays(t.Context(), s.place.state))
	require.Empty(t, strays(s.place.state))
	require.ErrorContains(t, s.Stop(t.Context()), "watchdog")
	again, err := Start(t.Context(), Options{Dir: s.options.Dir, Postgres: true, NoSync: true})
	require.NoError(t, err)
	require.NoError(t, again.Stop(t.Context()))
}

func TestFirstStartsSideBySide(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts servers")
	}
	var all sync.WaitGroup
	stacks := make([]*Stack, 3)
	for i := range stacks {
		all.Go(func() { stacks[i] = start(t, Options{Dir: tempDir(t), Postgres: true}) })
	}
	all.Wait()
	require.NotEqual(t, stacks[0].MasterURL, stacks[1].MasterURL)
}

func TestRootOnlyDirectories(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs servers as somebody else")
	}
	private := filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.Mkdir(private, 0o700))
	dir := filepath.Join(private, "crm", ".dev")
	s := start(t, Options{Dir: dir, Postgres: true})
	state, err := os.Readlink(filepath.Join(dir, elsewhereLink))
	require.NoError(t, err)
	require.Equal(t, s.place.state, state)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(state)) })
	execute(t, s.MasterURL, "CREATE TABLE kept ()")
	require.NoError(t, s.Stop(t.Context()))

	// Whoever deletes the directory wants a new start.
	require.NoError(t, os.RemoveAll(dir))
	s = start(t, Options{Dir: dir, Postgres: true})
	var tables int
	query(t, s.MasterURL, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", &tables)
	require.Zero(t, tables)
}

func TestATakenPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close() //nolint:errcheck // It was never used.
	port := taken.Addr().(*net.TCPAddr).Port

	t.Run("IsReportedWhenItWasAskedFor", func(t *testing.T) {
		if testing.Short() {
			t.Skip("starts servers")
		}
		_, err := Start(t.Context(), Options{Dir: tempDir(t), Postgres: true, NoSync: true, Ports: Ports{Postgres: port}})
		require.True(t, errs.Is(err, errs.Conflict))
		require.EqualError(t, err, fmt.Sprintf(
			"port %d, wanted for PostgreSQL, is taken: stop what listens there, or choose another", port))
	})
	t.Run("IsReplacedWhenItWasRemembered", func(t *testing.T) {
		s, err := loadState(t.TempDir(), Ports{})
		require.NoError(t, err)
		s.Ports.Temporal = port
		require.NoError(t, s.claim("Temporal", func(p *Ports) *int { return &p.Temporal }))
		require.NotEqual(t, port, s.ports().Temporal)
	})
}

func TestADirectoryInUse(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Postgres: true})
	require.True(t, InUse(s.options.Dir))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, Options{Dir: s.options.Dir, Postgres: true})
	require.True(t, errs.Is(err, errs.Conflict))
	require.ErrorContains(t, err, fmt.Sprintf("is in use by process %d", os.Getpid()))
	require.NoError(t, s.Stop(t.Context()))
	require.False(t, InUse(s.options.Dir))
}

func TestUnusableDirectories(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Start(t.Context(), Options{Dir: filepath.Join(file, "dir"), Postgres: true})
	require.True(t, errs.Is(err, errs.Invalid))
	require.NotContains(t, err.Error(), "\n")

	tests := []struct {
		cause error
		says  string
	}{
		{syscall.EROFS, "/x cannot be written: choose a directory that can, or make it writable"},
		{syscall.EACCES, "/x cannot be written: choose a directory that can, or make it writable"},
		{syscall.ENOSPC, "no space is left for /x: free some, or choose another directory"},
	}
	for _, tt := range tests {
		t.Run(tt.cause.Error(), func(t *testing.T) {
			t.Parallel()
			err := unwritable("/x", &fs.PathError{Op: "mkdir", Path: "/x", Err: tt.cause})
			require.EqualError(t, err, tt.says)
		})
	}
}

// TestAStackWithinAnothersDirectoryIsLeftAlone holds that the demo in .dev, started and stopped, does
// not end the servers of the tests in .dev/test.
func TestAStackWithinAnothersDirectoryIsLeftAlone(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts servers")
	}
	outer := tempDir(t)
	inner := start(t, Options{Dir: filepath.Join(outer, "test", "stack"), Postgres: true})
	pid := inner.Postgres().Pid()
	s, err := Start(t.Context(), Options{Dir: outer, Postgres: true, NoSync: true})
	require.NoError(t, err)
	require.NoError(t, s.Stop(t.Context()))
	require.Equal(t, pid, inner.Postgres().Pid())
	conn, err := pgx.Connect(t.Context(), inner.MasterURL)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}
