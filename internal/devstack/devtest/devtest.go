// Package devtest gives tests the servers that they need.
//
// Under "make test" all packages share the stack that teststack keeps up and names in
// XENCRM_TEST_STACK. A test that runs alone starts what it asks for, once per test process, and it
// ends with the process. Tests therefore share servers with others: they use a database or virtual
// host of their own and unique names, and leave the servers running. A test that breaks a server
// starts its own with Own.
package devtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xencrm/xencrm/internal/devstack"
)

const (
	// stackVariable names the file with the addresses of the shared stack.
	stackVariable = "XENCRM_TEST_STACK"

	// startTime bounds a start, which on a new machine installs packages and compiles Temporal.
	startTime = 15 * time.Minute
)

// Postgres returns the URL of the database "postgres" as the superuser, from which tests make and
// drop databases of their own.
func Postgres(t testing.TB) (adminURL string) {
	t.Helper()
	return address(t, "postgres", "POSTGRES_ADMIN_URL")
}

// Rabbit returns an AMQP URL and that of the management API, both with user and password. The
// virtual host is the common one: most tests want Vhost.
func Rabbit(t testing.TB) (amqpURL, managementURL string) {
	t.Helper()
	return address(t, "rabbitmq", "RABBITMQ_URL"), address(t, "rabbitmq", "RABBITMQ_MANAGEMENT_URL")
}

// Temporal returns the address of the frontend and the Web UI's URL. The namespace is "default":
// tests use task queues and workflow ids of their own.
func Temporal(t testing.TB) (frontend, uiURL string) {
	t.Helper()
	return address(t, "temporal", "TEMPORAL_ADDRESS"), address(t, "temporal", "TEMPORAL_UI_URL")
}

// Vhost makes an empty RabbitMQ virtual host for this test, returns its AMQP URL, and deletes it
// with all its queues when the test ends.
func Vhost(t testing.TB) (amqpURL string) {
	t.Helper()
	broker, management := Rabbit(t)
	name := "test-" + strings.ToLower(rand.Text())
	path := management + "/api/vhosts/" + name
	manage(t, t.Context(), http.MethodPut, path)
	// The test's own context is over when it is cleaned up.
	t.Cleanup(func() { manage(t, context.Background(), http.MethodDelete, path) })
	u, err := url.Parse(broker)
	if err != nil {
		t.Fatalf("read the broker's URL: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

func manage(t testing.TB, ctx context.Context, method, target string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatalf("%s virtual host: %v", method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	// A connection of its own, so that no idle one shows as a leaked goroutine.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s virtual host: %v", method, err)
	}
	_ = res.Body.Close() // The status is all that is read.
	if res.StatusCode >= http.StatusMultipleChoices {
		t.Fatalf("%s virtual host: %s", method, res.Status)
	}
}

// Own starts servers for this test alone, which it may kill, and stops them when it ends. The data
// lies in a directory that is removed too; nothing of o needs to be set but the wanted servers.
func Own(t testing.TB, o devstack.Options) *devstack.Stack {
	t.Helper()
	skipShort(t)
	if o.Dir == "" {
		o.Dir = t.TempDir()
		// When we are root, the servers' own account must get there.
		for _, dir := range []string{o.Dir, filepath.Dir(o.Dir)} {
			if err := os.Chmod(dir, 0o711); err != nil {
				t.Fatal(err)
			}
		}
	}
	if o.BinDir == "" {
		o.BinDir = filepath.Join(checkout(t), ".dev", "bin")
	}
	if o.Progress == nil {
		o.Progress = func(line string) { fmt.Fprintln(os.Stderr, line) }
	}
	o.NoSync = true
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	stack, err := devstack.Start(ctx, o)
	if err != nil {
		t.Fatalf("start servers for this test: %v", err)
	}
	t.Cleanup(func() {
		if err := stack.Stop(context.Background()); err != nil {
			t.Errorf("stop the servers of this test: %v", err)
		}
	})
	return stack
}

// address returns one address of the shared stack, or of one that this process has to itself.
func address(t testing.TB, server, key string) string {
	t.Helper()
	skipShort(t)
	file := os.Getenv(stackVariable)
	if file == "" {
		own, err := alone[server]()
		if err != nil {
			t.Fatalf("start %s for this test: %v", server, err)
		}
		file = own.envFile
	}
	env, err := devstack.ReadEnv(file)
	if err != nil {
		t.Fatalf("%v; is the stack that %s names still up?", err, stackVariable)
	}
	if env[key] == "" {
		t.Fatalf("the stack of %s has no %s", file, key)
	}
	return env[key]
}

func skipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a running server")
	}
}

func checkout(t testing.TB) string {
	t.Helper()
	root, err := devstack.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	return root
}
