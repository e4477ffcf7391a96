package arch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/arch"
)

// fake builds a graph of the module m. A name with a "+test" suffix gives the imports of tests.
func fake(imports map[string][]string) arch.Graph {
	g := arch.Graph{Module: "m", Packages: map[string]arch.Package{}}
	for name, list := range imports {
		base, test := name, false
		if n := len(name) - len("+test"); n > 0 && name[n:] == "+test" {
			base, test = name[:n], true
		}
		p := g.Packages[base]
		if test {
			p.TestImports = list
		} else {
			p.Imports = list
		}
		g.Packages[base] = p
	}
	return g
}

func TestTableCheck(t *testing.T) {
	t.Parallel()
	const pgx, client = "github.com/jackc/pgx/v5", "go.temporal.io/sdk/client"

	tests := []struct {
		name    string
		imports map[string][]string
		want    []string
	}{
		{
			name: "AllowsWhatIsDrawn",
			imports: map[string][]string{
				"m/internal/campaign":  {"context", "m/internal/segment", "m/internal/errs"},
				"m/internal/segment":   {"m/internal/errs"},
				"m/internal/errs":      nil,
				"m/workflows":          {"m/activities", "go.temporal.io/sdk/workflow"},
				"m/activities":         {"m/internal/campaign"},
				"m/db":                 {pgx},
				"m/db/business":        {"m/db", "m/internal/campaign", "m/db/internal/businesssql"},
				"m/db/business+test":   {"m/db/dbtest", "github.com/stretchr/testify/require", "testing"},
				"m/internal/engine":    {"m/workflows", client},
				"m/cmd/xencrm":         {"m/internal/app"},
				"m/internal/app":       {"m/api", "m/db/business"},
				"m/workflows+test":     {"go.temporal.io/sdk/testsuite", "go.temporal.io/sdk/worker"},
				"m/internal/x/y/z":     nil,
				"m/internal/config":    nil,
				"m/test/e2e":           {"m/internal/devstack/devtest", "testing"},
				"m/internal/rabbit":    {"github.com/rabbitmq/amqp091-go"},
				"m/internal/ingest":    {"m/internal/rabbit", "m/internal/customer"},
				"github.com/jackc/pgx": nil,
			},
			want: []string{"m/internal/x/y/z"[2:] + ": is not in the import table: decide its layer and what it may " +
				"import, and add a line to rules() in internal/arch/table.go"},
		},
		{
			name:    "RefusesImportingUpward",
			imports: map[string][]string{"m/internal/errs": {"m/internal/campaign"}},
			want: []string{
				"internal/errs: imports internal/campaign, which its line in internal/arch/table.go does not allow",
			},
		},
		{
			name:    "RefusesSiblingsThatAreNotDrawn",
			imports: map[string][]string{"m/api": {"m/internal/rabbit"}},
			want:    []string{"api: imports internal/rabbit, which its line in internal/arch/table.go does not allow"},
		},
		{
			name:    "RefusesStrangersToADependency",
			imports: map[string][]string{"m/api": {pgx + "/pgxpool"}, "m/internal/rabbit+test": {"github.com/gin-gonic/gin"}},
			want: []string{
				"api: imports github.com/jackc/pgx/v5/pgxpool, which only db/..., internal/devstack/devtest, test/... may " +
					"(owners() in internal/arch/table.go)",
				"internal/rabbit: its tests import github.com/gin-gonic/gin, which only api may " +
					"(owners() in internal/arch/table.go)",
			},
		},
		{
			name: "FollowsChainsThroughOthers",
			imports: map[string][]string{
				"m/workflows":            {"m/activities"},
				"m/activities":           {"example.com/innocent"},
				"example.com/innocent":   {"example.com/inner"},
				"example.com/inner":      {pgx},
				"github.com/jackc/other": nil,
			},
			want: []string{
				"activities: reaches what it must not: activities -> example.com/innocent -> example.com/inner -> " +
					"github.com/jackc/pgx/v5 (the domain, the activities and the workflows reach the outside through ports only)",
				"workflows: reaches what it must not: workflows -> activities -> example.com/innocent -> " +
					"example.com/inner -> github.com/jackc/pgx/v5 " +
					"(the domain, the activities and the workflows reach the outside through ports only)",
			},
		},
		{
			name: "KeepsTheDomainFromTheOrchestrator",
			imports: map[string][]string{
				"m/internal/campaign":         {"example.com/x"},
				"example.com/x":               {"go.temporal.io/sdk/temporal"},
				"go.temporal.io/sdk/temporal": nil,
			},
			want: []string{"internal/campaign: reaches what it must not: internal/campaign -> example.com/x -> " +
				"go.temporal.io/sdk/temporal (the domain does not know what orchestrates it)"},
		},
		{
			name: "KeepsTheAuditorFromTheEngine",
			imports: map[string][]string{
				"m/internal/audit": {"m/db"},
				"m/db":             {"m/internal/errs", "m/db/internal/businesssql"},
			},
			want: []string{"internal/audit: reaches what it must not: internal/audit -> db -> db/internal/businesssql " +
				"(an auditor that shares code with the engine shares its mistakes)"},
		},
		{
			name:    "KeepsTestKitsOutOfTheProduct",
			imports: map[string][]string{"m/cmd/xencrm": {"m/internal/devstack/devtest"}, "m/internal/app": {"testing"}},
			want: []string{
				"cmd/xencrm: imports internal/devstack/devtest, which is for tests",
				"internal/app: imports testing, which only db/dbtest, internal/devstack/devtest, " +
					"internal/segment/segmenttest, internal/vendors/vendortest, test/... may (owners() in internal/arch/table.go)",
			},
		},
		{
			name:    "KeepsTestsBelowTheirLayer",
			imports: map[string][]string{"m/internal/segment+test": {"m/db/business", "m/internal/message", "m/db/dbtest"}},
			want:    []string{"internal/segment: its tests import db/business, which is a layer above it"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, arch.House().Check(fake(tt.imports)))
		})
	}

	t.Run("ReportsPackagesThatCannotBeListed", func(t *testing.T) {
		t.Parallel()
		g := fake(nil)
		g.Packages["m/api"] = arch.Package{Broken: "expected 'package'"}
		require.Equal(t, []string{"api: cannot be listed: expected 'package'"}, arch.House().Check(g))
	})

	t.Run("RefusesALineThatPointsUpward", func(t *testing.T) {
		t.Parallel()
		table := arch.Table{Rules: []arch.Rule{
			{Pkg: "low", Layer: arch.Leaf, May: []string{"high"}},
			{Pkg: "high", Layer: arch.Edge},
		}}
		require.Equal(t, []string{"low: imports high, which is a layer above it"},
			table.Check(fake(map[string][]string{"m/low": {"m/high"}, "m/high": nil})))
	})
}
