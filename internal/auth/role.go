package auth

import "slices"

// Permission is one action on one sort of thing, as "things:action".
type Permission string

// The permissions. A route, a tool or a command asks for exactly one.
const (
	// ReadSegments covers lists, single segments and the counting of an audience.
	ReadSegments Permission = "segments:read"
	// WriteSegments covers making, changing and deleting.
	WriteSegments Permission = "segments:write"
	// ReadCampaigns covers lists, single campaigns and their progress.
	ReadCampaigns Permission = "campaigns:read"
	// WriteCampaigns covers drafts.
	WriteCampaigns Permission = "campaigns:write"
	// ControlCampaigns covers what reaches recipients: launch, pause, resume, cancel, rate, retry.
	ControlCampaigns Permission = "campaigns:control"
	// ReadStats covers sums that name nobody.
	ReadStats Permission = "stats:read"
	// ReadCustomers covers whatever shows personal data, such as a sample of an audience.
	ReadCustomers Permission = "customers:read"
	// ChangeCustomers covers changes of stored customers and orders, and suppressions.
	ChangeCustomers Permission = "customers:change"
	// EraseCustomers covers what cannot be undone.
	EraseCustomers Permission = "customers:erase"
	// WriteCustomers covers the ingestion of customers.
	WriteCustomers Permission = "customers:write"
	// WriteOrders covers the ingestion of orders.
	WriteOrders Permission = "orders:write"
	// WriteReceipts covers the vendor's delivery receipts.
	WriteReceipts Permission = "receipts:write"
	// ManageKeys covers making, listing and revoking API keys.
	ManageKeys Permission = "keys:manage"
	// ReplayDeadLetters covers looking at parked messages and sending them again.
	ReplayDeadLetters Permission = "deadletters:replay"
	// ReadAuditLog covers who did what.
	ReadAuditLog Permission = "auditlog:read"
)

// Role is what a person is to the system. Each role includes the ones before it.
type Role string

// The roles, from the least to the most.
const (
	// NoRole is somebody who is known and may do nothing.
	NoRole Role = ""
	// Viewer sees definitions and numbers, and no personal data.
	Viewer Role = "viewer"
	// Editor makes segments and campaigns, and sends them.
	Editor Role = "editor"
	// Admin manages keys and repairs, besides.
	Admin Role = "admin"
)

// Scope is a narrow right of an API key.
type Scope string

// The scopes.
const (
	// Ingest posts customers and orders.
	Ingest Scope = "ingest"
	// Receipts posts delivery receipts.
	Receipts Scope = "receipts"
)

// Roles lists the roles from the least to the most.
func Roles() []Role { return []Role{Viewer, Editor, Admin} }

// Scopes lists the scopes.
func Scopes() []Scope { return []Scope{Ingest, Receipts} }

// Valid reports whether r is one of the roles; NoRole is not.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Valid reports whether s is one of the scopes.
func (s Scope) Valid() bool { return slices.Contains(Scopes(), s) }

// rolePermissions and scopePermissions are the whole table of who may do what.
func rolePermissions(r Role) []Permission {
	viewer := []Permission{ReadSegments, ReadCampaigns, ReadStats}
	editor := slices.Concat(viewer, []Permission{WriteSegments, WriteCampaigns, ControlCampaigns, ReadCustomers, ChangeCustomers})
	switch r {
	case Viewer:
		return viewer
	case Editor:
		return editor
	case Admin:
		return slices.Concat(editor, []Permission{
			EraseCustomers, WriteCustomers, WriteOrders, WriteReceipts, ManageKeys, ReplayDeadLetters, ReadAuditLog,
		})
	case NoRole:
		return nil
	}
	return nil
}

func scopePermissions(s Scope) []Permission {
	switch s {
	case Ingest:
		return []Permission{WriteCustomers, WriteOrders}
	case Receipts:
		return []Permission{WriteReceipts}
	}
	return nil
}
