package api

import (
	"net/http"
	"slices"
)

// The sections of the document, in its order.
const (
	tagIngest       = "Ingest"
	tagCustomers    = "Customers"
	tagOrders       = "Orders"
	tagSuppressions = "Suppressions"
	tagSegments     = "Segments"
	tagCampaigns    = "Campaigns"
	tagSchedules    = "Schedules"
	tagFigures      = "Figures"
	tagAccess       = "Access"
	tagHealth       = "Health"
)

// words are what an operation says of itself.
type words struct {
	tag     string
	summary string
	// failure is shown when the fault is ours; the reference has one such text for every route.
	failure string
	// errors are the statuses that the operation has beyond those that follow from its shape.
	errors []int
}

// wordsOf gives the words of an operation by its id.
func wordsOf(id string) words {
	for _, more := range []map[string]words{peopleWords(), draftWords(), scheduleWords()} {
		if w, ok := more[id]; ok {
			return w
		}
	}
	absent, conflict, away := []int{http.StatusNotFound}, []int{http.StatusConflict}, []int{http.StatusServiceUnavailable}
	return map[string]words{
		"health": {tagHealth, "The reference's health answer, but true", "Failed to look", nil},
		"alive":  {tagHealth, "Whether the process lives", "Failed to look", nil},
		"ready":  {tagHealth, "Whether every dependency answers", "Failed to look", away},

		"postCustomer": {
			tagIngest, "Queue a new or changed customer", "Internal server error while processing customer data", nil,
		},
		"postOrder": {tagIngest, "Queue an order", "Internal server error while processing order data", absent},
		"postReceipts": {
			tagIngest, "Take delivery receipts of the vendor, signed as Standard Webhooks describe",
			"Failed to take receipts",
			[]int{http.StatusUnauthorized},
		},

		"listSegments":   {tagSegments, "List all segments, newest first", "Failed to fetch segments", nil},
		"createSegment":  {tagSegments, "Save a segment", "Failed to create segment", nil},
		"countAudience":  {tagSegments, "Count the customers that rules match", "Failed to preview audience size", nil},
		"sampleAudience": {tagSegments, "Show some customers that rules match", "Failed to get sample customers", nil},
		"getSegment":     {tagSegments, "Get one segment", "Failed to fetch segment", nil},
		"updateSegment":  {tagSegments, "Replace a segment", "Failed to update segment", []int{http.StatusPreconditionFailed}},
		"deleteSegment":  {tagSegments, "Delete a segment that no campaign uses", "Failed to delete segment", conflict},

		"listCampaigns": {tagCampaigns, "List campaigns, newest first", "Failed to fetch campaigns", nil},
		"createCampaign": {
			tagCampaigns, "Create a campaign and launch it", "Failed to create campaign",
			slices.Concat(absent, conflict),
		},
		"getCampaign":    {tagCampaigns, "Get one campaign with its books", "Failed to fetch campaign", nil},
		"getProgress":    {tagCampaigns, "Get how far a campaign is", "Failed to fetch progress", nil},
		"pauseCampaign":  {tagCampaigns, "Stop new sends; those in flight finish", "Failed to pause campaign", conflict},
		"resumeCampaign": {tagCampaigns, "Go on where pause stopped", "Failed to resume campaign", conflict},
		"cancelCampaign": {tagCampaigns, "Send no more; book the rest as cancelled", "Failed to cancel campaign", conflict},
		"setRate":        {tagCampaigns, "Change the pace", "Failed to change the rate", conflict},
		"retryFailed": {
			tagCampaigns, "Send again what failed for a reason that may pass", "Failed to retry campaign", conflict,
		},

		"listMessages": {tagCampaigns, "List what became of a campaign's recipients", "Failed to fetch messages", nil},
		"getMessage": {
			tagCampaigns, "Say why one customer did, or did not, get a campaign's message", "Failed to fetch message", nil,
		},
		"exportMessages": {tagCampaigns, "Download what became of a campaign's recipients, as CSV", "Failed to export messages", nil},
		"followCampaign": {tagCampaigns, "Follow a campaign's progress as server-sent events", "Failed to follow campaign", nil},

		"listKeys":     {tagAccess, "List API keys, oldest first", "Failed to fetch API keys", nil},
		"createKey":    {tagAccess, "Make an API key, which is shown once", "Failed to make API key", nil},
		"revokeKey":    {tagAccess, "Revoke an API key, everywhere within a second", "Failed to revoke API key", nil},
		"listAuditLog": {tagAccess, "List who asked for which change, newest first", "Failed to fetch the audit log", nil},
		"whoAmI":       {tagAccess, "Say who the caller is", "Failed to look", nil},

		"campaignStats": {tagFigures, "The newest campaigns with their results", "Failed to fetch", nil},
		"dashboard":     {tagFigures, "Customers, newest synchronised first", "Failed to fetch logs", nil},
	}[id]
}

