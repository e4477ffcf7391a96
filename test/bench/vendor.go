package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"

	"github.com/xencrm/xencrm/internal/demo"
)

// refusingSuccess is the part of successes of a vendor that refuses: half of the others are to be tried again, which
// is every twentieth answer. It is the product's default for the mock vendor.
const refusingSuccess = "0.9"

// startVendor starts the product's vendor, in place of the one that runs, with a part of its answers that are
// successes.
func (b *bench) startVendor(ctx context.Context, success string) error {
	if b.stopVendor != nil {
		b.stopVendor()
	}
	// The name by which the meter finds it.
	b.stopVendor = b.runVendor(ctx, "mock-vendor", map[string]string{"VENDOR_SUCCESS_RATE": success})
	return b.until(ctx, often, func() (bool, error) { return b.vendor(ctx, map[string]any{}) == nil, nil })
}

// refusing runs a scenario against a vendor that refuses.
func (b *bench) refusing(scenario func(context.Context) (figures, error)) func(context.Context) (figures, error) {
	return func(ctx context.Context) (figures, error) {
		if err := b.startVendor(ctx, refusingSuccess); err != nil {
			return nil, err
		}
		got, err := scenario(ctx)
		if err != nil {
			return nil, err
		}
		return got, b.startVendor(ctx, b.success)
	}
}

// aloofVendor starts a second vendor, with the settings of the first and an empty ledger, which keeps its receipts:
// the messages of the scenarios that bring their own engine are none of the product's. stop ends it.
func (b *bench) aloofVendor(ctx context.Context) (url string, stop func(), err error) {
	port, err := demo.FreePort()
	if err != nil {
		return "", nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	ledger, err := os.MkdirTemp(dir, "aloof-")
	if err != nil {
		return "", nil, err
	}
	end := b.runVendor(ctx, "aloof-vendor", map[string]string{
		"VENDOR_LISTEN": address, "VENDOR_LEDGER": filepath.Join(ledger, "ledger.db"), "VENDOR_SUCCESS_RATE": b.success,
	})
	stop = func() {
		end()
		_ = os.RemoveAll(ledger) // the next run makes everything afresh
	}
	url = "http://" + address
	err = b.until(ctx, often, func() (bool, error) {
		return b.send(ctx, http.MethodPut, url+"/admin/faults", map[string]any{"hold_receipts": true}, nil) == nil, nil
	})
	if err != nil {
		stop()
		return "", nil, err
	}
	return url, stop, nil
}

// runVendor keeps a vendor running that differs from the system's in env. stop ends it.
func (b *bench) runVendor(ctx context.Context, name string, env map[string]string) (stop func()) {
	all := b.system.Environment()
	maps.Copy(all, env)
	roles := &demo.Supervisor{
		Binary: filepath.Join(dir, "xencrm"), Logs: filepath.Join(dir, "logs"), Pids: filepath.Join(dir, "pids"),
		Notice: func(line string) { fmt.Println(line) },
	}
	running, cancel := context.WithCancel(ctx)
	roles.Start(running, demo.Role{Name: name, Args: []string{"mock-vendor"}, Env: all})
	return func() {
		cancel()
		roles.Wait()
	}
}
