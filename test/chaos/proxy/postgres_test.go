package proxy_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/devstack/devtest"
	"github.com/xencrm/xencrm/test/chaos/proxy"
)

// database makes a database with the table t(id) and gives its URL.
func database(t *testing.T) string {
	t.Helper()
	admin := devtest.Postgres(t)
	name := "test_proxy_" + strings.ToLower(rand.Text())
	execute(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(admin)
	require.NoError(t, err)
	u.Path = "/" + name
	execute(t, u.String(), "CREATE TABLE t (id text)")
	return u.String()
}

// execute runs one statement on a connection of its own, also when the test's context is over.
func execute(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	require.NoError(t, err)
	_, err = conn.Exec(context.Background(), sql)
	require.NoError(t, err)
	require.NoError(t, conn.Close(context.Background()))
}

// rows counts the rows with the id, past every proxy.
func rows(t *testing.T, dsn, id string) (n int) {
	t.Helper()
	conn := connect(t, dsn, "test")
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM t WHERE id = $1", id).Scan(&n))
	return n
}

// connect is how the pools of the roles connect, as far as a proxy can see.
func connect(t *testing.T, dsn, app string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	cfg.RuntimeParams["application_name"] = app
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // a struck one is closed already
	return conn
}

func newPostgres(t *testing.T, dsn string) *proxy.Postgres {
	t.Helper()
	p, err := proxy.NewPostgres(fixed(host(t, dsn)))
	require.NoError(t, err)
	closeAtEnd(t, p)
	return p
}

// insert opens a transaction with a row, to be committed.
func insert(t *testing.T, conn *pgx.Conn, id string) pgx.Tx {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "INSERT INTO t VALUES ($1)", id)
	require.NoError(t, err)
	return tx
}

// waysToCommit are those that a driver has.
func waysToCommit() map[string]func(context.Context, pgx.Tx) error {
	return map[string]func(context.Context, pgx.Tx) error{
		"ASimpleQuery": func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) },
		"AnUnnamedStatement": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Conn().PgConn().ExecParams(ctx, "COMMIT;", nil, nil, nil, nil).Close()
			return err
		},
		"APreparedStatement": func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Conn().Prepare(ctx, "done", "commit"); err != nil {
				return err
			}
			_, err := tx.Conn().PgConn().ExecPrepared(ctx, "done", nil, nil, nil).Close()
			return err
		},
		"APipeline": func(ctx context.Context, tx pgx.Tx) error {
			batch := &pgx.Batch{}
			batch.Queue("SELECT $1::int", 1)
			batch.Queue("commit")
			return tx.SendBatch(ctx, batch).Close()
		},
	}
}

func TestPostgresDropCommit(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	for _, c := range []struct {
		name string
		when proxy.When
		rows int
	}{
		{"BeforeRollsBack", proxy.Before, 0},
		{"AfterKeepsWhatTheClientIsNotTold", proxy.After, 1},
	} {
		for way, commit := range waysToCommit() {
			t.Run(c.name+"Of"+way, func(t *testing.T) {
				t.Parallel()
				p := newPostgres(t, dsn)
				conn := connect(t, through(t, dsn, p), "test")
				fault := p.DropCommit(proxy.Commit{K: 1, When: c.when})
				id := rand.Text()
				tx := insert(t, conn, id)
				require.Zero(t, fault.Struck())
				require.Error(t, commit(t.Context(), tx))
				require.Equal(t, 1, fault.Struck())
				require.Equal(t, c.rows, rows(t, dsn, id))
				eventually(t, "connection gone", func() bool { return p.Connections() == 0 })
			})
		}
	}
}

func TestPostgresCounts(t *testing.T) {
	t.Parallel()
	dsn := database(t)

	t.Run("OnlyTheKthCommitIsStruck", func(t *testing.T) {
		t.Parallel()
		p := newPostgres(t, dsn)
		fault := p.DropCommit(proxy.Commit{K: 3, When: proxy.After})
		for n := 1; n <= 5; n++ {
			err := insert(t, connect(t, through(t, dsn, p), "test"), "counted").Commit(t.Context())
			require.Equal(t, n == 3, err != nil, "commit %d: %v", n, err)
		}
		require.Equal(t, 1, fault.Struck())
		require.Equal(t, 5, rows(t, dsn, "counted"))
	})

	t.Run("OnlyCommitsOfTheApplication", func(t *testing.T) {
		t.Parallel()
		p := newPostgres(t, dsn)
		fault := p.DropCommit(proxy.Commit{K: 1, When: proxy.Before, App: "xencrm-worker"})
		other := connect(t, through(t, dsn, p), "xencrm-api")
		require.NoError(t, insert(t, other, "other").Commit(t.Context()))
		require.Zero(t, fault.Struck())
		worker := connect(t, through(t, dsn, p), "xencrm-worker")
		require.Error(t, insert(t, worker, "worker").Commit(t.Context()))
		require.Equal(t, 1, fault.Struck())
	})

	t.Run("NoRollbackAndNoDisarmedFault", func(t *testing.T) {
		t.Parallel()
		p := newPostgres(t, dsn)
		conn := connect(t, through(t, dsn, p), "test")
		fault := p.DropCommit(proxy.Commit{K: 1, When: proxy.After})
		require.NoError(t, insert(t, conn, "rolled back").Rollback(t.Context()))
		fault.Disarm()
		require.NoError(t, insert(t, conn, "kept").Commit(t.Context()))
		require.Zero(t, fault.Struck())
		require.Equal(t, 1, rows(t, dsn, "kept"))
	})
}

func TestPostgresForwards(t *testing.T) {
	t.Parallel()
	dsn := database(t)

	t.Run("MessagesLargerThanItsBuffers", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, through(t, dsn, newPostgres(t, dsn)), "test")
		long := strings.Repeat("commit;", 1<<17)
		var got string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT $1::text || 'x'", long).Scan(&got))
		require.Equal(t, long+"x", got)
	})

	t.Run("AClientThatWouldRatherEncrypt", func(t *testing.T) {
		t.Parallel()
		u, err := url.Parse(through(t, dsn, newPostgres(t, dsn)))
		require.NoError(t, err)
		q := u.Query()
		q.Set("sslmode", "prefer")
		u.RawQuery = q.Encode()
		require.NoError(t, connect(t, u.String(), "test").Ping(t.Context()))
	})

	t.Run("ACancelledQuery", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, through(t, dsn, newPostgres(t, dsn)), "test")
		begun := make(chan error, 1)
		go func() {
			_, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)")
			begun <- err
		}()
		watch := connect(t, dsn, "test")
		eventually(t, "query runs", func() bool {
			var active bool
			err := watch.QueryRow(t.Context(),
				"SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1", conn.PgConn().PID()).Scan(&active)
			return err == nil && active
		})
		require.NoError(t, conn.PgConn().CancelRequest(t.Context()))
		require.ErrorContains(t, <-begun, "57014")
	})
}
