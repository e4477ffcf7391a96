package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/xencrm/xencrm/api"
	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/runner"
	"github.com/xencrm/xencrm/internal/vendors/mock"
)

// MockVendor serves a vendor that delivers nothing until ctx ends. What it has answered for and what
// receipts it owes survives a kill.
func MockVendor(ctx context.Context, cfg config.MockVendor, log *slog.Logger) error {
	if err := os.MkdirAll(filepath.Dir(cfg.Ledger), 0o750); err != nil {
		return fmt.Errorf("make the ledger's directory: %w", err)
	}
	c := mock.DefaultConfig()
	c.LedgerPath, c.Seed, c.SuccessRate, c.RetryAfter = cfg.Ledger, cfg.Seed, cfg.SuccessRate, cfg.RetryAfter
	c.Latency = mock.Range{Min: cfg.LatencyMin, Max: cfg.LatencyMax}
	c.ReceiptDelay = mock.Range{Min: cfg.ReceiptMin, Max: cfg.ReceiptMax}
	c.ReceiptURL, c.ReceiptSecret, c.Logger = cfg.ReceiptURL, cfg.Secret(), log
	c.Faults.ReceiptCopies, c.Faults.ShuffleReceipts = cfg.ReceiptCopies, cfg.Shuffle
	vendor, err := mock.New(c)
	if err != nil {
		return err
	}
	r := newRole("mock-vendor", log)
	defer r.close()
	r.onClose(func() {
		if err := vendor.Close(); err != nil {
			log.ErrorContext(ctx, "ledger not closed", "error", err)
		}
	})
	return runner.Run(ctx,
		runner.Service{Name: "receipts", Run: vendor.Run},
		serve(api.NewServer(cfg.Listen, vendor.Handler()), log),
	)
}
