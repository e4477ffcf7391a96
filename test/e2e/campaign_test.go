// Package e2e_test runs the whole system as its users do, through public doors only: the demo is
// started as a child process, its roles and servers are killed with -9 in mid-campaign, and the
// databases and the vendor's ledger are read to judge what became of every recipient.
package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"
)

// customers is the size of each campaign: some eight seconds of sends at the rate that a fault test asks
// for, so that a kill always lands in the middle.
const customers = 400

// TestSystem runs on one stack, one campaign after the other.
//
//nolint:paralleltest // it kills servers under itself, one after the other
func TestSystem(t *testing.T) {
	s := start(t, customers)
	t.Run("TheDemoItselfCompletes", func(t *testing.T) {
		require.Contains(t, s.log(t), "every recipient is accounted for")
		id, err := uuid.Parse(s.count(t, "SELECT campaign_id::text FROM campaigns ORDER BY created_at LIMIT 1"))
		require.NoError(t, err)
		s.requireExact(t, id)
	})
	t.Run("MasterAndProjectionAgree", s.testProjection)
	t.Run("D43OneOrderHoweverOftenItIsPosted", s.testRepeatedOrder)
	t.Run("PauseResumeAndRetryFailed", s.testControl)
	t.Run("D12RepeatedLaunchIsOneCampaign", s.testRepeatedLaunch)
	t.Run("AScheduleMakesOneCampaignByItself", s.testSchedule)
	t.Run("AVendorAtItsWorst", s.testVendorFaults)
	t.Run("TwoOfEachRole", s.testTwoOfEach)
	for _, victim := range []string{"worker", "consumer", "api", "mock-vendor", "relay", "rabbitmq", "postgres", "temporal"} {
		t.Run("Kill9"+victim, func(t *testing.T) { s.testKill(t, victim) })
	}
	t.Run("ToolsNeedNoKeyWhileAuthenticationIsOff", func(t *testing.T) {
		require.Contains(t, offered(t, s.mcpOverStdio(t, "")), "launch_campaign")
	})
	t.Run("ATestSendIsOfNoCampaign", s.testTestSend)
	t.Run("NoPersonalDataInTemporal", s.testNoPersonalData)
	t.Run("TheAuditorAgrees", s.testAuditor)
	t.Run("NothingWasQuarantined", func(t *testing.T) {
		require.Equal(t, "0", s.count(t, "SELECT count(*)::text FROM quarantine"))
	})
}

// testKill kills a process in the middle of a campaign and, for the path of ingest, in the middle of
// orders, and holds every row against what the vendor's outcome function predicts.
func (s *system) testKill(t *testing.T, victim string) {
	t.Helper()
	s.probe(t)
	id := s.launch(t, map[string]any{"rate": 100})
	s.awaitSent(t, id, customers/8)
	run := uuid.NewString()
	s.postOrders(t, run, 0, 20)
	s.kill9(t, victim)
	s.postOrders(t, run, 20, 40)
	s.awaitStatus(t, id, "COMPLETED")
	s.requireExact(t, id)
	s.eventually(t, "orders were lost or counted twice", func() bool {
		var n int
		err := s.master.QueryRow(t.Context(), "SELECT count(*) FROM orders WHERE external_id LIKE $1", run+"%").Scan(&n)
		require.True(t, err != nil || n <= 40, "%d orders of 40", n)
		return err == nil && n == 40
	})
	s.testProjection(t)
}

// postOrders posts orders from..to-1 of a run, each until it is accepted.
func (s *system) postOrders(t *testing.T, run string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		key := fmt.Sprintf("%s-%d", run, i)
		status := s.call(t, post("/orders", key, map[string]any{
			"customer_email": fmt.Sprintf("user%d@demo%d.example.com", i+1, seed), "order_amount": 12.5, "external_id": key, "order_source": "e2e",
		}), nil)
		require.Equal(t, http.StatusAccepted, status)
	}
}

