package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/devstack"
	"github.com/xencrm/xencrm/internal/vendors/mock"
)

const (
	// seed is the demo's: the vendor's outcomes are a function of it.
	seed = 7
	// successRate is the mock vendor's default.
	successRate = 0.9
	maxAttempts = 3
	// patience bounds every wait. Nothing here takes a tenth of it on an idle machine.
	patience = 4 * time.Minute
	pause    = 50 * time.Millisecond
)

// system is a running demo, reached through its public doors; its databases are read to judge it.
type system struct {
	dir      string
	env      map[string]string
	business *pgxpool.Pool
	master   *pgxpool.Pool
	demo     *exec.Cmd
	exited   chan struct{}
	output   *os.File
}

// start builds the binary and runs the demo in a directory of its own, with what env (NAME=value) says.
func start(t *testing.T, customers int, env ...string) *system {
	t.Helper()
	if testing.Short() {
		t.Skip("brings up the whole system")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	binary := filepath.Join(t.TempDir(), "xencrm")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/xencrm")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(d, 0o711)) // the servers' unprivileged user passes through
	}
	s := &system{dir: filepath.Join(dir, "dev")}
	s.output, err = os.Create(filepath.Join(t.TempDir(), "demo.log"))
	require.NoError(t, err)
	s.demo = exec.Command(binary, "demo")
	s.demo.Dir = root
	s.demo.Env = append(os.Environ(), "XENCRM_DEV_DIR="+s.dir, fmt.Sprintf("DEMO_CUSTOMERS=%d", customers),
		"DEMO_VENDOR_LATENCY=0", fmt.Sprintf("DEMO_SEED=%d", seed), "XENCRM_BIN_DIR="+filepath.Join(root, ".dev", "bin"))
	s.demo.Env = append(s.demo.Env, env...)
	s.demo.Stdout, s.demo.Stderr = s.output, s.output
	require.NoError(t, s.demo.Start())
	s.exited = make(chan struct{})
	go func() {
		defer close(s.exited)
		_ = s.demo.Wait() // how it ended shows in its output
	}()
	t.Cleanup(func() { s.stop(t) })
	s.awaitReady(t)
	return s
}

func (s *system) awaitReady(t *testing.T) {
	t.Helper()
	const first = 20 * time.Minute // a clean machine builds the Temporal server meanwhile
	deadline := time.Now().Add(first)
	for time.Now().Before(deadline) {
		select {
		case <-s.exited:
			t.Fatalf("the demo ended:\n%s", s.log(t))
		case <-time.After(pause):
		}
		if strings.Contains(s.log(t), "Everything stays up") {
			s.connect(t)
			return
		}
	}
	t.Fatalf("the demo is not ready:\n%s", s.log(t))
}

func (s *system) connect(t *testing.T) {
	t.Helper()
	var err error
	s.env, err = devstack.ReadEnv(filepath.Join(s.dir, "env"))
	require.NoError(t, err)
	s.business, err = pgxpool.New(t.Context(), s.env["CAMPAIGN_DATABASE_URL"])
	require.NoError(t, err)
	t.Cleanup(s.business.Close)
	s.master, err = pgxpool.New(t.Context(), s.env["CUSTOMER_DATABASE_URL"])
	require.NoError(t, err)
	t.Cleanup(s.master.Close)
}

func (s *system) stop(t *testing.T) {
	t.Helper()
	_ = s.demo.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-s.exited:
	case <-time.After(time.Minute): // the roles get 35 s, then the servers 15 s
		t.Errorf("the demo does not stop")
		_ = s.demo.Process.Kill()
	}
	if t.Failed() {
		t.Logf("demo output:\n%s", s.log(t))
		s.keepLogs(t)
	}
}

// keepLogs copies the roles' logs to where they survive the test.
func (s *system) keepLogs(t *testing.T) {
	t.Helper()
	keep := filepath.Join("..", "..", ".dev", "failed", strings.ReplaceAll(t.Name(), "/", "_"))
	if err := os.CopyFS(keep, os.DirFS(filepath.Join(s.dir, "logs"))); err != nil {
		t.Logf("logs not kept: %v", err)
		return
	}
	t.Logf("logs kept in %s", keep)
}

func (s *system) log(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(s.output.Name())
	require.NoError(t, err)
	return string(raw)
}

