// Package workflows runs campaigns. It is deterministic code only: no I/O, no clock but the
// workflow's, no environment; everything that touches the world is an activity.
//
//	CampaignWorkflow  campaign-<id>
//	  │ wait for scheduled_at (timer)
//	  │ ResolveAudience            one activity, heartbeats; messages 1..n stand in the ledger
//	  │ send ── n <= 500: one lane inline ── else LaneWorkflow × 2..16, each a range of 1..n
//	  │           └ window of 45 SendMessage{campaign, seq}, eager
//	  │ receipts ── signals with absolute totals; a timer reads them again if signals were lost
//	  └ FinalizeCampaign           refuses books that do not balance
//
// Histories hold ids and numbers only. The budget is 5,000 events a run: a lane continues as new
// near 3,000, the campaign asks its lanes to drain and does the same.
//
// To change a workflow safely: put the change behind a version in versions.go and record a history
// with it (see replay_test.go). The names of workflows, activities, signals, updates and queries are
// wire names.
package workflows
