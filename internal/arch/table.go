package arch

import "slices"

// Layer orders the packages: nothing imports upward.
type Layer int

// The layers, from the bottom to the top.
const (
	// Leaf packages know nothing of campaigns and import next to nothing.
	Leaf Layer = iota
	// Domain packages hold the rules of the business, and the ports they need.
	Domain
	// Process packages are the activities and the workflows.
	Process
	// Edge packages are doors, adapters and the worker: what touches the outside.
	Edge
	// Assembly packages put the others together.
	Assembly
	// Drive packages start what was put together: commands and whole-system tests.
	Drive
)

// Rule says what one package may import of this module. A pattern is an import path, relative to the
// module root if it is ours; "x/..." is x and everything below it, and "..." is everything.
type Rule struct {
	// Pkg is a path or a pattern. The first rule that matches a package decides.
	Pkg   string
	Layer Layer
	May   []string
}

// Owner says who may import a dependency: By in any file, Tests in test files besides.
type Owner struct {
	// Import is a pattern. The first owner whose pattern matches decides.
	Import string
	By     []string
	Tests  []string
}

// Reach says what packages must not depend on, however long the chain of imports. Test files are
// left out of it.
type Reach struct {
	From []string
	// Own are patterns in this module, External are patterns outside.
	Own      []string
	External []string
	Why      string
}

// Table is the whole import law.
type Table struct {
	Rules  []Rule
	Owners []Owner
	Reach  []Reach
	// Kits exist for tests: every test may import them, and production code never does.
	Kits []string
	// KitTypes hold what a kit takes and gives, so tests may import them too; production code is held
	// to its line.
	KitTypes []string
	// KitUsers may import kits outside of test files.
	KitUsers []string
}

// House is the table of this repository. A new package needs a line here; where it goes and what it
// may import is a decision to be made on purpose.
func House() Table {
	leaves := []string{
		"internal/errs", "internal/clock", "internal/runner", "internal/telemetry", "internal/batch", "internal/failpoint",
		"internal/cursor", "internal/idempotency", "internal/csvrow",
	}
	domain := slices.Concat(leaves, []string{
		"internal/segment", "internal/message", "internal/event", "internal/auth", "internal/vendor",
		"internal/customer", "internal/campaign", "internal/bulk",
	})
	return Table{
		Rules:    rules(leaves, domain),
		Owners:   owners(),
		Reach:    reaches(domain),
		Kits:     kits(),
		KitTypes: []string{"internal/devstack"},
		KitUsers: []string{"test/...", "db/dbtest", "internal/devstack/..."},
	}
}

func kits() []string {
	return []string{
		"db/dbtest", "internal/devstack/devtest", "internal/segment/segmenttest", "internal/vendors/vendortest",
	}
}

