// Package config is what each role can be told, by flag or by environment variable. It is the only
// package whose declarations name the environment; nothing is read after start-up.
package config

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// Env is what every role shares.
type Env struct {
	Environment string `name:"env" env:"XENCRM_ENV" default:"development" enum:"development,production" help:"production refuses whatever is only safe on one machine (${enum})."`
	// GCPercent trades memory for time: the live heap of every role is a few tens of MB, so that Go's
	// default of 100 collects it many times a second.
	GCPercent int    `name:"gc-percent" env:"GOGC" default:"200" help:"Growth of the heap between collections, percent."`
	LogLevel  string `env:"XENCRM_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged (${enum})."`
	// Failpoints turns crash points on; see internal/failpoint.
	Failpoints string `env:"XENCRM_FAILPOINTS" placeholder:"DIR" help:"Directory in which a test plans crashes of this process; refused in production."`
}

// Production reports whether the role serves real people.
func (e Env) Production() bool { return e.Environment == "production" }

// Master is the system of record of customers and orders.
type Master struct {
	MasterURL string `name:"customer-database-url" env:"CUSTOMER_DATABASE_URL" placeholder:"postgres://…" help:"Master database: customers and orders."`
}

// Business is the database of segments, campaigns and messages.
type Business struct {
	BusinessURL string `name:"campaign-database-url" env:"CAMPAIGN_DATABASE_URL" placeholder:"postgres://…" help:"Business database: segments, campaigns, messages."`
}

// Rabbit is the message broker.
type Rabbit struct {
	RabbitURL string `name:"rabbitmq-url" env:"RABBITMQ_URL,RabbitMQ_URL" placeholder:"amqp://…" help:"RabbitMQ."`
}

// Temporal is the workflow engine.
type Temporal struct {
	TemporalAddress   string `env:"TEMPORAL_ADDRESS" default:"127.0.0.1:7233" help:"Temporal frontend, host:port."`
	TemporalNamespace string `env:"TEMPORAL_NAMESPACE" default:"default" help:"Temporal namespace."`
}

// Webhook is the secret that the vendor signs receipts with.
type Webhook struct {
	WebhookSecret string `env:"XENCRM_WEBHOOK_SECRET" placeholder:"whsec_…" help:"Secret that receipts are signed with (Standard Webhooks)."`
}

// Links are the links in messages: the worker makes them and the API reads them, so both are told the
// same.
type Links struct {
	PublicURL  string `env:"XENCRM_PUBLIC_URL" placeholder:"https://…" help:"Address under which recipients reach the API; http://127.0.0.1:8080 in development."`
	LinkSecret string `env:"XENCRM_LINK_SECRET" help:"Secret that signs the unsubscribe links of messages, 32 characters or more. A new one invalidates the links in messages that were sent."`
}

// FanOut is how campaigns that leave it open are dispatched: the worker does it and the API foretells it,
// so both are told the same.
type FanOut struct {
	PagedAbove int `env:"XENCRM_PAGED_ABOVE" default:"20000" help:"Campaigns that leave it open send pages above this many recipients."`
}

// API configures the HTTP door.
type API struct {
	Env
	Master
	Business
	Rabbit
	Temporal
	Webhook
	Links
	FanOut
	Vendor
	Listen string `env:"XENCRM_LISTEN" default:"127.0.0.1:8080" help:"Address to listen on."`
	Auth   string `env:"XENCRM_AUTH" default:"off" enum:"on,off" help:"Authentication; off listens on loopback only, and is refused in production (${enum})."`
	SignIn SignIn `embed:""`
	// AllowedOrigins are those of the browser pages that may call the API.
	AllowedOrigins []string `env:"XENCRM_ALLOWED_ORIGINS" placeholder:"https://…" help:"Origins whose pages may call the API from a browser, with commas between them; none by default."`
	RateLimit      float64  `env:"XENCRM_RATE_LIMIT" default:"2000" help:"Requests a second of one caller while authentication is on, 0 for no limit; twice what one machine takes in orders."`
	TemporalUIURL  string   `name:"temporal-ui-url" env:"TEMPORAL_UI_URL" placeholder:"http://…" help:"Temporal's Web UI, for links to workflows."`
	// BehindProxy lets a container listen on all its interfaces although authentication is off: what
	// publishes the port decides who reaches it.
	BehindProxy bool `env:"XENCRM_BEHIND_PROXY" help:"Something in front decides who reaches this port (a container network, a proxy)."`
}

