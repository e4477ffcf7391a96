package workflows

import "github.com/xencrm/xencrm/activities"

// act is a typed nil: it names activities to the SDK and is never called.
var act *activities.Activities
