package main

import (
	"context"
	"os"
	"time"

	"github.com/xencrm/xencrm/internal/app"
	"github.com/xencrm/xencrm/internal/auth"
	"github.com/xencrm/xencrm/internal/config"
)

type keysCmd struct {
	Create createKeyCmd `cmd:"" help:"Make an API key and print it; it is shown this once."`
	List   listKeysCmd  `cmd:"" help:"List API keys."`
	Revoke revokeKeyCmd `cmd:"" help:"Revoke an API key, everywhere within a second."`
}

type createKeyCmd struct {
	config.Keys `embed:""`

	Name    string        `required:"" help:"What the key is for."`
	Role    string        `default:"" enum:",viewer,editor,admin" help:"viewer, editor or admin."`
	Scope   []string      `enum:"ingest,receipts" help:"ingest, receipts; may be given twice."`
	Expires time.Duration `help:"For how long, as 720h; for ever if absent."`
}

// Run makes the key.
func (c *createKeyCmd) Run(ctx context.Context) error {
	in := auth.KeyInput{Name: c.Name, Role: auth.Role(c.Role)}
	for _, s := range c.Scope {
		in.Scopes = append(in.Scopes, auth.Scope(s))
	}
	if c.Expires != 0 {
		in.ExpiresAt = time.Now().Add(c.Expires)
	}
	return app.CreateKey(ctx, c.Keys, in, os.Stdout, app.NewLogger("keys", c.Env))
}

type listKeysCmd struct {
	config.Keys `embed:""`
}

// Run lists the keys.
func (c *listKeysCmd) Run(ctx context.Context) error {
	return app.ListKeys(ctx, c.Keys, os.Stdout, app.NewLogger("keys", c.Env))
}

type revokeKeyCmd struct {
	config.Keys `embed:""`

	ID string `arg:"" help:"The key's id, as keys list shows it."`
}

// Run revokes the key.
func (c *revokeKeyCmd) Run(ctx context.Context) error {
	return app.RevokeKey(ctx, c.Keys, c.ID, app.NewLogger("keys", c.Env))
}