// kill9 kills a role or a server by its pid file and waits until another process has taken its place.
func (s *system) kill9(t *testing.T, name string) {
	t.Helper()
	pid := s.pid(t, name)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	s.eventually(t, name+" does not come back", func() bool {
		now, err := s.readPid(name)
		return err == nil && now != pid
	})
}

func (s *system) pid(t *testing.T, name string) int {
	t.Helper()
	pid, err := s.readPid(name)
	require.NoError(t, err)
	return pid
}

func (s *system) readPid(name string) (int, error) {
	raw, err := os.ReadFile(filepath.Join(s.dir, "pids", name))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(raw)))
}

func (s *system) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if holds() {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal(what)
		case <-time.After(pause):
		}
	}
	t.Fatal(what)
}

// request is one call of the API.
type request struct {
	method, path, key string
	body              any
}

func post(path, key string, body any) request {
	return request{method: http.MethodPost, path: path, key: key, body: body}
}

// call calls the API and repeats while it is away, under the same key.
func (s *system) call(t *testing.T, r request, out any) int {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		status, answer, err := s.once(t.Context(), r)
		running := status == http.StatusConflict && bytes.Contains(answer, []byte("/problems/idempotency-key-running"))
		if err == nil && status != http.StatusServiceUnavailable && !running {
			if out != nil && status < http.StatusMultipleChoices {
				require.NoError(t, json.Unmarshal(answer, out), string(answer))
			}
			return status
		}
		require.True(t, time.Now().Before(end), "%s %s: %v %d %s", r.method, r.path, err, status, answer)
		<-time.After(pause)
	}
}

func (s *system) once(ctx context.Context, r request) (int, []byte, error) {
	raw, err := json.Marshal(r.body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, s.env["XENCRM_URL"]+r.path, bytes.NewReader(raw))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	client := http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// launch launches a campaign over everyone who has ordered.
func (s *system) launch(t *testing.T, more map[string]any) uuid.UUID {
	t.Helper()
	body := map[string]any{
		"name": t.Name(), "segment_id": s.segment(t), "message_template": "Hi {{ name }}, {{ total_spend }}",
		"campaign_type": "PROMOTIONAL", "created_by": "e2e",
	}
	maps.Copy(body, more)
	var got struct {
		Data struct {
			CampaignID uuid.UUID `json:"campaign_id"`
		} `json:"data"`
	}
	require.Equal(t, http.StatusCreated, s.call(t, post("/api/campaigns", uuid.NewString(), body), &got))
	return got.Data.CampaignID
}

func (s *system) segment(t *testing.T) string {
	t.Helper()
	var got struct {
		Data struct {
			SegmentID string `json:"segment_id"`
		} `json:"data"`
	}
	require.Equal(t, http.StatusCreated, s.call(t, post("/api/segments", "", map[string]any{
		"name": t.Name(), "rules": []any{map[string]any{"id": "g", "operator": "AND", "rules": []any{
			map[string]any{"id": "r", "field": "total_orders", "operator": ">=", "value": 0},
		}}},
	}), &got))
	return got.Data.SegmentID
}

// awaitStatus waits until the stored campaign has the status.
func (s *system) awaitStatus(t *testing.T, id uuid.UUID, want string) {
	t.Helper()
	var status string
	defer func() {
		if t.Failed() {
			t.Logf("campaign %s is %s, books %+v", id, status, s.count(t, "SELECT row_to_json(campaign_stats)::text FROM campaign_stats WHERE campaign_id = $1", id))
		}
	}()
	s.eventually(t, "the campaign does not become "+want, func() bool {
		// The database may be one of the things that are down.
		err := s.business.QueryRow(t.Context(), "SELECT status FROM campaigns WHERE campaign_id = $1", id).Scan(&status)
		return err == nil && status == want
	})
}

// awaitSent waits until at least n messages were handed to the vendor.
func (s *system) awaitSent(t *testing.T, id uuid.UUID, n int) {
	t.Helper()
	s.eventually(t, "the campaign does not send", func() bool {
		var sent int
		err := s.business.QueryRow(t.Context(), "SELECT total_sent FROM campaign_stats WHERE campaign_id = $1", id).Scan(&sent)
		return err == nil && sent >= n
	})
}

func (s *system) count(t *testing.T, query string, args ...any) string {
	t.Helper()
	var text string
	if err := s.business.QueryRow(context.WithoutCancel(t.Context()), query, args...).Scan(&text); err != nil {
		return err.Error()
	}
	return text
}

// requireExact holds every row of a finished campaign against the vendor's outcome function, the
// books against the ledger, and the vendor's own record against double deliveries.
func (s *system) requireExact(t *testing.T, id uuid.UUID) {
	t.Helper()
	rows, err := s.business.Query(t.Context(), `SELECT communication_id::text, status, attempts, coalesce(failure_code, '')
		FROM communication_log WHERE campaign_id = $1`, id)
	require.NoError(t, err)
	defer rows.Close()
	n := 0
	for rows.Next() {
		var key, status, code string
		var attempts int
		require.NoError(t, rows.Scan(&key, &status, &attempts, &code))
		want := mock.Predict(seed, key, maxAttempts, successRate)
		require.Equal(t, fmt.Sprint(want.Status, want.Attempts, want.Code), fmt.Sprint(status, attempts, code), "message %s", key)
		n++
	}
	require.NoError(t, rows.Err())
	require.Positive(t, n)
	require.Equal(t, "0", s.count(t, disagreements))
	s.requireOneDeliveryEach(t)
}

// disagreements counts, in one snapshot, the campaigns whose books differ from their ledger.
const disagreements = `SELECT count(*)::text FROM campaign_stats s LEFT JOIN (
	SELECT campaign_id, count(*) a, count(*) FILTER (WHERE status = 'PENDING') p, count(*) FILTER (WHERE status = 'SENT') i,
	count(*) FILTER (WHERE status = 'DELIVERED') d, count(*) FILTER (WHERE status = 'FAILED') f,
	count(*) FILTER (WHERE status = 'SKIPPED') k, count(*) FILTER (WHERE status = 'CANCELLED') c, count(sent_at) s
	FROM communication_log GROUP BY 1) l USING (campaign_id)
	WHERE (s.total_messages, s.pending_count, s.in_flight_count, s.total_delivered, s.total_failed, s.skipped_count, s.cancelled_count, s.total_sent)
	IS DISTINCT FROM (coalesce(l.a, 0), coalesce(l.p, 0), coalesce(l.i, 0), coalesce(l.d, 0), coalesce(l.f, 0), coalesce(l.k, 0), coalesce(l.c, 0), coalesce(l.s, 0))`

func (s *system) requireOneDeliveryEach(t *testing.T) {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	res, err := client.Get(s.env["VENDOR_URL"] + "/admin/summary")
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	var summary struct {
		MaxDeliveriesPerKey *int `json:"max_deliveries_per_key"`
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&summary))
	require.NotNil(t, summary.MaxDeliveriesPerKey)
	require.Equal(t, 1, *summary.MaxDeliveriesPerKey)
}

