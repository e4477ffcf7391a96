package main

import (
	"context"

	"github.com/xencrm/xencrm/internal/app"
	"github.com/xencrm/xencrm/internal/config"
)

type consumerCmd struct {
	config.Consumer `embed:""`
}

// Run runs the role until ctx ends.
func (c *consumerCmd) Run(ctx context.Context) error {
	if err := app.Prepare("consumer", c.Env); err != nil {
		return err
	}
	return app.Consumer(ctx, c.Consumer, app.NewLogger("consumer", c.Env))
}
