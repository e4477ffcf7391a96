package api

import (
	"context"
	"time"

	"github.com/xencrm/xencrm/internal/auth"
)

const keysPath = "/api/keys"

// keys makes, lists and revokes API keys.
type keys struct{ service Keys }

// keyView is a key as administrators see it: everything but its secret.
type keyView struct {
	KeyID      string   `json:"key_id" doc:"Names the key; not secret." example:"9f8e7d6c5b4a3921"`
	Name       string   `json:"name" doc:"What the key is for." example:"shop backend"`
	Role       string   `json:"role" doc:"viewer, editor or admin; empty for a key that has scopes only." example:"editor"`
	Scopes     []string `json:"scopes" nullable:"false" doc:"ingest, receipts." example:"[\"ingest\"]"`
	CreatedBy  string   `json:"created_by" doc:"Who made it." example:"key:9f8e7d6c5b4a3921"`
	CreatedAt  instant  `json:"created_at" doc:"Since when." example:"2025-09-14T12:00:00.000Z"`
	ExpiresAt  *instant `json:"expires_at" nullable:"true" doc:"Until when; null for ever." example:"2026-09-14T12:00:00.000Z"`
	LastUsedAt *instant `json:"last_used_at" nullable:"true" doc:"When it was last used, to the minute." example:"2025-09-14T12:00:00.000Z"`
	RevokedAt  *instant `json:"revoked_at" nullable:"true" doc:"When it was revoked." example:"2025-09-15T12:00:00.000Z"`
	RevokedBy  string   `json:"revoked_by,omitempty" doc:"Who revoked it." example:"key:9f8e7d6c5b4a3921"`
}

// madeKeyView is the one answer that holds the key itself.
type madeKeyView struct {
	Info keyView `json:"info" doc:"Everything else of the key."`
	Key  string  `json:"key" doc:"The key itself. It is shown this once and cannot be shown again." example:"xcrm_9f8e7d6c5b4a3921_…"`
}

type keyBody struct {
	Name      *string  `json:"name" required:"true" nullable:"false" maxLength:"255" doc:"What the key is for." example:"shop backend"`
	Role      *string  `json:"role,omitempty" nullable:"true" enum:"viewer,editor,admin" doc:"What the key may do in the console's sense; none if absent." example:"editor"`
	Scopes    []string `json:"scopes,omitempty" nullable:"true" enum:"ingest,receipts" doc:"ingest posts customers and orders, receipts posts delivery receipts." example:"[\"ingest\"]"`
	ExpiresAt *string  `json:"expires_at,omitempty" nullable:"true" format:"date-time" doc:"Until when, RFC 3339 with a zone; for ever if absent." example:"2026-09-14T12:00:00Z"`
}

type keyQuery struct {
	Limit  limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100." example:"10"`
	Cursor string     `query:"cursor" doc:"next_cursor of the page before." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

type keyID struct {
	ID string `path:"keyId" doc:"The key's id." example:"9f8e7d6c5b4a3921"`
}

func (k keys) list(ctx context.Context, in *keyQuery) (*reply[slice[keyView]], error) {
	limit, err := in.Limit.number()
	if err != nil {
		return nil, err
	}
	scope := []string{"keys"}
	after, err := positionOf(in.Cursor, scope)
	if err != nil {
		return nil, err
	}
	found, err := k.service.List(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	return sliced(found, viewKey, scope), nil
}

// create answers no repeat with the key: an answer that is kept would keep the secret.
func (k keys) create(ctx context.Context, in *struct{ Body jsonBody[keyBody] }) (*reply[answer[madeKeyView]], error) {
	said, err := in.Body.decode()
	if err != nil {
		return nil, err
	}
	input := auth.KeyInput{Name: deref(said.Name), Role: auth.Role(deref(said.Role))}
	for _, s := range said.Scopes {
		input.Scopes = append(input.Scopes, auth.Scope(s))
	}
	if said.ExpiresAt != nil {
		if input.ExpiresAt, err = time.Parse(time.RFC3339, *said.ExpiresAt); err != nil {
			return nil, refusedMember("expires_at", "must be a time with a zone, such as 2026-09-14T12:00:00Z")
		}
	}
	key, info, err := k.service.Create(ctx, principalOf(ctx), input)
	if err != nil {
		return nil, err
	}
	return ok(madeKeyView{Info: viewKey(info), Key: key.Reveal()}), nil
}

func (k keys) revoke(ctx context.Context, in *keyID) (*reply[answer[keyView]], error) {
	info, err := k.service.Revoke(ctx, principalOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return ok(viewKey(info)), nil
}

func viewKey(k auth.KeyInfo) keyView {
	return keyView{
		KeyID: k.ID, Name: k.Name, Role: string(k.Role), CreatedBy: k.CreatedBy, CreatedAt: instant{k.CreatedAt},
		Scopes:    convert(k.Scopes, func(s auth.Scope) string { return string(s) }),
		ExpiresAt: instantOrNull(k.ExpiresAt), LastUsedAt: instantOrNull(k.LastUsedAt), RevokedAt: instantOrNull(k.RevokedAt),
		RevokedBy: k.RevokedBy,
	}
}

func instantOrNull(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{t}
}
