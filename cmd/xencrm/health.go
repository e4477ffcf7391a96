package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

// healthCmd lets an image without a shell or curl check a server of ours.
type healthCmd struct {
	URL string `arg:"" help:"What to ask, as http://127.0.0.1:8080/readyz."`
}

// Run gives an error unless the URL answers 200 within five seconds.
func (c *healthCmd) Run(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, http.NoBody)
	if err != nil {
		return errs.Errorf(errs.Invalid, "%s is no URL", c.URL)
	}
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // only the status counts
	if res.StatusCode != http.StatusOK {
		return errs.Errorf(errs.Unavailable, "not healthy: %s answers %s", c.URL, res.Status)
	}
	return nil
}