// SignIn says whom to believe, while authentication is on. API keys are always known.
type SignIn struct {
	Issuer         string   `name:"oidc-issuer" env:"XENCRM_OIDC_ISSUER" default:"https://accounts.google.com" help:"Issuer of ID tokens."`
	ClientID       string   `name:"oidc-client-id" env:"XENCRM_OIDC_CLIENT_ID" help:"Our client id there; without one ID tokens are refused."`
	ClientSecret   string   `name:"oidc-client-secret" env:"XENCRM_OIDC_CLIENT_SECRET" help:"Our client secret; with it browsers can sign in at /auth/login."`
	OtherClientIDs []string `name:"oidc-other-client-ids" env:"XENCRM_OIDC_OTHER_CLIENT_IDS" help:"Further client ids whose ID tokens are taken."`
	HostedDomains  []string `name:"oidc-domains" env:"XENCRM_OIDC_DOMAINS" help:"Google Workspace domains whose members may come in; any if empty."`
	NextAuthSecret string   `name:"nextauth-secret" env:"NEXTAUTH_SECRET" help:"The existing frontend's secret: its users are known by its cookie."`
	Admins         []string `env:"XENCRM_ADMINS" help:"E-mail addresses, or domains as @shop.in, of administrators."`
	Editors        []string `env:"XENCRM_EDITORS" help:"The same of editors."`
	Viewers        []string `env:"XENCRM_VIEWERS" help:"The same of viewers."`
	DefaultRole    string   `env:"XENCRM_DEFAULT_ROLE" default:"" enum:",viewer,editor,admin" help:"Role of everybody else whom the issuer knows; none by default."`
}

// Keys configures the command that makes, lists and revokes API keys.
type Keys struct {
	Env
	Business
}

// Vendor is who delivers messages. The worker needs it; without it the API makes no test sends.
type Vendor struct {
	VendorURL     string        `env:"VENDOR_URL" placeholder:"http://…" help:"Base URL of the message vendor."`
	VendorToken   string        `env:"VENDOR_TOKEN" help:"Bearer token for the vendor."`
	VendorTimeout time.Duration `env:"VENDOR_TIMEOUT" default:"5s" help:"How long one call to the vendor may take."`
}

// Worker configures the Temporal worker.
type Worker struct {
	Env
	Business
	Temporal
	Links
	FanOut
	Vendor
	MaxSends   int     `env:"XENCRM_MAX_SENDS" default:"1440" help:"Sends in flight in this process; twice what one campaign has in flight, so that none waits for a slot."`
	VendorRate float64 `env:"VENDOR_RATE" default:"0" help:"Messages a second that the vendor takes in all; 0 for no limit. The same for every worker."`
	PageSize   int     `env:"XENCRM_PAGE_SIZE" default:"500" help:"Messages of one page, 1 to 500."`
	DBConns    int32   `env:"XENCRM_DB_CONNS" default:"16" help:"Connections to the database."`
}

// Consumer configures the RabbitMQ consumers.
type Consumer struct {
	Env
	Master
	Business
	Rabbit
	Temporal
}

// Relay configures the outbox relay and the starter of campaigns.
type Relay struct {
	Env
	Master
	Business
	Rabbit
	Temporal
}

// Migrate configures the schema's role.
type Migrate struct {
	Env
	Master
	Business
	Temporal
	SkipTemporal bool `env:"XENCRM_SKIP_TEMPORAL" help:"Do not register search attributes (done by hand, as on Temporal Cloud)."`
}

// MockVendor configures the mock vendor.
type MockVendor struct {
	Env
	Webhook
	Listen        string        `env:"VENDOR_LISTEN" default:"127.0.0.1:8090" help:"Address to listen on."`
	Ledger        string        `env:"VENDOR_LEDGER" default:".dev/vendor/ledger.db" help:"SQLite file that survives kill -9."`
	Seed          uint64        `env:"VENDOR_SEED" default:"1" help:"Outcomes are a function of seed, message and answer number."`
	SuccessRate   float64       `env:"VENDOR_SUCCESS_RATE" default:"0.9" help:"Part of the answers that are successes, 0 to 1."`
	LatencyMin    time.Duration `env:"VENDOR_LATENCY_MIN" default:"200ms" help:"Shortest answer time."`
	LatencyMax    time.Duration `env:"VENDOR_LATENCY_MAX" default:"800ms" help:"Longest answer time."`
	RetryAfter    time.Duration `env:"VENDOR_RETRY_AFTER" default:"1s" help:"Retry-After of refusals that may pass."`
	ReceiptURL    string        `env:"VENDOR_RECEIPT_URL" placeholder:"http://…/receipts" help:"Where receipts are posted."`
	ReceiptMin    time.Duration `env:"VENDOR_RECEIPT_MIN" default:"100ms" help:"Shortest time from acceptance to receipt."`
	ReceiptMax    time.Duration `env:"VENDOR_RECEIPT_MAX" default:"500ms" help:"Longest time from acceptance to receipt."`
	ReceiptCopies float64       `env:"VENDOR_RECEIPT_COPIES" default:"1" help:"Mean number of copies of each receipt."`
	Shuffle       bool          `env:"VENDOR_RECEIPT_SHUFFLE" help:"Post receipts in random order."`
}

