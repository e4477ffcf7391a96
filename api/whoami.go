package api

import (
	"context"

	"github.com/xencrm/xencrm/internal/auth"
)

// callerView is the caller as the caller may see himself.
type callerView struct {
	ID     string   `json:"id" doc:"What created_by and updated_by say of the caller." example:"key:9f8e7d6c5b4a3921"`
	Kind   string   `json:"kind" doc:"user, key, or anonymous while authentication is off." example:"user"`
	Role   string   `json:"role" doc:"viewer, editor or admin; empty for none." example:"editor"`
	Scopes []string `json:"scopes" nullable:"false" doc:"The scopes of a key." example:"[\"ingest\"]"`
	Email  string   `json:"email,omitempty" doc:"A user's e-mail address." example:"asha@shop.in"`
	Name   string   `json:"name,omitempty" doc:"A user's name." example:"Asha Rao"`
}

func whoAmI(ctx context.Context, _ *struct{}) (*reply[answer[callerView]], error) {
	p, known := auth.FromContext(ctx)
	if !known {
		p = auth.Anonymous()
	}
	return ok(callerView{
		ID: p.ID(), Kind: string(p.Kind), Role: string(p.Role), Email: string(p.Email), Name: string(p.Name),
		Scopes: convert(p.Scopes, func(s auth.Scope) string { return string(s) }),
	}), nil
}

// auditLog shows who asked for which change.
type auditLog struct{ service AuditLog }

// entryView is one line of the audit log.
type entryView struct {
	ID        int64   `json:"id" doc:"Rises with time." example:"42"`
	At        instant `json:"at" doc:"When it was asked for." example:"2025-09-14T12:00:00.000Z"`
	Principal string  `json:"principal" doc:"Who asked." example:"key:9f8e7d6c5b4a3921"`
	Operation string  `json:"operation" doc:"What was asked for: an operation of this document, or a tool." example:"pauseCampaign"`
	Target    string  `json:"target" doc:"The id that the request named, if it named one." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	RequestID string  `json:"request_id" doc:"The request." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Status    *int    `json:"status" nullable:"true" doc:"What it was answered; null if the process ended before that." example:"200"`
}

type auditQuery struct {
	Principal string     `query:"principal" doc:"Only what this caller asked for." example:"key:9f8e7d6c5b4a3921"`
	Limit     limitParam `query:"limit" doc:"Records per page; more than 100 is taken as 100." example:"10"`
	Cursor    string     `query:"cursor" doc:"next_cursor of the page before, with the same filter." example:"eyJpIjoiMDE5N2U1YjUifQ"`
}

func (a auditLog) list(ctx context.Context, in *auditQuery) (*reply[slice[entryView]], error) {
	limit, err := in.Limit.number()
	if err != nil {
		return nil, err
	}
	scope := []string{"audit", in.Principal}
	after, err := positionOf(in.Cursor, scope)
	if err != nil {
		return nil, err
	}
	found, err := a.service.List(ctx, in.Principal, after, limit)
	if err != nil {
		return nil, err
	}
	return sliced(found, viewEntry, scope), nil
}

func viewEntry(e auth.Entry) entryView {
	v := entryView{
		ID: e.ID, At: instant{e.At}, Principal: e.Principal, Operation: e.Operation, Target: e.Target, RequestID: e.RequestID,
	}
	if e.Status != 0 {
		v.Status = &e.Status
	}
	return v
}
