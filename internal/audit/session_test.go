package audit

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/dbtest"
)

// The auditor runs in production: its sessions cannot write, although their user could.
func TestSessionsCannotWrite(t *testing.T) {
	t.Parallel()
	conn, err := connect(t.Context(), dbtest.MasterURL(t), "master")
	require.NoError(t, err)
	defer disconnect(t.Context(), conn)
	_, err = conn.Exec(t.Context(), "DELETE FROM customers")
	require.ErrorContains(t, err, "read-only transaction")
}

func TestFindsForgottenTransactions(t *testing.T) {
	t.Parallel()
	url := dbtest.MasterURL(t)
	judge := func(tooLong string) []string {
		conn, err := connect(t.Context(), url, "master")
		require.NoError(t, err)
		defer disconnect(t.Context(), conn)
		f := newFindings()
		require.NoError(t, snapshot(t.Context(), conn, func(tx pgx.Tx) error {
			return judgeServer(t.Context(), f, tx, "master", tooLong)
		}))
		delete(f.by, settingsDurable) // the servers of tests do not sync
		return ids(f)
	}
	forgetful, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = forgetful.Exec(t.Context(), "BEGIN")
	require.NoError(t, err)
	require.Empty(t, judge("1 hour"))
	require.Equal(t, []string{nothingLeaks}, judge("0"))
	require.NoError(t, forgetful.Close(t.Context()))
	require.Eventually(t, func() bool { return len(judge("0")) == 0 }, 10*time.Second, time.Millisecond)
}

func TestErrorsKeepThePassword(t *testing.T) {
	t.Parallel()
	_, err := connect(t.Context(), "postgres://u:hush@127.0.0.1:notaport/x", "master")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hush")
	_, err = connect(t.Context(), "postgres://u:hush@127.0.0.1:1/x", "master")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hush")
}
