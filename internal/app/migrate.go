package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/runner"
	"github.com/xencrm/xencrm/workflows"
)

// Migrate brings both databases to this binary's schema and registers the search attributes that
// campaigns carry. A second run, also at the same time, changes nothing.
func Migrate(ctx context.Context, cfg config.Migrate, log *slog.Logger) error {
	r := newRole("migrate", log)
	defer r.close()
	for _, d := range []struct {
		what, dsn string
		steps     fs.FS
	}{
		{"master database", cfg.MasterURL, master.Migrations()},
		{"business database", cfg.BusinessURL, business.Migrations()},
	} {
		err := runner.Retry(ctx, log, d.what, errs.Retryable, func(ctx context.Context) error {
			n, err := db.Migrate(ctx, d.dsn, d.steps)
			if err == nil {
				log.InfoContext(ctx, "migrated", "database", d.what, "steps", n)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", d.what, err)
		}
	}
	if cfg.SkipTemporal {
		return nil
	}
	c, err := r.dial(cfg.Temporal)
	if err != nil {
		return err
	}
	always := func(error) bool { return ctx.Err() == nil }
	return runner.Retry(ctx, log, "Temporal", always, func(ctx context.Context) error {
		return registerAttributes(ctx, c, cfg.TemporalNamespace)
	})
}

// registerAttributes makes the search attributes known to the namespace, those that it lacks.
func registerAttributes(ctx context.Context, c client.Client, namespace string) error {
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list search attributes: %w", err)
	}
	missing := map[string]enums.IndexedValueType{}
	for _, name := range []string{workflows.AttrCampaignStatus, workflows.AttrCampaignName, workflows.AttrSegmentID} {
		if _, ok := have.GetCustomAttributes()[name]; !ok {
			missing[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	if _, exists := errors.AsType[*serviceerror.AlreadyExists](err); exists {
		return nil
	}
	if err != nil {
		return fmt.Errorf("add search attributes: %w", err)
	}
	return nil
}
