package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/xencrm/xencrm/internal/app"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/mcpbridge"
)

type mcpCmd struct {
	config.MCP `embed:""`
}

// Run carries messages until standard input ends or ctx does. Standard output belongs to the protocol:
// whatever else there is to say goes to standard error.
func (c *mcpCmd) Run(ctx context.Context) error {
	// A client may close its end of standard error before the last line of the log: that is no way to die.
	signal.Ignore(syscall.SIGPIPE)
	log := app.NewLogger("mcp", config.Env{LogLevel: c.LogLevel})
	o := mcpbridge.Options{Endpoint: c.Endpoint(), Key: c.Key, Log: log}
	return mcpbridge.Run(ctx, o, os.Stdin, os.Stdout)
}
