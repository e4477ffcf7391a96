package devstack

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
)

// bareHost plays a machine on which only the named programs are installed.
func bareHost(root bool, programs ...string) *host {
	return &host{
		root: root,
		glob: func(string) ([]string, error) { return nil, nil },
		lookPath: func(name string) (string, error) {
			if slices.Contains(programs, name) {
				return exec.LookPath(name)
			}
			return "", exec.ErrNotFound
		},
	}
}

func TestWhatIsMissingIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		host *host
		o    Options
		says string
	}{
		{
			name: "WithoutAPackageManager",
			host: bareHost(true),
			o:    Options{Postgres: true, RabbitMQ: true},
			says: "postgresql and rabbitmq-server not found, and there is no apt-get here: " +
				"install by hand, or set CUSTOMER_DATABASE_URL, CAMPAIGN_DATABASE_URL and RABBITMQ_URL",
		},
		{
			name: "WithoutRoot",
			host: bareHost(false, "apt-get"),
			o:    Options{RabbitMQ: true},
			says: "rabbitmq-server not found, and installing needs root: run " +
				"'sudo apt-get install --no-install-recommends rabbitmq-server', or set RABBITMQ_URL",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.Dir, tt.o.host = t.TempDir(), tt.host
			_, err := Start(t.Context(), tt.o)
			require.True(t, errs.Is(err, errs.Unavailable))
			require.EqualError(t, err, tt.says)
		})
	}
}

func TestWithoutGo(t *testing.T) {
	t.Parallel()
	o := &Options{Dir: t.TempDir(), Temporal: true, host: bareHost(true)}
	require.NoError(t, o.applyDefaults())
	_, err := temporalBinary(t.Context(), o)
	require.ErrorContains(t, err, "Go is needed to build the Temporal server")
}

func TestTheNewestVersionIsTaken(t *testing.T) {
	t.Parallel()
	h := &host{glob: func(pattern string) ([]string, error) {
		if filepath.Base(pattern) != "initdb" {
			return nil, nil
		}
		return []string{
			"/usr/lib/postgresql/15/bin/initdb", "/usr/lib/postgresql/18/bin/initdb", "/usr/lib/postgresql/9.6/bin/initdb",
		}, nil
	}, lookPath: exec.LookPath}
	require.Equal(t, "/usr/lib/postgresql/18/bin", h.find().postgres)
}

func TestGivenAddresses(t *testing.T) {
	t.Parallel()
	t.Run("NeedNoDirectory", func(t *testing.T) {
		t.Parallel()
		s, err := Start(t.Context(), Options{})
		require.NoError(t, err)
		require.Empty(t, s.Env())
		require.Nil(t, s.Postgres())
		require.NoError(t, s.Stop(t.Context()))
	})
	t.Run("AreTriedAndNamedWithoutTheirPassword", func(t *testing.T) {
		t.Parallel()
		_, err := Start(t.Context(), Options{RabbitMQ: true, RabbitURL: "amqp://u:secret@127.0.0.1:1/"})
		require.EqualError(t, err, "nothing answers at 127.0.0.1:1, given for RabbitMQ: correct the address, "+
			"start the server, or leave the address out")
	})
}

func TestEnvFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	s := &Stack{RabbitURL: "amqp://x", TemporalAddress: "127.0.0.1:1"}
	require.NoError(t, s.WriteEnv(path, map[string]string{"A": "b=c", "RABBITMQ_URL": "amqp://y"}))
	env, err := ReadEnv(path)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"A": "b=c", "RABBITMQ_URL": "amqp://y", "TEMPORAL_ADDRESS": "127.0.0.1:1"}, env)
	require.True(t, errs.Is(s.WriteEnv(path, map[string]string{"A": "b\nC=d"}), errs.Invalid))
}