// rules is one line per package, in one piece: a table is easier to read whole.
//
//nolint:funlen // as long as there are packages
func rules(leaves, domain []string) []Rule {
	// Leaves may share the error codes and the clock; nothing else.
	low := []string{"internal/errs", "internal/clock"}
	and := func(base []string, more ...string) []string { return slices.Concat(base, more) }
	return []Rule{
		{"internal/errs", Leaf, nil},
		{"internal/clock", Leaf, nil},
		{"internal/runner", Leaf, low},
		{"internal/telemetry", Leaf, low},
		{"internal/batch", Leaf, low},
		{"internal/cursor", Leaf, low},
		{"internal/idempotency", Leaf, low},
		{"internal/csvrow", Leaf, low},
		{"internal/config", Leaf, low},
		{"internal/failpoint", Leaf, low},

		{"internal/segment", Domain, leaves},
		{"internal/segment/segmenttest", Domain, and(leaves, "internal/segment")},
		{"internal/message", Domain, leaves},
		{"internal/event", Domain, leaves},
		{"internal/auth", Domain, leaves},
		{"internal/vendor", Domain, leaves},
		{"internal/customer", Domain, and(leaves, "internal/auth", "internal/event")},
		{"internal/bulk", Domain, and(leaves, "internal/customer")},
		{"internal/campaign", Domain, and(leaves, "internal/segment", "internal/message", "internal/customer",
			"internal/auth", "internal/event")},

		{"activities", Process, domain},
		// What a workflow does is a function of its history, and a crash point is not.
		{"workflows", Process, and(without(domain, "internal/failpoint"), "activities")},

		{"db", Edge, and(leaves, "db/internal/...")},
		{"db/master", Edge, and(domain, "db", "db/internal/mastersql")},
		{"db/business", Edge, and(domain, "db", "db/internal/businesssql")},
		{"db/internal/...", Edge, nil},
		{"internal/rabbit", Edge, domain},
		// A handler is a function of a rabbit.Delivery, and the relay publishes through rabbit.
		{"internal/ingest", Edge, and(domain, "internal/rabbit")},
		{"internal/projection", Edge, and(domain, "internal/rabbit")},
		{"internal/receipts", Edge, and(domain, "internal/rabbit")},
		{"internal/outbox", Edge, and(domain, "internal/rabbit")},
		// Not below internal/vendor: Go reads "/vendor/" in a path as a copy of somebody else's code.
		{"internal/vendors/httpvendor", Edge, and(leaves, "internal/vendor")},
		{"internal/vendors/mock", Edge, and(leaves, "internal/vendor")},
		{"internal/vendors/vendortest", Edge, and(leaves, "internal/vendor")},
		{"internal/auth/oidc", Edge, and(leaves, "internal/auth")},
		{"internal/auth/nextauth", Edge, and(leaves, "internal/auth")},
		{"internal/engine", Edge, and(domain, "workflows")},
		{"internal/mcpserver", Edge, domain},
		// The bridge carries messages and knows none of them.
		{"internal/mcpbridge", Edge, low},
		{"api", Edge, domain},
		{"worker", Edge, and(domain, "workflows", "activities")},

		{"web", Assembly, nil},
		// The auditor believes nobody: it opens the databases and counts for itself.
		{"internal/audit", Assembly, and(leaves, "db")},
		{"internal/devstack", Assembly, leaves},
		{"internal/devstack/devtest", Assembly, and(leaves, "internal/devstack")},
		{"internal/devstack/cmd/...", Assembly, and(leaves, "internal/devstack")},
		{"db/dbtest", Assembly, and(leaves, "db", "db/master", "db/business", "internal/devstack")},
		{"internal/app", Assembly, and(domain, "api", "web", "worker", "workflows", "activities", "db", "db/master",
			"db/business", "internal/rabbit", "internal/ingest", "internal/projection", "internal/receipts",
			"internal/outbox", "internal/vendors/httpvendor", "internal/vendors/mock", "internal/auth/oidc",
			"internal/auth/nextauth", "internal/engine", "internal/mcpserver", "internal/audit", "internal/config",
			"internal/devstack")},
		// The demonstration goes through the public doors, and starts the roles as processes.
		{"internal/demo", Assembly, and(domain, "internal/audit", "internal/config", "internal/devstack")},
		{"internal/arch", Assembly, nil},

		{"cmd/...", Drive, []string{"..."}},
		{"test/...", Drive, []string{"..."}},
	}
}

// without gives a copy of base that lacks one package.
func without(base []string, pkg string) []string {
	return slices.DeleteFunc(slices.Clone(base), func(p string) bool { return p == pkg })
}

