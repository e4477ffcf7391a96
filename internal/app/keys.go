package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/cursor"
)

// operator is who makes keys on the command line: somebody who may reach the database.
const operator = "operator"

// CreateKey makes an API key and prints it, alone on its line, so that a script can take it.
func CreateKey(ctx context.Context, cfg config.Keys, in auth.KeyInput, out io.Writer, log *slog.Logger) error {
	return withKeys(ctx, cfg, log, func(a *auth.KeyAdmin) error {
		key, _, err := a.Create(ctx, operator, in)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, key.Reveal())
		return err
	})
}

// ListKeys prints every key, without its secret.
func ListKeys(ctx context.Context, cfg config.Keys, out io.Writer, log *slog.Logger) error {
	return withKeys(ctx, cfg, log, func(a *auth.KeyAdmin) error {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tROLE\tSCOPES\tCREATED\tEXPIRES\tLAST USED\tREVOKED")
		const page = 100 // as the API's longest
		for after := (cursor.Position{}); ; {
			got, err := a.List(ctx, after, page)
			if err != nil {
				return err
			}
			for _, k := range got.Items {
				fmt.Fprintf(w, "%s\t%s\t%s\t%v\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Role, k.Scopes,
					day(k.CreatedAt), day(k.ExpiresAt), day(k.LastUsedAt), day(k.RevokedAt))
			}
			if after = got.Next; after.IsZero() {
				return w.Flush()
			}
		}
	})
}

// RevokeKey ends a key; revoking it again changes nothing.
func RevokeKey(ctx context.Context, cfg config.Keys, id string, log *slog.Logger) error {
	return withKeys(ctx, cfg, log, func(a *auth.KeyAdmin) error {
		_, err := a.Revoke(ctx, operator, id)
		return err
	})
}

func withKeys(ctx context.Context, cfg config.Keys, log *slog.Logger, do func(*auth.KeyAdmin) error) error {
	r := newRole("keys", log)
	defer r.close()
	pool, err := r.open(ctx, businessSchema(cfg.BusinessURL))
	if err != nil {
		return err
	}
	return do(auth.NewKeyAdmin(business.New(pool), time.Now))
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateTime)
}
