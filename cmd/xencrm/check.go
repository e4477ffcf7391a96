package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/xencrm/xencrm/internal/audit"
	"github.com/xencrm/xencrm/internal/config"
)

type checkCmd struct {
	config.Check `embed:""`
}

// Run prints the verdict and exits with its code: 0 holds, 1 violated, 2 not at rest or evidence
// missing, 3 an error of the auditor, wrong configuration included. It exits by itself, because 1 is
// what main gives to any other error.
func (c *checkCmd) Run(ctx context.Context) error {
	code, err := c.check(ctx, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "xencrm check:", err)
		code = audit.ExitError
	}
	os.Exit(code)
	return nil
}

func (c *checkCmd) check(ctx context.Context, out io.Writer) (int, error) {
	if err := c.Problems(); err != nil {
		return 0, err
	}
	v, err := c.verdict(ctx)
	if err != nil {
		return 0, err
	}
	if !c.JSON {
		return v.ExitCode(), v.WriteText(out)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return v.ExitCode(), enc.Encode(v)
}

func (c *checkCmd) verdict(ctx context.Context) (audit.Verdict, error) {
	o := audit.Options{
		MasterURL: c.MasterURL, BusinessURL: c.BusinessURL, VendorLedger: c.VendorLedger,
		RabbitManagementURL: c.RabbitManagement, RabbitVhost: c.RabbitVhost(),
		TemporalAddress: c.TemporalAddress, TemporalNamespace: c.TemporalNamespace,
		AllowQuarantined: c.AllowQuarantined, RequireAll: c.RequireAll, Skip: c.Skip, Wait: c.Wait,
	}
	if c.Online {
		return audit.Online(ctx, o, c.For)
	}
	return audit.Final(ctx, o)
}
