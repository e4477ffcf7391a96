package api

import "github.com/xencrm/xencrm/internal/auth"

const (
	// public is what everybody may ask.
	public auth.Permission = "public"
	// optional is what nobody needs a credential for, and some have one.
	optional auth.Permission = "optional"
	// signedIn is what everybody may ask who is known.
	signedIn auth.Permission = "signed-in"
)

// accessOf is the whole table of which operation needs which permission. One that it lacks is refused,
// and a test finds it.
func accessOf(operation string) (auth.Permission, bool) {
	needed, ok := map[string]auth.Permission{
		"health": public, "alive": public, "ready": public,

		"postCustomer": auth.WriteCustomers,
		"postOrder":    auth.WriteOrders,
		// The vendor signs its receipts; a key with the scope does as well.
		"postReceipts": optional,

		"listCustomers": auth.ReadCustomers, "getCustomer": auth.ReadCustomers, "editCustomer": auth.ChangeCustomers,
		"deactivateCustomer": auth.ChangeCustomers, "eraseCustomer": auth.EraseCustomers,
		"importCustomers": auth.WriteCustomers, "getImport": auth.WriteCustomers, "listImportErrors": auth.WriteCustomers,
		"exportCustomers": auth.ReadCustomers,
		"listOrders":      auth.ReadCustomers, "getOrder": auth.ReadCustomers, "moveOrder": auth.ChangeCustomers,
		"listSuppressions": auth.ReadCustomers, "addSuppression": auth.ChangeCustomers, "removeSuppression": auth.ChangeCustomers,

		"listSegments": auth.ReadSegments, "getSegment": auth.ReadSegments, "countAudience": auth.ReadSegments,
		"sampleAudience": auth.ReadCustomers,
		"createSegment":  auth.WriteSegments, "updateSegment": auth.WriteSegments, "deleteSegment": auth.WriteSegments,

		"listCampaigns": auth.ReadCampaigns, "getCampaign": auth.ReadCampaigns, "getProgress": auth.ReadCampaigns,
		"followCampaign": auth.ReadCampaigns,
		// They name the people that a campaign writes to.
		"listMessages": auth.ReadCustomers, "getMessage": auth.ReadCustomers, "exportMessages": auth.ReadCustomers,
		// It launches unless it is told to make a draft, so it asks for more than a draft needs.
		"createCampaign": auth.ControlCampaigns, "launchCampaign": auth.ControlCampaigns,
		"pauseCampaign": auth.ControlCampaigns, "resumeCampaign": auth.ControlCampaigns, "cancelCampaign": auth.ControlCampaigns,
		"dryRun":       auth.ReadCustomers,    // it shows messages
		"testSend":     auth.ControlCampaigns, // it reaches somebody
		"editCampaign": auth.WriteCampaigns, "deleteCampaign": auth.WriteCampaigns, "duplicateCampaign": auth.WriteCampaigns,
		"setRate": auth.ControlCampaigns, "retryFailed": auth.ControlCampaigns,

		"listSchedules": auth.ReadCampaigns, "getSchedule": auth.ReadCampaigns,
		// What they make is launched.
		"createSchedule": auth.ControlCampaigns, "replaceSchedule": auth.ControlCampaigns, "deleteSchedule": auth.ControlCampaigns,
		"pauseSchedule": auth.ControlCampaigns, "resumeSchedule": auth.ControlCampaigns, "triggerSchedule": auth.ControlCampaigns,

		"campaignStats": auth.ReadStats,
		"dashboard":     auth.ReadCustomers,

		"whoAmI":   signedIn,
		"listKeys": auth.ManageKeys, "createKey": auth.ManageKeys, "revokeKey": auth.ManageKeys,
		"listAuditLog": auth.ReadAuditLog,
	}[operation]
	return needed, ok
}

// audited reports whether the operation's changes are in the audit log. Ingest is not: it comes by the
// thousand a second, and every message of it is kept with its sender's name already.
func audited(method, operation string) bool {
	switch operation {
	case "postCustomer", "postOrder", "postReceipts":
		return false
	case "countAudience", "dryRun": // they ask with a body, and change nothing
		return false
	}
	return unsafeMethod(method)
}