// Demo configures the whole of it on one machine.
type Demo struct {
	Env
	Dir string `env:"XENCRM_DEV_DIR" default:".dev" help:"Where the servers keep their state."`
	// Binary is started for the roles in place of this program, by programs that are not xencrm.
	Binary string `kong:"-"`
	// Fresh throws away what an earlier run left in Dir.
	Fresh bool `kong:"-"`
	// TemporalOnPostgres keeps Temporal's histories in PostgreSQL in place of SQLite.
	TemporalOnPostgres bool `kong:"-"`
	// OwnVendor says that the caller runs the vendor, where the system expects it.
	OwnVendor     bool          `kong:"-"`
	BinDir        string        `env:"XENCRM_BIN_DIR" default:".dev/bin" help:"Where the Temporal server is kept once it is built."`
	Customers     int           `env:"DEMO_CUSTOMERS" default:"500" help:"Customers to seed; four orders for each."`
	VendorLatency string        `env:"DEMO_VENDOR_LATENCY" default:"" help:"Fixed answer time of the vendor in place of 200-800 ms; 0 for none."`
	Auth          string        `env:"XENCRM_AUTH" default:"off" enum:"on,off" help:"Authentication; on makes an admin key and prints it (${enum})."`
	Seed          uint64        `env:"DEMO_SEED" default:"1" help:"Seed of customers, orders and the vendor's outcomes."`
	Exit          bool          `env:"DEMO_EXIT" help:"Exit when the campaign has ended: 0 if it is COMPLETED and its books balance."`
	Timeout       time.Duration `env:"DEMO_TIMEOUT" default:"30m" help:"Give up after this long."`
	External      External      `embed:""`
}

// External are servers that are there already; an explicit address wins over starting one.
type External struct {
	MasterURL        string `name:"customer-database-url" env:"CUSTOMER_DATABASE_URL" help:"Use this master database."`
	BusinessURL      string `name:"campaign-database-url" env:"CAMPAIGN_DATABASE_URL" help:"Use this business database."`
	RabbitURL        string `name:"rabbitmq-url" env:"RABBITMQ_URL,RabbitMQ_URL" help:"Use this RabbitMQ."`
	RabbitManagement string `name:"rabbitmq-management-url" env:"RABBITMQ_MANAGEMENT_URL" help:"Its management page."`
	TemporalAddress  string `env:"TEMPORAL_ADDRESS" help:"Use this Temporal."`
	TemporalUIURL    string `name:"temporal-ui-url" env:"TEMPORAL_UI_URL" help:"Its Web UI."`
}

// devSecret is what development signs with when nothing is set; production refuses it.
const devSecret = "whsec_ZGV2ZWxvcG1lbnQtb25seS1zZWNyZXQtMDEyMzQ1Njc4OQ==" //nolint:gosec // public on purpose, and refused in production

// Secret gives the webhook secret, or that of development.
func (w Webhook) Secret() string {
	if w.WebhookSecret == "" {
		return devSecret
	}
	return w.WebhookSecret
}

// devLinkSecret signs the links of development; production refuses it.
const devLinkSecret = "development-only-link-secret-0123456789"

// LinkKey gives the secret of links, or that of development.
func (l Links) LinkKey() string { return cmp.Or(l.LinkSecret, devLinkSecret) }

// LinkBase gives the public address, or where the API listens in development.
func (l Links) LinkBase() string { return cmp.Or(l.PublicURL, "http://127.0.0.1:8080") }

