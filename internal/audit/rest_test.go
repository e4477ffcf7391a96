package audit_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/audit"
)

// A consumer that has just come back is not in the broker's figures at once.
func TestAConsumerThatComesBackIsNoFinding(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		away     func(look int64) bool
		violated bool
	}{
		{"ComesBack", func(look int64) bool { return look < 3 }, false},
		{"AbsenceIsToldLate", func(look int64) bool { return look == 4 }, false}, // the first after rest
		{"StaysAway", func(int64) bool { return true }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			// Long enough to find the system at rest on a busy machine; who stays away makes it wait so long again.
			w.options.Wait, w.options.Poll = 10*time.Second, 10*time.Millisecond
			var looks atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
				consumers := 1
				if tt.away(looks.Add(1)) {
					consumers = 0
				}
				queues := []map[string]any{}
				for _, name := range []string{"customer_ingestion_queue", "order_ingestion_queue", "customer_mv_queue", "message_response_queue"} {
					queues = append(queues, map[string]any{"name": name, "consumers": consumers})
				}
				_ = json.NewEncoder(out).Encode(queues)
			}))
			defer server.Close()
			w.options.RabbitManagementURL = strings.Replace(server.URL, "http://", "http://u:p@", 1)
			v, err := audit.Final(t.Context(), w.options)
			require.NoError(t, err)
			require.Empty(t, v.Stuck)
			if tt.violated {
				require.Contains(t, violated(v), "I23")
			} else {
				require.NotContains(t, violated(v), "I23")
			}
		})
	}
}
