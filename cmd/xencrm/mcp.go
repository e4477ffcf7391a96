package main

import (
	"context"
	"os"

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
	log := app.NewLogger("mcp", config.Env{LogLevel: c.LogLevel})
	o := mcpbridge.Options{Endpoint: c.Endpoint(), Key: c.Key, Log: log}
	return mcpbridge.Run(ctx, o, os.Stdin, os.Stdout)
}
