package config

import (
	"net/url"
	"strings"
	"time"
)

// Check configures the auditor. It reads and never writes, in production too.
type Check struct {
	Master
	Business
	Rabbit
	VendorLedger      string        `env:"VENDOR_LEDGER" placeholder:"FILE" help:"The mock vendor's ledger (SQLite); without it what the vendor did is not checked."`
	RabbitManagement  string        `name:"rabbitmq-management-url" env:"RABBITMQ_MANAGEMENT_URL" placeholder:"http://…" help:"RabbitMQ's management, with user and password; without it the queues are not checked."`
	TemporalAddress   string        `env:"TEMPORAL_ADDRESS" placeholder:"HOST:PORT" help:"Temporal frontend; without it workflows are not checked."`
	TemporalNamespace string        `env:"TEMPORAL_NAMESPACE" default:"default" help:"Temporal namespace."`
	JSON              bool          `name:"json" help:"Print the verdict as JSON."`
	Online            bool          `help:"Compare stats and log in one snapshot after the other while campaigns run."`
	For               time.Duration `default:"30s" help:"How long --online looks."`
	Wait              time.Duration `default:"60s" help:"How long to wait until the system is at rest."`
	AllowQuarantined  int           `default:"0" placeholder:"N" help:"Quarantined messages and dead letters that are explained."`
	RequireAll        bool          `help:"Exit 2 when evidence for any invariant is missing."`
	Skip              []string      `placeholder:"ID" help:"Invariants not to judge, such as I24."`
}

// Problems lists everything that is wrong at once, naming the variables. It is not called Validate, for
// then the flag parser would call it and exit with a code of its own.
func (c Check) Problems() error {
	var p problems
	p.database("CUSTOMER_DATABASE_URL", c.MasterURL)
	p.database("CAMPAIGN_DATABASE_URL", c.BusinessURL)
	if c.RabbitManagement != "" {
		p.httpURL("RABBITMQ_MANAGEMENT_URL", c.RabbitManagement)
	}
	if c.TemporalAddress != "" {
		p.hostPort("TEMPORAL_ADDRESS", c.TemporalAddress)
	}
	if c.For <= 0 || c.Wait <= 0 {
		p.add("--for and --wait must be above 0")
	}
	if c.AllowQuarantined < 0 {
		p.add("--allow-quarantined must not be negative")
	}
	return p.err()
}

// RabbitVhost is the virtual host that RABBITMQ_URL names, "/" when it names none.
func (c Check) RabbitVhost() string {
	u, err := url.Parse(c.RabbitURL)
	if err != nil || strings.TrimPrefix(u.Path, "/") == "" {
		return "/"
	}
	return strings.TrimPrefix(u.Path, "/")
}