func owners() []Owner {
	// Tests of the local stack, and the kit that hands it to tests, ask the servers themselves.
	const devtest, devstack = "internal/devstack/devtest", "internal/devstack/..."
	const drive = "test/..."
	// Its tests run the whole path of a posted order, from a raw message to the projection.
	const ingest = "internal/ingest"
	// It asks every server itself.
	const audit = "internal/audit"
	return []Owner{
		{"github.com/gin-gonic/...", []string{"api"}, nil},
		{"github.com/rs/cors", []string{"api"}, nil},
		{"golang.org/x/time/...", []string{"api"}, nil},
		{"github.com/danielgtaylor/huma/...", []string{"api"}, nil},
		// The auditor has single sessions of its own, and no pool.
		{"github.com/jackc/pgx/v5", []string{"db/...", audit, devtest, drive}, []string{devstack, ingest}},
		{"github.com/jackc/...", []string{"db/...", devtest, drive}, []string{devstack, ingest}},
		{"github.com/pressly/goose/...", []string{"db/..."}, nil},
		{"github.com/rabbitmq/amqp091-go/...", []string{"internal/rabbit", devtest, drive}, []string{devstack, ingest}},
		{"modernc.org/sqlite/...", []string{"internal/vendors/mock", audit}, []string{drive}},
		{"github.com/coreos/go-oidc/...", []string{"internal/auth/oidc"}, nil},
		{"golang.org/x/oauth2/...", []string{"internal/auth/oidc"}, nil},
		{"github.com/go-jose/go-jose/...", []string{"internal/auth/oidc", "internal/auth/nextauth"}, nil},
		{"github.com/osteele/liquid/...", []string{"internal/message"}, nil},
		{"github.com/mark3labs/mcp-go/...", []string{"internal/mcpserver", "internal/mcpbridge", drive}, []string{"cmd/..."}},
		{"github.com/alecthomas/kong/...", []string{"cmd/...", "internal/config", drive}, nil},
		{"go.temporal.io/server/...", nil, nil}, // dev/temporal, a module of its own
		{
			"go.temporal.io/sdk/client/...",
			[]string{"internal/engine", "worker", "internal/app", audit, "cmd/...", devtest, drive},
			[]string{"workflows", devstack},
		},
		{
			"go.temporal.io/sdk/worker/...",
			[]string{"worker", drive},
			[]string{"workflows", "activities", "internal/engine", devstack}, // the replayer, and real workers
		},
		{
			"go.temporal.io/sdk/testsuite/...",
			[]string{drive},
			[]string{"workflows", "activities", "worker", "internal/engine"},
		},
		{
			"go.temporal.io/...",
			[]string{
				"workflows", "activities", "worker", "internal/engine", "internal/telemetry", "internal/app", audit,
				"cmd/...", devtest, drive,
			},
			[]string{devstack},
		},
		{"github.com/stretchr/testify/...", testCode(), []string{"..."}},
		{"go.uber.org/goleak/...", testCode(), []string{"..."}},
		{"pgregory.net/rapid/...", testCode(), []string{"..."}},
		{"github.com/google/go-cmp/...", testCode(), []string{"..."}},
		{"testing/...", testCode(), []string{"..."}},
	}
}

// testCode is what is written for tests without being a test file.
func testCode() []string { return append(kits(), "test/...") }

func reaches(domain []string) []Reach {
	inside := slices.Concat(domain, []string{"activities", "workflows", "internal/config"})
	return []Reach{
		{
			From: inside,
			Own:  []string{"api", "db/...", "worker", "internal/rabbit", "internal/engine", "internal/app"},
			External: []string{
				"github.com/jackc/...", "github.com/gin-gonic/...", "github.com/danielgtaylor/huma/...",
				"github.com/rabbitmq/amqp091-go/...",
				"database/sql", // but not database/sql/driver, whose interfaces ids and decimals implement
				// sdk/workflow, sdk/activity and sdk/temporal stand on sdk/internal and do not need it.
				// sdk/worker and sdk/testsuite do: registration takes an interface of our own.
				"go.temporal.io/sdk/client/...",
			},
			Why: "the domain, the activities and the workflows reach the outside through ports only",
		},
		{
			From:     domain,
			External: []string{"go.temporal.io/..."},
			Why:      "the domain does not know what orchestrates it",
		},
		{
			From: []string{"internal/audit"},
			Own: []string{
				"workflows", "activities", "worker", "api", "db/master", "db/business", "db/internal/...",
				"internal/engine", "internal/campaign", "internal/customer", "internal/segment", "internal/message",
				"internal/receipts", "internal/ingest", "internal/projection", "internal/outbox", "internal/event",
				"internal/rabbit", "internal/vendor", "internal/vendors/...",
			},
			Why: "an auditor that shares code with the engine shares its mistakes",
		},
		{
			From: []string{"internal/vendors/mock", "internal/vendors/httpvendor"},
			Own:  []string{"db/...", "workflows", "activities", "internal/campaign", "internal/engine"},
			Why:  "a vendor is somebody else's system",
		},
	}
}
