package mcpserver

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/idempotency"
)

// confirmFor is how long a confirmation may be used: a person reads the dry run and says yes in a minute or
// two; after ten the audience is another one.
const confirmFor = 10 * time.Minute

// subject is what somebody has seen and says yes to. All of it is bound: whatever differs when the
// confirmation is used makes it worthless.
type subject struct {
	Tool       string    `json:"tool"`
	Principal  string    `json:"principal"`
	CampaignID uuid.UUID `json:"campaign_id"`
	// Version and Round tell one edit and one round of retries from the next.
	Version  int             `json:"version"`
	Round    int             `json:"round"`
	Rules    json.RawMessage `json:"rules"`
	Template string          `json:"template"`
	// People is how many it concerns.
	People int `json:"people"`
}

// ticket is what a confirmation says.
type ticket struct {
	// Nonce makes it one of its kind, so that it can be used up.
	Nonce   string    `json:"n"`
	Expires time.Time `json:"e"`
	// Sum is of the subject.
	Sum []byte `json:"s"`
}

// confirmations makes the values that stand before whatever sends or stops, and takes each once. They are
// signed and not kept: only which were used is, for all processes, and for longer than any is valid.
type confirmations struct {
	key  []byte
	used idempotency.Store
	now  func() time.Time
	log  *slog.Logger
}

func (c confirmations) make(s subject) (value string, expires time.Time) {
	t := ticket{Nonce: rand.Text(), Expires: c.now().Add(confirmFor).UTC().Truncate(time.Second), Sum: s.sum()}
	raw, err := json.Marshal(t)
	if err != nil {
		panic("mcpserver: encode a confirmation: " + err.Error()) // it holds nothing that JSON cannot express
	}
	return base64.RawURLEncoding.EncodeToString(raw) + "." + base64.RawURLEncoding.EncodeToString(c.sign(raw)), t.Expires
}

// take uses the value up for the subject and then does what was confirmed. What may not have been
// done gives the value back. again names the tool that makes a new one.
func (c confirmations) take(ctx context.Context, value string, s subject, again string, do func() error) error {
	t, err := c.open(value, again)
	if err != nil {
		return err
	}
	if !hmac.Equal(t.Sum, s.sum()) {
		return errs.Errorf(errs.Conflict, "this confirm value is for something else, or what it was given for has changed since "+
			"(the campaign, its rules, its template or the number of people): call %s again, show the person what it says, "+
			"and use its confirm value", again)
	}
	use := idempotency.Request{Owner: "mcp-confirm", Key: t.Nonce, Fingerprint: idempotency.Fingerprint(t.Sum)}
	earlier, err := c.used.Claim(ctx, use)
	switch {
	case errors.Is(err, idempotency.ErrRunning) || earlier != nil:
		return errs.Errorf(errs.Conflict, "this confirm value was used already: look at the campaign before you call %s for a new one", again)
	case err != nil:
		return err
	}
	// The client may stop waiting meanwhile; what becomes of the value is decided all the same.
	after := context.WithoutCancel(ctx)
	if err = do(); errs.Is(err, errs.Unknown) {
		// The same yes may be said again: if it was done after all, the campaign's state refuses the repeat.
		c.note(c.used.Release(after, use))
		return err
	}
	c.note(c.used.Settle(after, use, idempotency.Answer{Status: http.StatusOK, Body: []byte("{}")}))
	return err
}

// note logs what could not be written of a value. One that seems unused by that is refused all the same: the
// campaign is not what it was.
func (c confirmations) note(err error) {
	if err != nil {
		c.log.Warn("use of a confirmation not recorded", "error", err)
	}
}

func (c confirmations) open(value, again string) (ticket, error) {
	if value == "" {
		return ticket{}, errs.Errorf(errs.Invalid, "this needs the confirm value of %s: call it, show the person what it says, "+
			"and repeat this call with the value once the person agrees", again)
	}
	refusal := errs.Errorf(errs.Invalid, "this confirm value was not given out here: call %s and use its confirm value as it is", again)
	body, mac, found := strings.Cut(value, ".")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	signature, err2 := base64.RawURLEncoding.DecodeString(mac)
	if !found || err != nil || err2 != nil || !hmac.Equal(signature, c.sign(raw)) {
		return ticket{}, refusal
	}
	var t ticket
	if json.Unmarshal(raw, &t) != nil {
		return ticket{}, refusal
	}
	if !c.now().Before(t.Expires) {
		return ticket{}, errs.Errorf(errs.Conflict, "this confirm value has expired (they are valid for %s): call %s again", confirmFor, again)
	}
	return t, nil
}

func (c confirmations) sign(raw []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte("xencrm mcp confirmation\x00")) // the key signs nothing else under this prefix
	h.Write(raw)
	return h.Sum(nil)
}

func (s subject) sum() []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("mcpserver: encode what is confirmed: " + err.Error()) // rules were validated when they were stored
	}
	sum := sha256.Sum256(raw)
	return sum[:]
}
