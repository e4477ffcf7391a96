package config_test

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/errs"
)

func validAPI() config.API {
	return config.API{
		Master:   config.Master{MasterURL: "postgres://u:hunter2@127.0.0.1:5432/master"},
		Business: config.Business{BusinessURL: "postgres://u:hunter2@127.0.0.1:5432/business"},
		Rabbit:   config.Rabbit{RabbitURL: "amqp://u:hunter2@127.0.0.1:5672/"},
		Temporal: config.Temporal{TemporalAddress: "127.0.0.1:7233", TemporalNamespace: "default"},
		Listen:   "127.0.0.1:8080", Auth: "off",
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	require.NoError(t, validAPI().Validate())
	tests := []struct {
		name  string
		spoil func(*config.API)
		says  string
	}{
		{"NoMasterURL", func(c *config.API) { c.MasterURL = "" }, "CUSTOMER_DATABASE_URL must be postgres://"},
		{"WrongScheme", func(c *config.API) { c.BusinessURL = "mysql://u:hunter2@h/db" }, "CAMPAIGN_DATABASE_URL must be"},
		{"NoDatabaseName", func(c *config.API) { c.BusinessURL = "postgres://u:hunter2@h:5432/" }, "CAMPAIGN_DATABASE_URL must be"},
		{"GarbageBroker", func(c *config.API) { c.RabbitURL = "::hunter2" }, "RABBITMQ_URL must be amqp://"},
		{"TemporalWithoutPort", func(c *config.API) { c.TemporalAddress = "temporal" }, "TEMPORAL_ADDRESS=temporal must be host:port"},
		{"OpenToTheNetworkWithoutAuth", func(c *config.API) { c.Listen = "0.0.0.0:8080" }, "only loopback"},
		{"ProductionWithoutAuth", func(c *config.API) { c.Environment = "production" }, "XENCRM_AUTH=off is refused"},
		{"ProductionWithoutSecret", func(c *config.API) { c.Environment = "production" }, "XENCRM_WEBHOOK_SECRET must be set"},
		{"ShortLinkSecret", func(c *config.API) { c.LinkSecret = "hunter2" }, "XENCRM_LINK_SECRET must have 32"},
		{"PublicURLOfAnotherScheme", func(c *config.API) { c.PublicURL = "ftp://crm" }, "XENCRM_PUBLIC_URL must be http"},
		{"PublicURLWithAQuery", func(c *config.API) { c.PublicURL = "https://crm.shop.in?x=1" }, "no query"},
		{"ProductionWithoutLinkSecret", func(c *config.API) { c.Environment = "production" }, "XENCRM_LINK_SECRET must be set"},
		{"ProductionWithTheDevelopmentLinkSecret", func(c *config.API) {
			c.Environment, c.LinkSecret = "production", config.Links{}.LinkKey()
		}, "XENCRM_LINK_SECRET must be set"},
		{"ProductionWithoutHTTPS", func(c *config.API) {
			c.Environment, c.PublicURL = "production", "http://crm.shop.in"
		}, "XENCRM_PUBLIC_URL must be https"},
		{"SecretOfAnotherKind", func(c *config.API) { c.WebhookSecret = "hunter2" }, "must begin with whsec_"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := validAPI()
			tt.spoil(&c)
			err := c.Validate()
			require.True(t, errs.Is(err, errs.Invalid))
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}

	t.Run("ListsEverythingAtOnce", func(t *testing.T) {
		t.Parallel()
		err := config.API{Listen: "nonsense", Auth: "off"}.Validate()
		for _, name := range []string{"CUSTOMER_DATABASE_URL", "CAMPAIGN_DATABASE_URL", "RABBITMQ_URL", "TEMPORAL_ADDRESS", "XENCRM_LISTEN"} {
			require.ErrorContains(t, err, name)
		}
	})

	t.Run("BehindAProxyAnyAddressWill", func(t *testing.T) {
		t.Parallel()
		c := validAPI()
		c.Listen, c.BehindProxy = "0.0.0.0:8080", true
		require.NoError(t, c.Validate())
	})
}

func TestWorker(t *testing.T) {
	t.Parallel()
	good := config.Worker{
		Business: validAPI().Business, Temporal: validAPI().Temporal, Vendor: config.Vendor{VendorURL: "http://127.0.0.1:8090", VendorTimeout: 5 * time.Second},
		MaxSends: 1, FanOut: config.FanOut{PagedAbove: 1}, PageSize: 1, DBConns: 1,
	}
	require.NoError(t, good.Validate())
	good.Environment, good.PublicURL = "production", "https://crm.shop.in"
	good.LinkSecret = "a-secret-of-thirty-two-characters"
	require.NoError(t, good.Validate())
	bad := good
	bad.VendorURL, bad.VendorTimeout, bad.MaxSends, bad.PageSize = "ftp://x", time.Minute, 0, 501
	bad.VendorRate = math.NaN()
	err := bad.Validate()
	for _, name := range []string{"VENDOR_URL", "VENDOR_TIMEOUT", "XENCRM_MAX_SENDS", "XENCRM_PAGE_SIZE", "VENDOR_RATE"} {
		require.ErrorContains(t, err, name)
	}
}

func TestMockVendorIsRefusedInProduction(t *testing.T) {
	t.Parallel()
	c := config.MockVendor{Listen: "127.0.0.1:1", ReceiptURL: "http://127.0.0.1:2/receipts", SuccessRate: 0.9}
	require.NoError(t, c.Validate())
	c.Environment = "production"
	require.ErrorContains(t, c.Validate(), "delivers nothing")
}

func TestFailpoints(t *testing.T) {
	t.Parallel()
	// Each role with everything else missing: only what is said of the variable counts here.
	roles := func(e config.Env) map[string]error {
		return map[string]error{
			"api": config.API{Env: e}.Validate(), "worker": config.Worker{Env: e}.Validate(),
			"consumer": config.Consumer{Env: e}.Validate(), "relay": config.Relay{Env: e}.Validate(),
			"migrate": config.Migrate{Env: e}.Validate(), "mock-vendor": config.MockVendor{Env: e}.Validate(),
		}
	}

	t.Run("AreRefusedInProductionByEveryRole", func(t *testing.T) {
		t.Parallel()
		for role, err := range roles(config.Env{Environment: "production", Failpoints: t.TempDir()}) {
			require.ErrorContains(t, err, "XENCRM_FAILPOINTS is for tests and is refused", role)
			require.True(t, errs.Is(err, errs.Invalid), role)
		}
	})

	t.Run("NeedADirectoryThatExists", func(t *testing.T) {
		t.Parallel()
		for role, err := range roles(config.Env{Failpoints: filepath.Join(t.TempDir(), "nowhere")}) {
			require.ErrorContains(t, err, "nowhere must be a directory that exists", role)
		}
	})

	t.Run("AreOffOrOnInDevelopment", func(t *testing.T) {
		t.Parallel()
		for _, dir := range []string{"", t.TempDir()} {
			for role, err := range roles(config.Env{Failpoints: dir}) {
				require.NotContains(t, err.Error(), "XENCRM_FAILPOINTS", role)
			}
		}
	})
}
