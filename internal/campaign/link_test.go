package campaign_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestLinks(t *testing.T) {
	t.Parallel()
	const secret = "a-secret-of-thirty-two-characters"
	links := campaign.NewLinks("https://crm.shop.in/", secret)
	campaignID, customerID := uuid.New(), uuid.New()
	link := links.Unsubscribe(campaignID, customerID)
	token, found := strings.CutPrefix(link, "https://crm.shop.in/u/")
	require.True(t, found, link)

	t.Run("AreReadBack", func(t *testing.T) {
		t.Parallel()
		got, err := links.Read(token)
		require.NoError(t, err)
		require.Equal(t, campaign.Link{CampaignID: campaignID, CustomerID: customerID}, got)
		require.Equal(t, link, links.Unsubscribe(campaignID, customerID), "a message is rendered alike each time")
	})

	t.Run("DifferByCustomerAndByCampaign", func(t *testing.T) {
		t.Parallel()
		require.NotEqual(t, link, links.Unsubscribe(campaignID, uuid.New()))
		require.NotEqual(t, link, links.Unsubscribe(uuid.New(), customerID))
		require.NotEqual(t, link, links.Unsubscribe(customerID, campaignID))
	})

	t.Run("CannotBeMadeWithAnotherSecret", func(t *testing.T) {
		t.Parallel()
		_, err := campaign.NewLinks("https://crm.shop.in", secret+"x").Read(token)
		require.True(t, errs.Is(err, errs.NotFound))
	})

	t.Run("AnyChangedBitIsRefused", func(t *testing.T) {
		t.Parallel()
		raw, err := base64.RawURLEncoding.DecodeString(token)
		require.NoError(t, err)
		for i := range len(raw) * 8 {
			bad := append([]byte{}, raw...)
			bad[i/8] ^= 1 << (i % 8)
			_, err := links.Read(base64.RawURLEncoding.EncodeToString(bad))
			require.True(t, errs.Is(err, errs.NotFound), "bit %d", i)
		}
	})

	for name, bad := range map[string]string{
		"Empty": "", "CutOff": token[:len(token)-1], "TwoSpellings": token[:len(token)-1] + "_", "Longer": token + "A",
		"StandardAlphabet": strings.Repeat("+", len(token)), "Path": "../" + token[3:], "LineBreak": token[:40] + "\n" + token[41:],
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			_, err := links.Read(bad)
			require.True(t, errs.Is(err, errs.NotFound))
		})
	}
}

// FuzzReadLink: a token comes from anybody, and is ours or nothing.
func FuzzReadLink(f *testing.F) {
	links := campaign.NewLinks("", "a-secret-of-thirty-two-characters")
	ours := strings.TrimPrefix(links.Unsubscribe(uuid.Nil, uuid.Nil), campaign.UnsubscribePath)
	f.Add(ours)
	f.Add(ours[:len(ours)-1] + "B")
	f.Fuzz(func(t *testing.T, token string) {
		link, err := links.Read(token)
		if err != nil {
			require.True(t, errs.Is(err, errs.NotFound))
			return
		}
		require.Equal(t, token, strings.TrimPrefix(links.Unsubscribe(link.CampaignID, link.CustomerID), campaign.UnsubscribePath))
	})
}
