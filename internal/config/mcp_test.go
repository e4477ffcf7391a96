package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestMCP(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"http://127.0.0.1:8080", "http://localhost:8080/", "http://[::1]:80", "http://127.9.9.9", "https://crm.shop.in", "https://shop.in/crm",
	} {
		require.NoError(t, config.MCP{URL: url, Key: "xcrm_hunter2"}.Validate(), url)
	}
	require.Equal(t, "https://shop.in/crm/mcp", config.MCP{URL: "https://shop.in/crm/"}.Endpoint())

	tests := []struct{ name, url, key, says string }{
		{"NoURL", "", "", "XENCRM_URL must be https://host"},
		{"NoScheme", "crm.shop.in", "", "XENCRM_URL must be https://host"},
		{"AnotherScheme", "ftp://127.0.0.1", "", "XENCRM_URL must be https://host"},
		{"ClearTextToAnotherMachine", "http://crm.shop.in:8080", "", "must not cross the network in clear; use https://crm.shop.in:8080"},
		{"ANameThatBeginsLikeLoopback", "http://127.0.0.1.evil.example", "", "in clear"},
		{"EveryInterface", "http://0.0.0.0:8080", "", "in clear"},
		{"APassword", "https://u:hunter2@crm.shop.in", "", "must have no user, password"},
		{"AKeyInTheQuery", "https://crm.shop.in/?key=hunter2", "", "XENCRM_API_KEY"},
		{"AKeyOfTwoLines", "https://crm.shop.in", "hunter2\nX-Evil: 1", "XENCRM_API_KEY must be one word"},
		{"AKeyThatIsNoASCII", "https://crm.shop.in", "hunter2é", "XENCRM_API_KEY must be one word"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := config.MCP{URL: tt.url, Key: tt.key}.Validate()
			require.True(t, errs.Is(err, errs.Invalid))
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}
