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
	if err := app.Prepare("mock-vendor", c.Env); err != nil {
		return err
	}
	return app.MockVendor(ctx, c.MockVendor, app.NewLogger("mock-vendor", c.Env))
}
