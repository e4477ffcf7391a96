package main

import (
	"context"

	"github.com/xencrm/xencrm/internal/app"
	"github.com/xencrm/xencrm/internal/config"
)

type mockVendorCmd struct {
	config.MockVendor `embed:""`
}

// Run runs the role until ctx ends.
func (c *mockVendorCmd) Run(ctx context.Context) error {
	app.Prepare(c.Env)
	return app.MockVendor(ctx, c.MockVendor, app.NewLogger("mock-vendor", c.Env))
}
