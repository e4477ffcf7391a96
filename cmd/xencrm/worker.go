package main

import (
	"context"

	"github.com/xencrm/xencrm/internal/app"
	"github.com/xencrm/xencrm/internal/config"
)

type workerCmd struct {
	config.Worker `embed:""`
}

// Run runs the role until ctx ends.
func (c *workerCmd) Run(ctx context.Context) error {
	if err := app.Prepare("worker", c.Env); err != nil {
		return err
	}
	return app.Worker(ctx, c.Worker, app.NewLogger("worker", c.Env))
}
