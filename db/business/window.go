package business

import (
	"encoding/json"
	"fmt"

	"github.com/xencrm/xencrm/internal/campaign"
)

// windowColumn is a send window as the column holds it; nil is NULL.
func windowColumn(w *campaign.SendWindow) json.RawMessage {
	if w == nil {
		return nil
	}
	raw, err := json.Marshal(w)
	if err != nil {
		panic(fmt.Sprintf("encode send window: %v", err)) // three texts, so this cannot happen
	}
	return raw
}

// windowOf gives what the column says. Nothing else than windowColumn writes it; what cannot be read is
// shown as an empty window, which nobody can send in.
func windowOf(raw json.RawMessage) *campaign.SendWindow {
	if raw == nil {
		return nil
	}
	var w campaign.SendWindow
	if err := json.Unmarshal(raw, &w); err != nil {
		return &campaign.SendWindow{}
	}
	return &w
}

// hoursOf reads the column for sending; nil is at any time.
func hoursOf(raw json.RawMessage) (*campaign.Hours, error) {
	w := windowOf(raw)
	if w == nil {
		return nil, nil //nolint:nilnil // nil hours are always open
	}
	hours, err := w.Hours()
	if err != nil {
		return nil, fmt.Errorf("stored %w", err)
	}
	return hours, nil
}