// Validate lists everything that is wrong at once, naming the variables.
func (c API) Validate() error {
	var p problems
	p.failpoints(c.Env)
	p.database("CUSTOMER_DATABASE_URL", c.MasterURL)
	p.database("CAMPAIGN_DATABASE_URL", c.BusinessURL)
	p.broker(c.RabbitURL)
	p.hostPort("TEMPORAL_ADDRESS", c.TemporalAddress)
	p.hostPort("XENCRM_LISTEN", c.Listen)
	p.secret(c.Env, c.Webhook)
	p.links(c.Env, c.Links)
	for _, origin := range c.AllowedOrigins {
		p.origin("XENCRM_ALLOWED_ORIGINS", origin)
	}
	if c.RateLimit < 0 || math.IsNaN(c.RateLimit) {
		p.add("XENCRM_RATE_LIMIT=%v must be 0 (no limit) or more requests a second", c.RateLimit)
	}
	if c.SignIn.ClientSecret != "" && c.PublicURL == "" {
		p.add("XENCRM_PUBLIC_URL is needed with XENCRM_OIDC_CLIENT_SECRET: the issuer sends browsers back there")
	}
	if c.Auth == "off" {
		if c.Production() {
			p.add("XENCRM_AUTH=off is refused when XENCRM_ENV=production")
		}
		if !isLoopback(c.Listen) && !c.BehindProxy {
			p.add("XENCRM_LISTEN=%s: without authentication only loopback is allowed (127.0.0.1:8080), "+
				"unless XENCRM_BEHIND_PROXY says that something in front decides who gets in", c.Listen)
		}
	}
	return p.err()
}

// maxPageSize bounds what a page may report as to be tried again, some 20 KB of history.
const maxPageSize = 500

// maxVendorRate is far above what one Temporal cluster dispatches; more is a typing error.
const maxVendorRate = 1_000_000

// Validate lists everything that is wrong at once, naming the variables.
func (c Worker) Validate() error {
	var p problems
	p.failpoints(c.Env)
	p.database("CAMPAIGN_DATABASE_URL", c.BusinessURL)
	p.hostPort("TEMPORAL_ADDRESS", c.TemporalAddress)
	p.httpURL("VENDOR_URL", c.VendorURL)
	p.links(c.Env, c.Links)
	if c.VendorTimeout <= 0 || c.VendorTimeout > 10*time.Second {
		p.add("VENDOR_TIMEOUT=%s must be above 0 and at most 10s: the send activity has 15s in all", c.VendorTimeout)
	}
	if c.MaxSends < 1 || c.DBConns < 1 {
		p.add("XENCRM_MAX_SENDS and XENCRM_DB_CONNS must be at least 1")
	}
	if c.VendorRate < 0 || c.VendorRate > maxVendorRate || math.IsNaN(c.VendorRate) {
		p.add("VENDOR_RATE=%v must be from 0 (no limit) to %d messages a second", c.VendorRate, maxVendorRate)
	}
	if c.PagedAbove < 1 || c.PageSize < 1 || c.PageSize > maxPageSize {
		p.add("XENCRM_PAGED_ABOVE must be at least 1 and XENCRM_PAGE_SIZE from 1 to %d", maxPageSize)
	}
	return p.err()
}

// Validate lists everything that is wrong at once, naming the variables.
func (c Consumer) Validate() error {
	var p problems
	p.failpoints(c.Env)
	p.database("CUSTOMER_DATABASE_URL", c.MasterURL)
	p.database("CAMPAIGN_DATABASE_URL", c.BusinessURL)
	p.broker(c.RabbitURL)
	p.hostPort("TEMPORAL_ADDRESS", c.TemporalAddress)
	return p.err()
}

// Validate lists everything that is wrong at once, naming the variables.
func (c Relay) Validate() error { return Consumer(c).Validate() }

// Validate lists everything that is wrong at once, naming the variables.
func (c Migrate) Validate() error {
	var p problems
	p.failpoints(c.Env)
	p.database("CUSTOMER_DATABASE_URL", c.MasterURL)
	p.database("CAMPAIGN_DATABASE_URL", c.BusinessURL)
	if !c.SkipTemporal {
		p.hostPort("TEMPORAL_ADDRESS", c.TemporalAddress)
	}
	return p.err()
}

