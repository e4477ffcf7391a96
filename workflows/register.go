package workflows

import "go.temporal.io/sdk/workflow"

// registry is what a worker, a test environment and a replayer have in common.
type registry interface {
	RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions)
}

// Names of the workflows on the wire.
const (
	CampaignWorkflowName   = "CampaignWorkflow"
	LaneWorkflowName       = "LaneWorkflow"
	OccurrenceWorkflowName = "OccurrenceWorkflow"
)

// Register makes the workflows known under their wire names.
func Register(r registry) {
	r.RegisterWorkflowWithOptions(CampaignWorkflow, workflow.RegisterOptions{Name: CampaignWorkflowName})
	r.RegisterWorkflowWithOptions(LaneWorkflow, workflow.RegisterOptions{Name: LaneWorkflowName})
	r.RegisterWorkflowWithOptions(OccurrenceWorkflow, workflow.RegisterOptions{Name: OccurrenceWorkflowName})
}
