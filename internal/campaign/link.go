package campaign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/errs"
)

// UnsubscribePath is where the links of messages lead, under the public address: people and their mail
// programs call it, so it is short and of no version.
const UnsubscribePath = "/u/"

// Links makes and reads the links that messages carry. A link names the customer and the campaign by
// their ids, holds nothing personal, and cannot be made without the secret. It does not expire: whoever
// finds an old message may unsubscribe.
type Links struct {
	base string
	key  []byte
}

// NewLinks makes links under the public address of the API.
func NewLinks(publicURL, secret string) Links {
	return Links{base: strings.TrimSuffix(publicURL, "/") + UnsubscribePath, key: []byte(secret)}
}

// Link is what a link says.
type Link struct {
	CampaignID uuid.UUID
	CustomerID uuid.UUID
}

// Parts of a token: the layout's version, two ids, the code.
const (
	tokenVersion = 1
	tokenIDs     = 1 + 16 + 16
	tokenLength  = tokenIDs + sha256.Size
)

// Unsubscribe gives the address at which a customer unsubscribes.
func (l Links) Unsubscribe(campaignID, customerID uuid.UUID) string {
	token := make([]byte, 0, tokenLength)
	token = append(token, tokenVersion)
	token = append(token, campaignID[:]...)
	token = append(token, customerID[:]...)
	token = append(token, l.code(token)...)
	return l.base + base64.RawURLEncoding.EncodeToString(token)
}

// Example gives a link as long as every other that unsubscribes nobody, for messages that are only shown:
// whoever tries it out must not unsubscribe the customer in the sample.
func (l Links) Example() string { return l.Unsubscribe(uuid.Nil, uuid.Nil) }

// Read reads the token of a link; errs.NotFound if we did not make it.
func (l Links) Read(token string) (Link, error) {
	refusal := errs.Errorf(errs.NotFound, "this link is not one of ours, or was cut off")
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenLength) {
		return Link{}, refusal
	}
	// Strict, so that a link has one spelling.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenLength || raw[0] != tokenVersion {
		return Link{}, refusal
	}
	if !hmac.Equal(raw[tokenIDs:], l.code(raw[:tokenIDs])) {
		return Link{}, refusal
	}
	return Link{CampaignID: uuid.UUID(raw[1:17]), CustomerID: uuid.UUID(raw[17:tokenIDs])}, nil
}

// code is the HMAC-SHA256 of what a token says. The purpose is a part of it: a token for something else
// made with the same secret does not unsubscribe.
func (l Links) code(said []byte) []byte {
	mac := hmac.New(sha256.New, l.key)
	mac.Write([]byte("xencrm/unsubscribe\x00"))
	mac.Write(said)
	return mac.Sum(nil)
}