// faults sets what goes wrong at the vendor; nothing that is not named does.
func (s *system) faults(t *testing.T, faults map[string]any) {
	t.Helper()
	raw, err := json.Marshal(faults)
	require.NoError(t, err)
	ctx := context.WithoutCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.env["VENDOR_URL"]+"/admin/faults", bytes.NewReader(raw))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Less(t, res.StatusCode, http.StatusMultipleChoices)
}

// awaitUnanswered waits until the worker has met a vendor that does not answer: the vendor's own count
// of requests stands still while messages are pending.
func (s *system) awaitUnanswered(t *testing.T) {
	t.Helper()
	last, still := "", 0
	s.eventually(t, "the outage does not show", func() bool {
		now := s.count(t, "SELECT sum(total_sent)::text FROM campaign_stats")
		if still++; now != last {
			last, still = now, 0
		}
		const looks = 20 // a second without any progress
		return still >= looks
	})
}

// environ is this process's environment with the system's addresses.
func (s *system) environ() []string {
	env := os.Environ()
	for k, v := range s.env {
		env = append(env, k+"="+v)
	}
	return env
}

// startSecond starts another process of a role, which ends with the test.
func (s *system) startSecond(t *testing.T, role string) {
	t.Helper()
	cmd := exec.Command(s.demo.Path, role)
	cmd.Env = s.environ()
	cmd.Stdout, cmd.Stderr = s.output, s.output
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait(), "%s does not stop in an orderly way", role)
	})
}

// probe checks in every snapshot, until the test ends, that books and ledger agree.
func (s *system) probe(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			var n string
			// An error means that the database is down, which is what some tests do to it.
			if err := s.business.QueryRow(ctx, disagreements).Scan(&n); err == nil && n != "0" {
				t.Errorf("books differ from the ledger in %s campaigns", n)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}
