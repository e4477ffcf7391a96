package api

import (
	"log/slog"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/xencrm/xencrm/internal/auth"
)

// contractVersion is the version of the API, not of the build: it rises when a client can tell.
const contractVersion = "1.0.0"

// routes is what the route table is written on.
type routes struct {
	api           huma.API
	log           *slog.Logger
	problemSchema *huma.Schema
}

// New makes the handler of the whole API. It assumes that d.Validate found nothing; with an
// unusable webhook secret it refuses every receipt.
func New(d Deps) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	// gin believes X-Forwarded-For from anyone unless told otherwise; nil cannot be refused.
	_ = engine.SetTrustedProxies(nil)

	// The order matters: a panic has a request id and a log line, and a refusal has the headers.
	engine.Use(nameRequest, logRequests(d.Logger), secureHeaders, recoverPanics(d.Logger), checkRequest)
	engine.NoRoute(func(c *gin.Context) {
		abort(c, newProblem(http.StatusNotFound, typeNotFound, "There is no such route"))
	})
	engine.NoMethod(func(c *gin.Context) {
		abort(c, newProblem(http.StatusMethodNotAllowed, typeMethod, "The route does not take this method; see Allow"))
	})

	config := huma.DefaultConfig("XenCRM", contractVersion)
	config.CreateHooks = nil // they would put $schema into every body
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.Formats = map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer":  {Type: "http", Scheme: "bearer", Description: "An API key, or an ID token of the configured issuer."},
		"session": {Type: "apiKey", In: "cookie", Name: auth.SessionCookie, Description: "A browser that has signed in."},
	}
	r := &routes{api: humagin.New(engine, config), log: d.Logger}
	r.problemSchema = config.Components.Schemas.Schema(reflect.TypeFor[problem](), true, "")
	g := newGate(r, d)
	r.api.UseMiddleware(g.middleware, takeBody, repeats{r, d.Repeats}.middleware)
	r.table(d)
	g.serveLogin(engine)
	g.serveMCP(engine, d.MCP)
	r.serveUnsubscribe(engine, d.Suppressions)
	r.serveDocument(engine)
	return shareWith(d.Access.Origins, engine)
}

// table is every route there is, beside the document itself and the links in messages; words.go says
// what each is for.
func (r *routes) table(d Deps) {
	h := health{d}
	add(r, get("/health", "health"), h.report)
	add(r, get("/healthz", "alive"), h.alive)
	add(r, get("/readyz", "ready"), h.ready)

	i := ingest{d.Customers}
	add(r, post("/customers", "postCustomer").gives(http.StatusAccepted).upTo(maxIngestBody), i.customer)
	add(r, post("/orders", "postOrder").gives(http.StatusAccepted).upTo(maxIngestBody), i.order)
	add(r, post("/receipts", "postReceipts").gives(http.StatusAccepted), newReceipts(d).take)

	r.people(d)
	r.drafts(d)
	r.schedules(d)
	r.files(d)
	r.ledger(d)

	s := segments{d.Segments}
	add(r, get("/api/segments", "listSegments"), s.list)
	add(r, post("/api/segments", "createSegment").gives(http.StatusCreated), s.create)
	add(r, post("/api/segments/preview", "countAudience"), s.count)
	add(r, get("/api/segments/preview", "sampleAudience"), s.sample)
	add(r, get("/api/segments/{segmentId}", "getSegment"), s.get)
	add(r, put("/api/segments/{segmentId}", "updateSegment"), s.update)
	add(r, del("/api/segments/{segmentId}", "deleteSegment"), s.remove)

	c := campaigns{d.Campaigns}
	add(r, get("/api/campaigns", "listCampaigns"), c.list)
	add(r, post("/api/campaigns", "createCampaign").gives(http.StatusCreated), c.create)
	add(r, get("/api/campaigns/{id}", "getCampaign"), c.get)
	add(r, get("/api/campaigns/{id}/progress", "getProgress"), c.steer(d.Campaigns.Progress))
	add(r, post("/api/campaigns/{id}/pause", "pauseCampaign"), c.steer(d.Campaigns.Pause))
	add(r, post("/api/campaigns/{id}/resume", "resumeCampaign"), c.steer(d.Campaigns.Resume))
	add(r, post("/api/campaigns/{id}/cancel", "cancelCampaign"), c.steer(d.Campaigns.Cancel))
	add(r, post("/api/campaigns/{id}/rate", "setRate"), c.setRate)
	add(r, post("/api/campaigns/{id}/retry-failed", "retryFailed"), c.retryFailed)

	k := keys{d.Keys}
	add(r, get(keysPath, "listKeys"), k.list)
	add(r, post(keysPath, "createKey").gives(http.StatusCreated), k.create)
	add(r, del(keysPath+"/{keyId}", "revokeKey"), k.revoke)
	add(r, get("/api/audit", "listAuditLog"), auditLog{d.AuditLog}.list)
	add(r, get("/api/me", "whoAmI"), whoAmI)

	f := figures{d.Campaigns, d.Dashboard}
	add(r, get("/api/campaignstats", "campaignStats"), f.campaignStats)
	add(r, get("/api/dashapi", "dashboard"), f.dashboardRows)
}

