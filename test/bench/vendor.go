package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/xencrm/xencrm/internal/demo"
)

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
	env := b.system.Environment()
	env["VENDOR_LISTEN"], env["VENDOR_LEDGER"] = address, filepath.Join(ledger, "ledger.db")
	roles := &demo.Supervisor{
		Binary: filepath.Join(dir, "xencrm"), Logs: filepath.Join(dir, "logs"), Pids: filepath.Join(dir, "pids"),
		Notice: func(line string) { fmt.Println(line) },
	}
	running, cancel := context.WithCancel(ctx)
	roles.Start(running, demo.Role{Name: "aloof-vendor", Args: []string{"mock-vendor"}, Env: env})
	stop = func() {
		cancel()
		roles.Wait()
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
