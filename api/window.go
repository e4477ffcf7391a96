package api

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/xencrm/xencrm/internal/campaign"
)

// windowView is a send window as clients see it.
type windowView struct {
	From     string `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"When it opens each day." example:"09:00"`
	To       string `json:"to" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"When it closes; on the next day if that is not after from." example:"20:00"`
	TimeZone string `json:"time_zone" doc:"Whose clock that is: an IANA name." example:"Asia/Kolkata"`
}

// windowBody is a send window as clients say it. Its members are pointers so that an edit may name some of
// them, decoded over those that there are.
type windowBody struct {
	From     *string `json:"from"`
	To       *string `json:"to"`
	TimeZone *string `json:"time_zone"`
}

// Schema documents it: null is no window.
func (windowBody) Schema(r huma.Registry) *huma.Schema { return orNull[windowView]{}.Schema(r) }

// windowOf leaves it to the service to say what is wrong with a window.
func windowOf(said *windowBody) *campaign.SendWindow {
	if said == nil {
		return nil
	}
	return &campaign.SendWindow{From: deref(said.From), To: deref(said.To), TimeZone: deref(said.TimeZone)}
}