// Validate lists everything that is wrong at once, naming the variables.
func (c MockVendor) Validate() error {
	var p problems
	p.failpoints(c.Env)
	p.hostPort("VENDOR_LISTEN", c.Listen)
	p.httpURL("VENDOR_RECEIPT_URL", c.ReceiptURL)
	p.secret(c.Env, c.Webhook)
	if c.Production() {
		p.add("the mock vendor delivers nothing and is refused when XENCRM_ENV=production")
	}
	if c.SuccessRate < 0 || c.SuccessRate > 1 {
		p.add("VENDOR_SUCCESS_RATE=%v must be from 0 to 1", c.SuccessRate)
	}
	if c.LatencyMin < 0 || c.LatencyMax < c.LatencyMin || c.ReceiptMin < 0 || c.ReceiptMax < c.ReceiptMin {
		p.add("VENDOR_LATENCY_MIN/MAX and VENDOR_RECEIPT_MIN/MAX must not be negative, and MIN not above MAX")
	}
	return p.err()
}

// Validate lists everything that is wrong at once, naming the variables.
func (c Keys) Validate() error {
	var p problems
	p.database("CAMPAIGN_DATABASE_URL", c.BusinessURL)
	return p.err()
}

// problems collects what is wrong.
type problems struct{ texts []string }

func (p *problems) add(format string, args ...any) {
	p.texts = append(p.texts, fmt.Sprintf(format, args...))
}

func (p *problems) err() error {
	if len(p.texts) == 0 {
		return nil
	}
	return errs.Errorf(errs.Invalid, "%s", strings.Join(p.texts, "\n"))
}

// database checks the form only; the value itself is never shown, for it holds a password.
func (p *problems) database(name, value string) {
	u, err := url.Parse(value)
	if value == "" || err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Path == "" || u.Path == "/" {
		p.add("%s must be postgres://user:password@host:port/database", name)
	}
}

// origin wants what a browser sends as Origin, to the letter.
func (p *problems) origin(name, value string) {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || value != u.Scheme+"://"+u.Host {
		p.add("%s: %q must be an origin such as https://crm.shop.in, without a path", name, value)
	}
}

func (p *problems) broker(value string) {
	u, err := url.Parse(value)
	if value == "" || err != nil || (u.Scheme != "amqp" && u.Scheme != "amqps") {
		p.add("RABBITMQ_URL must be amqp://user:password@host:port/vhost")
	}
}

func (p *problems) httpURL(name, value string) {
	u, err := url.Parse(value)
	if value == "" || err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		p.add("%s must be http://host:port or https://host", name)
	}
}

func (p *problems) hostPort(name, value string) {
	if _, _, err := net.SplitHostPort(value); err != nil {
		p.add("%s=%s must be host:port", name, value)
	}
}

// failpoints let whoever writes to the directory kill the role, which no production wants.
func (p *problems) failpoints(e Env) {
	if e.Failpoints == "" {
		return
	}
	if e.Production() {
		p.add("XENCRM_FAILPOINTS is for tests and is refused when XENCRM_ENV=production; unset it")
		return
	}
	if info, err := os.Stat(e.Failpoints); err != nil || !info.IsDir() {
		p.add("XENCRM_FAILPOINTS=%s must be a directory that exists", e.Failpoints)
	}
}

func (p *problems) secret(e Env, w Webhook) {
	if e.Production() && w.WebhookSecret == "" {
		p.add("XENCRM_WEBHOOK_SECRET must be set when XENCRM_ENV=production")
	}
	if w.WebhookSecret != "" && !strings.HasPrefix(w.WebhookSecret, "whsec_") {
		p.add("XENCRM_WEBHOOK_SECRET must begin with whsec_ (Standard Webhooks)")
	}
}

// links must be such that recipients can follow them for years and nobody else can make them.
func (p *problems) links(e Env, l Links) {
	const minSecret, maxURL = 32, 200 // the bytes of SHA-256; a link with a token stays below 300
	if l.LinkSecret != "" && len(l.LinkSecret) < minSecret {
		p.add("XENCRM_LINK_SECRET must have %d characters or more", minSecret)
	}
	if l.PublicURL != "" {
		p.httpURL("XENCRM_PUBLIC_URL", l.PublicURL)
	}
	if len(l.PublicURL) > maxURL || strings.ContainsAny(l.PublicURL, "?#") {
		p.add("XENCRM_PUBLIC_URL must have at most %d characters and no query", maxURL)
	}
	if !e.Production() {
		return
	}
	if l.LinkSecret == "" || l.LinkSecret == devLinkSecret {
		p.add("XENCRM_LINK_SECRET must be set to a secret of your own when XENCRM_ENV=production")
	}
	if !strings.HasPrefix(l.PublicURL, "https://") {
		p.add("XENCRM_PUBLIC_URL must be https://… when XENCRM_ENV=production: mail programs call nothing else")
	}
}

func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	return loopbackHost(host)
}