// testProjection waits until the projection equals the master database, row by row.
func (s *system) testProjection(t *testing.T) {
	t.Helper()
	const fields = "customer_id::text || '/' || version || '/' || total_spend || '/' || total_visits || '/' || total_orders || '/' || status || '/' || email"
	digest := "SELECT coalesce(md5(string_agg(" + fields + ", ',' ORDER BY customer_id)), '') FROM "
	s.eventually(t, "the projection does not reach the master database", func() bool {
		var a, b string
		errA := s.master.QueryRow(t.Context(), digest+"customers").Scan(&a)
		errB := s.business.QueryRow(t.Context(), digest+"customers_mv").Scan(&b)
		return errA == nil && errB == nil && a == b && a != ""
	})
	var wrong int
	require.NoError(t, s.master.QueryRow(t.Context(), `SELECT count(*) FROM customers c LEFT JOIN (
		SELECT customer_id, sum(order_amount) s, count(*) n FROM orders WHERE order_status = 'COMPLETED' GROUP BY 1) o USING (customer_id)
		WHERE c.total_spend <> c.opening_spend + coalesce(o.s, 0) OR c.total_visits <> c.opening_visits + coalesce(o.n, 0)
		OR c.total_orders <> coalesce(o.n, 0)`).Scan(&wrong))
	require.Zero(t, wrong, "customers whose totals are not the sum of their orders")
}

func (s *system) testRepeatedOrder(t *testing.T) {
	t.Helper()
	run := uuid.NewString()
	for range 3 {
		s.postOrders(t, run, 0, 3)
	}
	count := func() (n int) {
		require.NoError(t, s.master.QueryRow(t.Context(), "SELECT count(*) FROM orders WHERE external_id LIKE $1", run+"%").Scan(&n))
		return n
	}
	s.eventually(t, "the orders do not arrive", func() bool { return count() >= 3 })
	s.testProjection(t)
	// A copy that comes later still would be found by the auditor at the end.
	require.Equal(t, 3, count())
}

func (s *system) testControl(t *testing.T) {
	t.Helper()
	s.probe(t)
	id := s.launch(t, map[string]any{"rate": 200, "max_attempts": 1})
	path := "/api/campaigns/" + id.String()
	s.awaitSent(t, id, 20)
	require.Equal(t, http.StatusOK, s.call(t, post(path+"/pause", "", map[string]any{}), nil))
	s.awaitStatus(t, id, "PAUSED")
	require.Equal(t, http.StatusOK, s.call(t, post(path+"/resume", "", map[string]any{}), nil))
	s.awaitStatus(t, id, "COMPLETED")
	failed := s.count(t, "SELECT count(*)::text FROM communication_log WHERE campaign_id = $1 AND failure_code IN ('RATE_LIMITED', 'TEMPORARY_FAILURE', 'QUOTA_EXCEEDED')", id)
	require.NotEqual(t, "0", failed, "with one attempt some refusals are final")
	require.Equal(t, http.StatusConflict, s.call(t, post(path+"/pause", "", map[string]any{}), nil), "an ended campaign cannot be paused")
	require.Less(t, s.call(t, post(path+"/retry-failed", "", map[string]any{}), nil), http.StatusMultipleChoices)
	s.eventually(t, "the second round does not end", func() bool {
		return s.count(t, "SELECT round || status FROM campaigns WHERE campaign_id = $1", id) == "1COMPLETED"
	})
	require.Equal(t, "0", s.count(t, disagreements))
	require.Equal(t, failed, s.count(t, "SELECT count(*)::text FROM communication_log WHERE campaign_id = $1 AND attempts = 2", id))
	s.requireOneDeliveryEach(t)
}

func (s *system) testRepeatedLaunch(t *testing.T) {
	t.Helper()
	key, segment := uuid.NewString(), s.segment(t)
	ids := map[string]bool{}
	for range 3 {
		var got struct {
			Data struct {
				CampaignID string `json:"campaign_id"`
			} `json:"data"`
		}
		require.Equal(t, http.StatusCreated, s.call(t, post("/api/campaigns", key, map[string]any{
			"name": "once", "segment_id": segment, "message_template": "Hi", "created_by": "e2e",
		}), &got))
		ids[got.Data.CampaignID] = true
	}
	require.Len(t, ids, 1)
	for id := range ids {
		s.awaitStatus(t, uuid.MustParse(id), "COMPLETED")
	}
}

