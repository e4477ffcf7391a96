package workflows_test

import "go.temporal.io/sdk/converter"

func converterOf() converter.DataConverter { return converter.GetDefaultDataConverter() }
