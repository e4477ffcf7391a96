package main

import (
	"context"

	"github.com/xencrm/xencrm/internal/app"
	"github.com/xencrm/xencrm/internal/config"
)

type apiCmd struct {
	config.API `embed:""`
}

// Run runs the role until ctx ends.
func (c *apiCmd) Run(ctx context.Context) error {
	if err := app.Prepare("api", c.Env); err != nil {
		return err
	}
	return app.API(ctx, c.API, app.NewLogger("api", c.Env))
}
