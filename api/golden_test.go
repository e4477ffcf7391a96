package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

const (
	someRules   = `[{"id":"group_1757_a","operator":"AND","rules":[{"id":"rule_1757_b","field":"total_spend","operator":">","value":5000}]}]`
	segmentJSON = `{"name":"Big spenders","description":"spent a lot","rules":` + someRules + `}`
	order       = `{"customer_email":"asha@shop.in","order_amount":499.90}`
	draft       = `{"name":"Diwali","segment_id":"0197E5B5-1111-7A64-8A3C-3A5EF2C43A11","message_template":"Hi {{name}}","campaign_type":"NEWSLETTER","created_by":"asha@shop.in"}`
)

func aSegment() campaign.Segment {
	return campaign.Segment{
		ID: segmentID, Name: "Big spenders", Description: new("spent a lot"), Rules: json.RawMessage(someRules),
		PreviewCount: new(42), Version: 1, CreatedBy: "anonymous", CreatedAt: now,
		// PostgreSQL gives times in the session's zone.
		UpdatedAt: now.In(time.FixedZone("IST", 19800)),
	}
}

func aCampaign() campaign.Campaign {
	return campaign.Campaign{
		ID: campaignID, SegmentID: segmentID, SegmentName: "Big spenders", Name: `Diwali & "friends"`,
		MessageTemplate: "Hi {{name}} <b>", Type: campaign.Promotional, Status: campaign.Completed, TargetCount: 40,
		FanOut: campaign.PerCustomer, Rate: 12.5, MaxAttempts: 3, WorkflowID: "campaign-" + campaignID.String(), CreatedBy: "asha@shop.in",
		CreatedAt: now, UpdatedAt: now, StartedAt: new(now), FinishedAt: new(now.Add(time.Minute)),
		Stats: &campaign.Stats{
			Totals:       campaign.Totals{Audience: 40, Delivered: 35, Failed: 2, Skipped: 2, InFlight: 1, Sent: 38, Revision: 9},
			DeliveryRate: decimal.RequireFromString("92.10"), LastUpdated: now,
		},
	}
}

func aDraft() campaign.Campaign {
	c := aCampaign()
	c.Status, c.Stats, c.StartedAt, c.FinishedAt, c.TargetCount = campaign.Draft, nil, nil, nil, 0
	return c
}

func aProgress() campaign.Progress {
	return campaign.Progress{Phase: "sending", Rate: 12.5, Totals: aCampaign().Stats.Totals}
}

// always gives fakes whose every method succeeds.
func always(b *bundle) {
	b.customers.acceptCustomer = func(context.Context, []byte, string) (customer.AcceptedCustomer, error) {
		return customer.AcceptedCustomer{Email: "asha@shop.in", Name: "Asha"}, nil
	}
	b.customers.acceptOrder = func(context.Context, []byte, string) (customer.AcceptedOrder, error) {
		return customer.AcceptedOrder{
			CustomerEmail: "asha@shop.in", OrderAmount: decimal.RequireFromString("499.90"), OrderStatus: "COMPLETED",
		}, nil
	}
	alwaysRecords(b)
	alwaysImports(b)
	alwaysSuppressions(b)
	alwaysLedger(b)
	b.segments.create = func(context.Context, campaign.SegmentInput) (campaign.Segment, error) { return aSegment(), nil }
	b.segments.update = func(context.Context, uuid.UUID, campaign.SegmentInput) (campaign.Segment, error) {
		return aSegment(), nil
	}
	b.segments.remove = func(context.Context, uuid.UUID) ([]campaign.Ref, error) { return nil, nil }
	b.segments.get = func(context.Context, uuid.UUID) (campaign.Segment, error) { return aSegment(), nil }
	b.segments.list = func(context.Context) ([]campaign.Segment, error) {
		bare := aSegment()
		bare.Description, bare.PreviewCount = nil, nil
		return []campaign.Segment{aSegment(), bare}, nil
	}
	b.segments.count = func(context.Context, json.RawMessage) (int, error) { return 42, nil }
	b.segments.sample = func(context.Context, json.RawMessage, int) ([]campaign.SampleCustomer, error) {
		return []campaign.SampleCustomer{
			{
				ID: segmentID, Name: new("Asha"), Email: new("asha@shop.in"), TotalSpend: decimal.RequireFromString("5000.00"),
				TotalVisits: 7, TotalOrders: 3, Status: "ACTIVE", DaysSinceLastOrder: new(12),
			},
			{ID: campaignID, Status: "INACTIVE"},
		}, nil
	}
	b.campaigns.create = func(context.Context, campaign.CreateInput) (campaign.Campaign, error) {
		c := aCampaign()
		c.Status = campaign.Active
		return c, nil
	}
	b.campaigns.get = func(context.Context, uuid.UUID) (campaign.Campaign, error) { return aCampaign(), nil }
	alwaysDrafts(b)
	alwaysSchedules(b)
	b.testSends.send = func(context.Context, campaign.TestInput) (campaign.TestSend, error) { return aTestSend(), nil }
	b.campaigns.list = func(context.Context, campaign.PageRequest) (campaign.Page[campaign.Campaign], error) {
		return campaign.Page[campaign.Campaign]{Items: []campaign.Campaign{aCampaign(), aDraft()}, Total: 12}, nil
	}
	b.campaigns.listAfter = func(context.Context, cursor.Position, int) (cursor.Page[campaign.Campaign], error) {
		return cursor.Page[campaign.Campaign]{Items: []campaign.Campaign{aDraft()}}, nil
	}
	b.segments.listAfter = func(context.Context, cursor.Position, int) (cursor.Page[campaign.Segment], error) {
		return cursor.Page[campaign.Segment]{Items: []campaign.Segment{aSegment()}, Next: aSegment().Position()}, nil
	}
	b.campaigns.recent = func(context.Context, int) ([]campaign.Campaign, error) {
		return []campaign.Campaign{aCampaign(), aDraft()}, nil
	}
	b.campaigns.steer = func(context.Context, string, uuid.UUID) (campaign.Progress, error) { return aProgress(), nil }
	b.campaigns.setRate = func(context.Context, uuid.UUID, float64) (campaign.Progress, error) { return aProgress(), nil }
	b.campaigns.retryFailed = func(context.Context, uuid.UUID) (campaign.Campaign, int, error) { return aCampaign(), 2, nil }
	b.dashboard.rows = func(context.Context, campaign.PageRequest) (campaign.Page[campaign.DashboardRow], error) {
		return campaign.Page[campaign.DashboardRow]{Total: 11, Items: []campaign.DashboardRow{
			{Name: "Asha", Email: "asha@shop.in", TotalSpend: "1234.5", TotalOrders: 3, TotalVisits: 7, Status: "ACTIVE"},
			{TotalSpend: "0", Status: "INACTIVE"},
		}}, nil
	}
	b.publisher.publish = func(context.Context, []event.Receipt) error { return nil }
}

func TestGoldenSuccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	segmentPath, campaignPath := "/api/segments/"+segmentID.String(), "/api/campaigns/"+campaignID.String()
	customerPath, schedulePath := "/api/customers/"+customerID.String(), "/api/schedules/"+scheduleID.String()
	tests := []struct{ name, method, target, body string }{
		{"health", http.MethodGet, "/health", ""},
		{"healthz", http.MethodGet, "/healthz", ""},
		{"readyz", http.MethodGet, "/readyz", ""},
		{"customers_post", http.MethodPost, "/customers", `{"name":"Asha","email":"asha@shop.in"}`},
		{"orders_post", http.MethodPost, "/orders", order},
		{"customers_list", http.MethodGet, "/api/customers?limit=2&sort=name", ""},
		{"customers_get", http.MethodGet, customerPath, ""},
		{"customers_deactivate", http.MethodPost, customerPath + "/deactivate", ""},
		{"customers_erase", http.MethodDelete, customerPath, ""},
		{"imports_get", http.MethodGet, "/api/imports/" + importID.String(), ""},
		{"imports_errors", http.MethodGet, "/api/imports/" + importID.String() + "/errors?limit=2", ""},
		{"orders_list", http.MethodGet, "/api/orders?status=COMPLETED&customer_id=" + customerID.String(), ""},
		{"orders_get", http.MethodGet, "/api/orders/" + orderID.String(), ""},
		{"orders_move", http.MethodPatch, "/api/orders/" + orderID.String(), `{"order_status":"REFUNDED"}`},
		{"suppressions_list", http.MethodGet, "/api/suppressions?reason=BOUNCED", ""},
		{"suppressions_add", http.MethodPost, "/api/suppressions", `{"email":"Asha@Shop.in","reason":"BOUNCED"}`},
		{"suppressions_remove", http.MethodDelete, "/api/suppressions?email=asha%2B1%40shop.in", ""},
		{"segments_list", http.MethodGet, "/api/segments", ""},
		{"segments_create", http.MethodPost, "/api/segments", segmentJSON},
		{"segments_get", http.MethodGet, segmentPath, ""},
		{"segments_update", http.MethodPut, segmentPath, segmentJSON},
		{"segments_delete", http.MethodDelete, segmentPath, ""},
		{"preview_count", http.MethodPost, "/api/segments/preview", `{"rules":` + someRules + `}`},
		{"preview_count_empty", http.MethodPost, "/api/segments/preview", `{"rules":[ ]}`},
		{"preview_sample", http.MethodGet, "/api/segments/preview?limit=1000&rules=%5B%7B%22a%22%3A%22100%25%22%7D%5D", ""},
		{"preview_sample_empty", http.MethodGet, "/api/segments/preview?rules=%5B%5D", ""},
		{"campaigns_create", http.MethodPost, "/api/campaigns", draft},
		{"campaigns_list", http.MethodGet, "/api/campaigns?page=2&limit=5", ""},
		{"campaigns_list_cursor", http.MethodGet, "/api/campaigns?cursor=" + cursor.Encode(aCampaign().Position(), "campaigns"), ""},
		{"segments_list_limit", http.MethodGet, "/api/segments?limit=1", ""},
		{"campaigns_get", http.MethodGet, campaignPath, ""},
		{"campaigns_progress", http.MethodGet, campaignPath + "/progress", ""},
		{"campaigns_dry_run", http.MethodPost, "/api/campaigns/dry-run", draft},
		{"campaigns_duplicate", http.MethodPost, campaignPath + "/duplicate", ""},
		{"campaigns_delete", http.MethodDelete, campaignPath, ""},
		{"campaigns_launch", http.MethodPost, campaignPath + "/launch", ""},
		{"campaigns_pause", http.MethodPost, campaignPath + "/pause", ""},
		{"campaigns_resume", http.MethodPost, campaignPath + "/resume", ""},
		{"campaigns_cancel", http.MethodPost, campaignPath + "/cancel", ""},
		{"campaigns_rate", http.MethodPost, campaignPath + "/rate", `{"rate":12.5}`},
		{"campaigns_retry_failed", http.MethodPost, campaignPath + "/retry-failed", ""},
		{"campaigns_test_send", http.MethodPost, "/api/campaigns/test-send", `{"message_template":"Hi {{ name }}","email":"asha@shop.in"}`},
		{"schedules_list", http.MethodGet, "/api/schedules?limit=1", ""},
		{"schedules_create", http.MethodPost, "/api/schedules", scheduleJSON},
		{"schedules_get", http.MethodGet, schedulePath, ""},
		{"schedules_pause", http.MethodPost, schedulePath + "/pause", ""},
		{"schedules_delete", http.MethodDelete, schedulePath, ""},
		{"schedules_trigger", http.MethodPost, schedulePath + "/trigger", ""},
		{"messages_list", http.MethodGet, campaignPath + "/messages?limit=2&status=FAILED,PENDING", ""},
		{"messages_get", http.MethodGet, campaignPath + "/messages/" + customerID.String(), ""},
		{"campaignstats", http.MethodGet, "/api/campaignstats", ""},
		{"dashapi", http.MethodGet, "/api/dashapi", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			golden(t, tt.name, b.call(t, tt.method, tt.target, tt.body))
		})
	}
	t.Run("receipts_post", func(t *testing.T) {
		t.Parallel()
		golden(t, "receipts_post", b.postReceipts(t, `{"receipts":[`+delivered+`]}`, now))
	})
}

