package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
)

func TestRun(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		says []string
	}{
		{"NoCommand", nil, nil, []string{"expected one of"}},
		{"UnknownCommand", []string{"apy"}, nil, []string{"apy"}},
		{"NothingConfigured", []string{"consumer"}, nil, []string{"CUSTOMER_DATABASE_URL", "CAMPAIGN_DATABASE_URL", "RABBITMQ_URL"}},
		{"DurationWithoutUnit", []string{"worker"}, map[string]string{"VENDOR_TIMEOUT": "5"}, []string{"VENDOR_TIMEOUT", "unit"}},
		{"UnknownEnvironment", []string{"relay"}, map[string]string{"XENCRM_ENV": "staging"}, []string{"production", "staging"}},
		{
			"MockVendorInProduction",
			[]string{"mock-vendor"},
			map[string]string{"XENCRM_ENV": "production", "VENDOR_RECEIPT_URL": "http://h/receipts"},
			[]string{"delivers nothing"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"CUSTOMER_DATABASE_URL", "CAMPAIGN_DATABASE_URL", "RABBITMQ_URL", "RabbitMQ_URL", "VENDOR_URL"} {
				t.Setenv(name, "")
			}
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			err := run(t.Context(), tt.args)
			require.True(t, errs.Is(err, errs.Invalid), "got %v", err)
			require.Equal(t, exitConfig, report(err))
			for _, text := range tt.says {
				require.ErrorContains(t, err, text)
			}
		})
	}
}