// draftWords are those of campaigns before their launch.
func draftWords() map[string]words {
	conflict := []int{http.StatusConflict}
	return map[string]words{
		"dryRun": {
			tagCampaigns, "Say what a campaign would come to: the audience, who is skipped, some messages; stores nothing",
			"Failed to try the campaign out",
			[]int{http.StatusNotFound},
		},
		"testSend": {
			tagCampaigns, "Send a message to one address, to look at it; it belongs to no campaign", "Failed to send the test",
			[]int{http.StatusNotFound, http.StatusConflict},
		},
		"editCampaign": {
			tagCampaigns, "Change a draft; the segment's rules are frozen anew", "Failed to change campaign",
			[]int{http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		},
		"deleteCampaign": {tagCampaigns, "Delete a draft; a launched campaign stays with its books", "Failed to delete campaign", conflict},
		"launchCampaign": {
			tagCampaigns, "Launch a draft", "Failed to launch campaign",
			[]int{http.StatusConflict, http.StatusPreconditionFailed},
		},
		"duplicateCampaign": {
			tagCampaigns, "Make a draft that says what a campaign says", "Failed to duplicate campaign", nil,
		},
	}
}

// scheduleWords are those of campaigns that come again.
func scheduleWords() map[string]words {
	absent := []int{http.StatusNotFound}
	return map[string]words{
		"listSchedules":  {tagSchedules, "List recurring campaigns, newest first", "Failed to fetch schedules", nil},
		"createSchedule": {tagSchedules, "Make a recurring campaign", "Failed to create schedule", absent},
		"getSchedule":    {tagSchedules, "Get one recurring campaign and when it comes next", "Failed to fetch schedule", nil},
		"replaceSchedule": {
			tagSchedules, "Change a recurring campaign; campaigns that it has made stay", "Failed to change schedule",
			[]int{http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		},
		"deleteSchedule":  {tagSchedules, "End a recurring campaign; campaigns that it has made go on", "Failed to delete schedule", nil},
		"pauseSchedule":   {tagSchedules, "Let no occurrence come until it is resumed", "Failed to pause schedule", nil},
		"resumeSchedule":  {tagSchedules, "Let occurrences come again; those of the pause do not", "Failed to resume schedule", nil},
		"triggerSchedule": {tagSchedules, "Launch the campaign of an occurrence now", "Failed to launch the occurrence", nil},
	}
}

// peopleWords are those of customers, orders and suppressions.
func peopleWords() map[string]words {
	invalid := []int{http.StatusUnprocessableEntity}
	return map[string]words{
		"listCustomers": {tagCustomers, "List customers by status and by how address or name begin", "Failed to fetch customers", nil},
		"getCustomer":   {tagCustomers, "Get one customer with its totals and last orders", "Failed to fetch customer", nil},
		"editCustomer": {
			tagCustomers, "Change name, phone or status of a customer", "Failed to change customer",
			[]int{http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		},
		"deactivateCustomer": {tagCustomers, "Make a customer INACTIVE", "Failed to deactivate customer", nil},
		"eraseCustomer": {
			tagCustomers, "Erase a customer: everything personal goes, the orders and the books stay", "Failed to erase customer", nil,
		},
		"importCustomers": {
			tagCustomers, "Import customers from a CSV file, by the rules of POST /customers", "Failed to import customers",
			[]int{
				http.StatusRequestTimeout, http.StatusConflict, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
				http.StatusTooManyRequests,
			},
		},
		"getImport":        {tagCustomers, "Get how far an import is", "Failed to fetch import", nil},
		"listImportErrors": {tagCustomers, "List what is wrong with rows of an import, in the file's order", "Failed to fetch errors", nil},
		"exportCustomers": {
			tagCustomers, "Export customers as the CSV file that an import reads", "Failed to export customers", nil,
		},
		"listOrders": {tagOrders, "List orders, the last ordered first", "Failed to fetch orders", nil},
		"getOrder":   {tagOrders, "Get one order", "Failed to fetch order", nil},
		"moveOrder": {
			tagOrders, "Give an order a later status; the customer's totals follow", "Failed to change order", []int{http.StatusConflict},
		},

		"listSuppressions": {
			tagSuppressions, "List the addresses that are not written to", "Failed to fetch suppressions", invalid,
		},
		"addSuppression": {
			tagSuppressions, "Suppress an address; 200 if it was already", "Failed to suppress the address", nil,
		},
		"removeSuppression": {
			tagSuppressions, "Let an address be written to again", "Failed to remove the suppression", invalid,
		},
	}
}

// describe names the problem types that a status can carry.
func describe(status int) string {
	return map[int]string{
		http.StatusBadRequest: "The request cannot be read (`" + typeMalformed +
			"`) or breaks a rule of the reference (`" + typeValidation + "`).",
		http.StatusUnauthorized:          "No valid credential (`" + typeUnauthorize + "`).",
		http.StatusForbidden:             "The credential does not allow it (`" + typeForbidden + "`).",
		http.StatusNotFound:              "There is no such thing (`" + typeNotFound + "`).",
		http.StatusConflict:              "The state forbids it (`" + typeConflict + "`).",
		http.StatusPreconditionFailed:    "It has changed since it was read (`" + typePrecondition + "`); read it again.",
		http.StatusPreconditionRequired:  "The change needs If-Match (`" + typeRequired + "`).",
		http.StatusRequestTimeout:        "The body did not come in time (`" + typeTimeout + "`).",
		http.StatusRequestEntityTooLarge: "The body is too large (`" + typeTooLarge + "`).",
		http.StatusUnsupportedMediaType:  "The body is not plain JSON (`" + typeMediaType + "`).",
		http.StatusUnprocessableEntity:   "The input is well-formed but not valid (`" + typeValidation + "`).",
		http.StatusTooManyRequests:       "Too many requests (`" + typeRateLimited + "`); see Retry-After.",
		http.StatusInternalServerError:   "A fault of ours (`" + typeInternal + "`).",
		http.StatusServiceUnavailable: "A dependency is away and nothing was changed (`" + typeUnavailable +
			"`), or the outcome is not known (`" + typeUnknown + "`); see Retry-After.",
	}[status]
}
