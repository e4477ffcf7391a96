package workflows

// Changes of command order go behind workflow.GetVersion with a constant of this file, one comment
// each, and arrive with a recorded history. There is none yet: every recorded history replays on the
// first version of the code. What only campaigns with a new input do needs no version: no recorded
// history has that input (the send window is one, see window.go).
