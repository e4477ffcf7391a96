// Command xencrm is every role of XenCRM in one binary: see `xencrm --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/xencrm/xencrm/internal/errs"
)

// exitConfig is what sysexits.h calls EX_CONFIG: whoever started us has to change something.
const exitConfig = 78

// cli lists the roles.
type cli struct {
	API        apiCmd        `cmd:"" help:"Serve the REST API."`
	Worker     workerCmd     `cmd:"" help:"Run campaign workflows and send messages."`
	Consumer   consumerCmd   `cmd:"" help:"Consume customers, orders, projection events and receipts from RabbitMQ."`
	Relay      relayCmd      `cmd:"" help:"Publish the outbox, and start campaigns whose start was postponed."`
	MCP        mcpCmd        `cmd:"" name:"mcp" help:"Speak MCP on standard input and output for a server that is running."`
	MockVendor mockVendorCmd `cmd:"" help:"Serve a message vendor that delivers nothing, for development."`
	Migrate    migrateCmd    `cmd:"" help:"Bring the databases and Temporal's search attributes up to date."`
	Demo       demoCmd       `cmd:"" help:"Run everything on this machine and launch a campaign."`
	Check      checkCmd      `cmd:"" help:"Prove from the outside, read-only, that every recipient is accounted for."`
	Keys       keysCmd       `cmd:"" help:"Make, list and revoke API keys."`
	Health     healthCmd     `cmd:"" help:"Exit 0 if a server of ours answers that it is well."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		os.Exit(report(err))
	}
}

// run parses and runs one command. The parser calls each configuration's Validate, so a command never
// runs with one that is incomplete.
func run(ctx context.Context, args []string) error {
	var c cli
	parser, err := kong.New(&c, kong.Name("xencrm"),
		kong.Description("CRM campaign engine in which every recipient is accounted for."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return err
	}
	k, err := parser.Parse(args)
	if err != nil {
		return errs.Wrap(errs.Invalid, nil, err.Error())
	}
	return k.Run()
}

// report tells the error and gives the exit code: 78 when the configuration is at fault, else 1.
func report(err error) int {
	fmt.Fprintln(os.Stderr, "xencrm:", err)
	if coded, ok := errors.AsType[*errs.Error](err); ok && coded.Code == errs.Invalid {
		return exitConfig
	}
	return 1
}