// testVendorFaults runs a campaign against a vendor that loses answers, answers garbage, fails before
// and after accepting, and sends every receipt three times in random order: the outcome is the same.
func (s *system) testVendorFaults(t *testing.T) {
	t.Helper()
	s.probe(t)
	s.faults(t, map[string]any{
		"error_before": 0.1, "error_after": 0.1, "drop_after": 0.1, "garbage": 0.1, "receipt_copies": 3, "shuffle_receipts": true,
	})
	t.Cleanup(func() { s.faults(t, map[string]any{}) })
	id := s.launch(t, map[string]any{"rate": 100})
	s.awaitSent(t, id, customers/4)
	s.faults(t, map[string]any{"outage": "close"})
	s.awaitUnanswered(t)
	s.faults(t, map[string]any{"receipt_first": true, "receipt_copies": 3})
	s.awaitStatus(t, id, "COMPLETED")
	s.requireExact(t, id)
}

// testTwoOfEach runs a second worker, consumer and relay beside the demo's.
func (s *system) testTwoOfEach(t *testing.T) {
	t.Helper()
	s.probe(t)
	for _, role := range []string{"worker", "consumer", "relay"} {
		s.startSecond(t, role)
	}
	id := s.launch(t, map[string]any{"rate": 200})
	run := uuid.NewString()
	s.postOrders(t, run, 0, 40)
	s.awaitStatus(t, id, "COMPLETED")
	s.requireExact(t, id)
	s.testProjection(t)
}

// testAuditor has the independent auditor judge everything that happened, with all the evidence.
func (s *system) testAuditor(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.demo.Path, "check", "--require-all", "--wait=60s")
	cmd.Env = append(s.environ(), "VENDOR_LEDGER="+filepath.Join(s.dir, "vendor", "ledger.db"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "verdict: holds")
}

// testNoPersonalData looks for customers and message text in the histories of every workflow that ran.
func (s *system) testNoPersonalData(t *testing.T) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.env["TEMPORAL_ADDRESS"]})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	canaries := []string{"example.com", "Hi ", "₹", "+9198"}
	var names string
	require.NoError(t, s.master.QueryRow(t.Context(), "SELECT string_agg(DISTINCT split_part(name, ' ', 2), ',') FROM customers").Scan(&names))
	canaries = append(canaries, strings.Split(names, ",")...)
	seen := 0
	var token []byte
	for {
		page, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{NextPageToken: token})
		require.NoError(t, err)
		for _, w := range page.GetExecutions() {
			events := c.GetWorkflowHistory(t.Context(), w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				e, err := events.Next()
				require.NoError(t, err)
				raw, err := proto.Marshal(e)
				require.NoError(t, err)
				for _, canary := range canaries {
					require.False(t, bytes.Contains(raw, []byte(canary)), "%q in event %d of %s", canary, e.GetEventId(), w.GetExecution().GetWorkflowId())
				}
			}
			require.Less(t, w.GetHistoryLength(), int64(5000))
			seen++
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	require.GreaterOrEqual(t, seen, 12)
}

// testTestSend sends one message to look at it. That its receipt was not taken for a stranger's, and the
// vendor's entry not for a ghost, is judged below.
func (s *system) testTestSend(t *testing.T) {
	t.Helper()
	var got struct {
		Data struct {
			ID       string `json:"communication_id"`
			Accepted bool   `json:"accepted"`
			Message  string `json:"message"`
		} `json:"data"`
	}
	s.eventually(t, "the vendor accepts no test", func() bool {
		status := s.call(t, post("/api/campaigns/test-send", uuid.NewString(), map[string]any{
			"message_template": "Hi {{ name }}", "email": "marketer@shop.example.com",
		}), &got)
		require.Equal(t, http.StatusOK, status)
		return got.Data.Accepted
	})
	require.Equal(t, "Hi Asha Rao", got.Data.Message)
	s.eventually(t, "its receipt does not come", func() bool {
		return s.count(t, "SELECT count(*)::text FROM test_sends WHERE communication_id::text = $1 AND delivered IS NOT NULL", got.Data.ID) == "1"
	})
}
