package workflows_test

import (
	"log/slog"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
)

// quiet keeps thousands of lines of the SDK out of a test's output.
func quiet() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

func converterOf() converter.DataConverter { return converter.GetDefaultDataConverter() }

// Short names for what the tests of pages say often.
type (
	activityInfo = activity.Info
	args         = converter.EncodedValues
)
