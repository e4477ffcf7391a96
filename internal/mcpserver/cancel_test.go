package mcpserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/campaign"
)

// slowCampaigns look a campaign up until they are told to be done, or their caller has gone.
type slowCampaigns struct {
	Campaigns

	begun, done chan struct{}
}

func (s slowCampaigns) Get(ctx context.Context, id uuid.UUID) (campaign.Campaign, error) {
	s.begun <- struct{}{}
	select {
	case <-s.done:
		return campaign.Campaign{ID: id, Name: "found"}, nil
	case <-ctx.Done():
		return campaign.Campaign{}, ctx.Err()
	}
}

// silentAudit writes nothing down.
type silentAudit struct{ auth.AuditWriter }

func (silentAudit) BeginEntry(context.Context, auth.Entry) (int64, error) { return 1, nil }
func (silentAudit) EndEntry(context.Context, int64, int) error            { return nil }

// TestNobodyCancelsTheCallOfAnother has two callers number their calls from one, as every client does.
func TestNobodyCancelsTheCallOfAnother(t *testing.T) {
	t.Parallel()
	post := func(s *Server, body string, more ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(auth.WithPrincipal(t.Context(), auth.Anonymous()), http.MethodPost, "/mcp", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for _, header := range more {
			name, value, _ := strings.Cut(header, ": ")
			r.Header.Set(name, value)
		}
		out := httptest.NewRecorder()
		s.ServeHTTP(out, r)
		return out
	}

	const modern = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	tests := []struct {
		name, meta string
		headers    []string
	}{
		{"InSessions", `"_meta":{}`, nil},
		{"Without", modern, []string{"Mcp-Protocol-Version: 2026-07-28", "Mcp-Name: get_campaign_stats"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			slow := slowCampaigns{begun: make(chan struct{}), done: make(chan struct{})}
			s := New(Deps{Campaigns: slow, Audit: silentAudit{}, RequestID: func(context.Context) string { return "" }})
			answer := make(chan string, 1)
			go func() {
				body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_campaign_stats","arguments":{"campaign_id":"` +
					uuid.NewString() + `"},` + tt.meta + `}}`
				answer <- post(s, body, append(tt.headers, "Mcp-Method: tools/call")...).Body.String()
			}()
			<-slow.begun
			cancel := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,` + tt.meta + `}}`
			require.Equal(t, http.StatusAccepted, post(s, cancel, append(tt.headers, "Mcp-Method: notifications/cancelled")...).Code)
			select {
			case slow.done <- struct{}{}:
			case got := <-answer:
				require.Fail(t, "the call of somebody else has ended", got)
			}
			require.Contains(t, <-answer, `"found"`)
		})
	}
}
