// Package dbtest gives each test a database of its own: a copy of a migrated template, made once per
// set of migrations and shared by all test processes of a machine. It is for tests only.
package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/devstack/devtest"
)

// oddZone is the server-side time zone of test databases: code that relies on the server's zone
// instead of UTC fails here and not in Kathmandu.
const oddZone = "Asia/Kathmandu"

// templateLock is the advisory lock under which a template is made.
const templateLock = 0x78656e63

// Business gives a pool on a fresh business database.
func Business(t testing.TB) *pgxpool.Pool { t.Helper(); return open(t, BusinessURL(t)) }

// Master gives a pool on a fresh master database.
func Master(t testing.TB) *pgxpool.Pool { t.Helper(); return open(t, MasterURL(t)) }

// BusinessURL gives the URL of a fresh business database.
func BusinessURL(t testing.TB) string {
	t.Helper()
	return create(t, "business", business.Migrations())
}

// MasterURL gives the URL of a fresh master database.
func MasterURL(t testing.TB) string {
	t.Helper()
	return create(t, "master", master.Migrations())
}

func open(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := db.Open(t.Context(), dsn, db.PoolOptions{Name: "dbtest"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func create(t testing.TB, kind string, migrations fs.FS) string {
	t.Helper()
	ctx := t.Context()
	adminURL := devtest.Postgres(t)
	admin, err := pgx.Connect(ctx, adminURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, admin.Close(ctx)) }()
	template := ensureTemplate(t, admin, adminURL, kind, migrations)
	name := "test_" + kind + "_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err = admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
	require.NoError(t, err)
	t.Cleanup(func() { drop(t, adminURL, name) })
	return withDatabase(t, adminURL, name)
}

// drop removes the database at the end of the test, whatever still holds a connection to it.
func drop(t testing.TB, adminURL, name string) {
	t.Helper()
	ctx := context.Background() // the test's own context has ended
	admin, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		t.Logf("database %s not dropped: %v", name, err)
		return
	}
	defer func() { _ = admin.Close(ctx) }() // nothing is pending
	if _, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
		t.Logf("database %s not dropped: %v", name, err)
	}
}

// ensureTemplate makes the template unless it is there; its name is the hash of the migrations.
func ensureTemplate(t testing.TB, admin *pgx.Conn, adminURL, kind string, migrations fs.FS) string {
	t.Helper()
	ctx := t.Context()
	template := "template_" + kind + "_" + hash(t, migrations)
	_, err := admin.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock)
	require.NoError(t, err)
	defer func() {
		_, err := admin.Exec(ctx, "SELECT pg_advisory_unlock($1)", templateLock)
		require.NoError(t, err)
	}()
	var exists bool
	require.NoError(t, admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", template).Scan(&exists))
	if exists {
		return template
	}
	building := template + "_building"
	_, err = admin.Exec(ctx, "DROP DATABASE IF EXISTS "+building+" WITH (FORCE)")
	require.NoError(t, err)
	_, err = admin.Exec(ctx, "CREATE DATABASE "+building)
	require.NoError(t, err)
	_, err = admin.Exec(ctx, "ALTER DATABASE "+building+" SET timezone = '"+oddZone+"'")
	require.NoError(t, err)
	_, err = db.Migrate(ctx, withDatabase(t, adminURL, building), migrations)
	require.NoError(t, err)
	_, err = admin.Exec(ctx, "ALTER DATABASE "+building+" RENAME TO "+template)
	require.NoError(t, err)
	return template
}

func hash(t testing.TB, migrations fs.FS) string {
	t.Helper()
	h := sha256.New()
	require.NoError(t, fs.WalkDir(migrations, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(migrations, path)
		h.Write([]byte(path))
		h.Write(content)
		return err
	}))
	const short = 8 // bytes of the hash: enough to tell a few versions of the schema apart
	return hex.EncodeToString(h.Sum(nil)[:short])
}

func withDatabase(t testing.TB, adminURL, name string) string {
	t.Helper()
	u, err := url.Parse(adminURL)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}
