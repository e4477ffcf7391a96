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
	app.Prepare(c.Env)
	return app.Worker(ctx, c.Worker, app.NewLogger("worker", c.Env))
}
