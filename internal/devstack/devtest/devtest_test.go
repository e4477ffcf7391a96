package devtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/internal/devstack/devtest"
)

// A package with a goleak check must be able to use devtest.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPostgres(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), devtest.Postgres(t))
	require.NoError(t, err)
	var super bool
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT usesuper FROM pg_user WHERE usename = current_user").Scan(&super))
	require.True(t, super)
	require.NoError(t, conn.Close(t.Context()))
}

func TestVhost(t *testing.T) {
	t.Parallel()
	one, two := devtest.Vhost(t), devtest.Vhost(t)
	declare := func(t *testing.T, url string, passive bool) error {
		t.Helper()
		conn, err := amqp.Dial(url)
		require.NoError(t, err)
		defer conn.Close() //nolint:errcheck // Nothing was published.
		ch, err := conn.Channel()
		require.NoError(t, err)
		if passive {
			_, err = ch.QueueDeclarePassive("q", true, false, false, false, nil)
			return err
		}
		_, err = ch.QueueDeclare("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
		return err
	}
	require.NoError(t, declare(t, one, false))
	require.NoError(t, declare(t, one, true))
	require.Error(t, declare(t, two, true), "a queue of one virtual host is not seen in another")
}
