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

// startVendor starts the product's vendor, in place of the one that runs. Settings override those of the bench.
func (b *bench) startVendor(ctx context.Context, settings map[string]string) error {
	if b.stopVendor != nil {
		b.stopVendor()
	}
	env := map[string]string{"VENDOR_SUCCESS_RATE": b.success}
	maps.Copy(env, settings)
	b.stopVendor = b.runVendor(ctx, "mock-vendor", env) // the name by which the meter finds it
	return b.until(ctx, often, func() (bool, error) { return b.vendor(ctx, map[string]any{}) == nil, nil })
}

// measure is what a scenario does.
type measure = func(context.Context) (figures, error)

// refusing measures against a vendor that refuses.
func (b *bench) refusing(m measure) measure {
	return b.against(map[string]string{"VENDOR_SUCCESS_RATE": refusingSuccess}, m)
}

// slow measures against a vendor that takes so long for each answer.
func (b *bench) slow(least, most string, m measure) measure {
	return b.against(map[string]string{"VENDOR_LATENCY_MIN": least, "VENDOR_LATENCY_MAX": most}, m)
}

func (b *bench) against(settings map[string]string, m measure) measure {
	return func(ctx context.Context) (figures, error) {
		if err := b.startVendor(ctx, settings); err != nil {
			return nil, err
		}
		got, err := m(ctx)
		if err != nil {
			return nil, err
		}
		return got, b.startVendor(ctx, nil)
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
