package main

import (
	"context"
	"os"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/demo"
)

type demoCmd struct {
	config.Demo `embed:""`
}

// Run runs the demo until its campaign has ended or, without DEMO_EXIT, until ctx ends.
func (c *demoCmd) Run(ctx context.Context) error {
	return demo.New(c.Demo, os.Stdout).Run(ctx)
}
