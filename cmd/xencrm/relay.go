package main

import (
	"context"

	"github.com/xencrm/xencrm/internal/app"
	"github.com/xencrm/xencrm/internal/config"
)

type relayCmd struct {
	config.Relay `embed:""`
}

// Run runs the role until ctx ends.
func (c *relayCmd) Run(ctx context.Context) error {
	if err := app.Prepare("relay", c.Env); err != nil {
		return err
	}
	return app.Relay(ctx, c.Relay, app.NewLogger("relay", c.Env))
}