func TestGoldenEmptyLists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.segments.list = func(context.Context) ([]campaign.Segment, error) { return nil, nil }
	b.campaigns.recent = func(context.Context, int) ([]campaign.Campaign, error) { return nil, nil }
	b.dashboard.rows = func(context.Context, campaign.PageRequest) (campaign.Page[campaign.DashboardRow], error) {
		return campaign.Page[campaign.DashboardRow]{}, nil
	}
	golden(t, "segments_list_empty", b.call(t, http.MethodGet, "/api/segments", ""))
	golden(t, "campaignstats_empty", b.call(t, http.MethodGet, "/api/campaignstats", ""))
	golden(t, "dashapi_empty", b.call(t, http.MethodGet, "/api/dashapi", ""))
}

// TestGoldenFailure has one body for each way to fail in the reference's own words.
func TestGoldenFailure(t *testing.T) {
	t.Parallel()
	segmentPath := "/api/segments/" + segmentID.String()
	inside := errors.New("pq: SQLSTATE 42P01 secret-inside db/x.go:12")
	tests := []struct {
		name, method, target, body string
		arrange                    func(b *bundle)
	}{
		{"fail_unknown_route", http.MethodGet, "/nope", "", nil},
		{"fail_method", http.MethodPatch, "/api/segments", "", nil},
		{"fail_segment_name", http.MethodPost, "/api/segments", `{"name":"  ","rules":[]}`, nil},
		{"fail_segment_rules", http.MethodPost, "/api/segments", `{"name":"x","rules":[]}`, nil},
		{"fail_segment_malformed_id", http.MethodGet, "/api/segments/nope", "", nil},
		{"fail_preview_rules", http.MethodPost, "/api/segments/preview", `{}`, nil},
		{"fail_preview_sample_missing", http.MethodGet, "/api/segments/preview", "", nil},
		{"fail_preview_sample_format", http.MethodGet, "/api/segments/preview?rules=%5B", "", nil},
		{"fail_campaign_missing", http.MethodPost, "/api/campaigns", `{"name":"x"}`, nil},
		{"fail_campaign_segment_id", http.MethodPost, "/api/campaigns", `{"name":"x","segment_id":"y","message_template":"z"}`, nil},
		{"fail_paging", http.MethodGet, "/api/dashapi?limit=abc", "", nil},
		{"fail_malformed", http.MethodPost, "/api/segments", `{"Name":"x","name":1,"name":2}`, nil},
		{"fail_preview_configuration", http.MethodPost, "/api/segments/preview", `{"rules":[{}]}`, func(b *bundle) {
			b.segments.count = func(context.Context, json.RawMessage) (int, error) { return 0, badField() }
		}},
		{"fail_segment_configuration", http.MethodPost, "/api/segments", `{"name":"x","rules":[{}]}`, func(b *bundle) {
			b.segments.create = func(context.Context, campaign.SegmentInput) (campaign.Segment, error) {
				return campaign.Segment{}, badField()
			}
		}},
		{"fail_segment_not_found", http.MethodGet, segmentPath, "", func(b *bundle) {
			b.segments.get = func(context.Context, uuid.UUID) (campaign.Segment, error) {
				return campaign.Segment{}, errs.Wrap(errs.NotFound, inside, "Segment not found")
			}
		}},
		{"fail_segment_in_use", http.MethodDelete, segmentPath, "", func(b *bundle) {
			b.segments.remove = func(context.Context, uuid.UUID) ([]campaign.Ref, error) {
				return []campaign.Ref{{ID: campaignID, Name: "Diwali"}},
					errs.Errorf(errs.Conflict, "Cannot delete segment. It is being used by 1 campaign(s)")
			}
		}},
		{"fail_internal", http.MethodGet, "/api/segments", "", func(b *bundle) {
			b.segments.list = func(context.Context) ([]campaign.Segment, error) { return nil, inside }
		}},
		{"fail_panic", http.MethodGet, "/api/campaignstats", "", nil},
		{"fail_unavailable", http.MethodPost, "/orders", order, func(b *bundle) {
			b.customers.acceptOrder = func(context.Context, []byte, string) (customer.AcceptedOrder, error) {
				return customer.AcceptedOrder{}, errs.Wrap(errs.Unavailable, inside, "the message broker is away")
			}
		}},
		{"fail_outcome_unknown", http.MethodPost, "/orders", order, func(b *bundle) {
			b.customers.acceptOrder = func(context.Context, []byte, string) (customer.AcceptedOrder, error) {
				return customer.AcceptedOrder{}, errs.Wrap(errs.Unknown, inside, "the broker did not confirm in time")
			}
		}},
		{"fail_order_customer", http.MethodPost, "/orders", order, func(b *bundle) {
			b.customers.acceptOrder = func(context.Context, []byte, string) (customer.AcceptedOrder, error) {
				return customer.AcceptedOrder{}, errs.Errorf(errs.NotFound, "customer not found")
			}
		}},
		{"fail_customer_validation", http.MethodPost, "/customers", `{"phone":""}`, withRealCustomers},
		{"fail_customer_array", http.MethodPost, "/customers", `[]`, withRealCustomers},
		{"fail_customer_malformed", http.MethodPost, "/customers", `{"name":`, withRealCustomers},
		{"fail_order_validation", http.MethodPost, "/orders", `{"customer_email":"a@b.in","order_amount":0,"x":1}`, withRealCustomers},
		{"fail_readyz", http.MethodGet, "/readyz", "", func(b *bundle) {
			b.readiness["rabbitmq"] = func(context.Context) error { return inside }
		}},
		{"fail_health", http.MethodGet, "/health", "", func(b *bundle) {
			b.readiness["rabbitmq"] = func(context.Context) error { return inside }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if tt.arrange != nil {
				tt.arrange(b)
			}
			golden(t, tt.name, b.call(t, tt.method, tt.target, tt.body))
		})
	}
}

// withRealCustomers puts the real service over nothing: what it refuses needs no broker (D51).
func withRealCustomers(b *bundle) {
	s := customer.NewService(nil, nil, clock, testLogger(b))
	b.customers.acceptCustomer, b.customers.acceptOrder = s.AcceptCustomer, s.AcceptOrder
}

// badField is what the segment package says of an unknown field.
func badField() error {
	return errs.InvalidFields("segment rules are not valid: /0/rules/0/field must be one of total_spend",
		[]errs.Field{{Pointer: "/0/rules/0/field", Message: "must be one of total_spend"}})
}
