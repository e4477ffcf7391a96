package main

import (
	"context"

	"github.com/xencrm/xencrm/internal/app"
	"github.com/xencrm/xencrm/internal/config"
)

type migrateCmd struct {
	config.Migrate `embed:""`
}

// Run runs the role until ctx ends.
func (c *migrateCmd) Run(ctx context.Context) error {
	app.Prepare(c.Env)
	return app.Migrate(ctx, c.Migrate, app.NewLogger("migrate", c.Env))
}