// drafts are the routes of campaigns before their launch.
func (r *routes) drafts(d Deps) {
	f := drafts{d.Campaigns}
	add(r, post("/api/campaigns/dry-run", "dryRun"), f.dryRun)
	add(r, post("/api/campaigns/test-send", "testSend"), testSends{d.TestSends}.send)
	add(r, patch("/api/campaigns/{id}", "editCampaign"), f.edit)
	add(r, del("/api/campaigns/{id}", "deleteCampaign"), f.remove)
	add(r, post("/api/campaigns/{id}/launch", "launchCampaign"), f.launch)
	add(r, post("/api/campaigns/{id}/duplicate", "duplicateCampaign").gives(http.StatusCreated), f.duplicate)
}

// schedules are the routes of campaigns that come again.
func (r *routes) schedules(d Deps) {
	s := schedules{d.Schedules}
	add(r, get("/api/schedules", "listSchedules"), s.list)
	add(r, post("/api/schedules", "createSchedule").gives(http.StatusCreated), s.create)
	add(r, get("/api/schedules/{id}", "getSchedule"), s.get)
	add(r, put("/api/schedules/{id}", "replaceSchedule"), s.replace)
	add(r, del("/api/schedules/{id}", "deleteSchedule"), s.remove)
	add(r, post("/api/schedules/{id}/pause", "pauseSchedule"), s.turn(d.Schedules.Pause))
	add(r, post("/api/schedules/{id}/resume", "resumeSchedule"), s.turn(d.Schedules.Resume))
	add(r, post("/api/schedules/{id}/trigger", "triggerSchedule").gives(http.StatusCreated), s.trigger)
}

// files are the routes of customers by the file.
func (r *routes) files(d Deps) {
	i := imports{d.Imports}
	add(r, post("/api/customers/import", "importCustomers").gives(http.StatusAccepted), i.take)
	add(r, get("/api/imports/{id}", "getImport"), i.get)
	add(r, get("/api/imports/{id}/errors", "listImportErrors"), i.errors)
	add(r, get("/api/customers/export", "exportCustomers"), exports{d.Records, r}.customers)
}

// ledger are the routes that show what became of a campaign's recipients.
func (r *routes) ledger(d Deps) {
	m := messages{d.Ledger}
	add(r, get("/api/campaigns/{id}/messages", "listMessages"), m.list)
	add(r, get("/api/campaigns/{id}/messages/{ref}", "getMessage"), m.get)

	const file, live = "/api/campaigns/{id}/messages.csv", "/api/campaigns/{id}/events"
	add(r, get(file, "exportMessages"), export{d.Ledger, r.log}.get)
	r.describeStream(file, "text/csv", "All messages, in the columns of the list's members. "+
		"A file that is cut off is not whole.", &huma.Schema{Type: huma.TypeString})
	add(r, get(live, "followCampaign"), events{newWatches(d.Campaigns.Get, r.log)}.get)
	r.describeStream(live, "text/event-stream", "Server-sent events: `progress` when status or books have changed, once a second "+
		"at most, with the books' revision as its id; at last `end`, after which a client should close. "+
		"The schema is that of an event's data.", r.schemaOf(reflect.TypeFor[eventView]()))
}

// people are the routes of those who are written to, and of those who are not.
func (r *routes) people(d Deps) {
	p := customers{d.Records}
	add(r, get("/api/customers", "listCustomers"), p.list)
	add(r, get("/api/customers/{id}", "getCustomer"), p.get)
	add(r, patch("/api/customers/{id}", "editCustomer"), p.edit)
	add(r, post("/api/customers/{id}/deactivate", "deactivateCustomer"), p.deactivate)
	add(r, del("/api/customers/{id}", "eraseCustomer"), p.erase)

	o := orders{d.Orders}
	add(r, get("/api/orders", "listOrders"), o.list)
	add(r, get("/api/orders/{id}", "getOrder"), o.get)
	add(r, patch("/api/orders/{id}", "moveOrder"), o.move)

	n := suppressions{d.Suppressions}
	add(r, get("/api/suppressions", "listSuppressions"), n.list)
	add(r, post("/api/suppressions", "addSuppression").gives(http.StatusCreated), n.add)
	add(r, del("/api/suppressions", "removeSuppression"), n.remove)
}
