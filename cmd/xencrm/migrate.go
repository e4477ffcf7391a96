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
	if err := app.Prepare("migrate", c.Env); err != nil {
		return err
	}
	return app.Migrate(ctx, c.Migrate, app.NewLogger("migrate", c.Env))
}
