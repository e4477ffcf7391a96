package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/xencrm/xencrm/internal/audit"
	"github.com/xencrm/xencrm/internal/devstack"
)

// The files of a bundle that are judged again.
const (
	masterDump, businessDump = "master.sql", "business.sql"
	ledgerCopy               = "vendor"
)

// bundle saves everything that a round was judged by, and says how to judge it again.
func (o options) bundle(ctx context.Context, w *world, v verdict) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	dir := filepath.Join(o.dir, "failed", fmt.Sprintf("%d-%s", o.Seed, v.Round))
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { // a person looks into it
		return err
	}
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "verdict.json"), append(raw, '\n'), 0o600),
		os.CopyFS(filepath.Join(dir, "logs"), os.DirFS(filepath.Join(w.dir, "logs"))),
		os.CopyFS(filepath.Join(dir, "failpoints"), os.DirFS(w.failpoints)),
		os.CopyFS(filepath.Join(dir, ledgerCopy), os.DirFS(filepath.Join(w.dir, "vendor"))),
		copyFile(filepath.Join(w.dir, "history.jsonl"), filepath.Join(dir, "history.jsonl")),
		dump(ctx, w.master.MasterURL, filepath.Join(dir, masterDump)),
		dump(ctx, w.business.BusinessURL, filepath.Join(dir, businessDump)),
	)
	fmt.Printf("saved in %s\n  SEED=%d bin/chaos one '%s'   repeats it\n  bin/chaos rejudge %s   judges it again\n", dir, o.Seed, v.Fault, dir)
	return err
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from) // our own directory
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o600)
}

func dump(ctx context.Context, url, to string) error {
	out, err := exec.CommandContext(ctx, "pg_dump", "--no-owner", "--file", to, url).CombinedOutput() // our own database
	if err != nil {
		return fmt.Errorf("pg_dump: %w %s", err, out)
	}
	return nil
}

// rejudge restores a bundle into a PostgreSQL of its own and has the auditor judge it. What the broker
// and Temporal said is not in it; the verdict names what it could not check.
func (o options) rejudge(ctx context.Context, dir string) error {
	stack, err := devstack.Start(ctx, devstack.Options{
		Dir: filepath.Join(o.dir, "rejudge"), BinDir: filepath.Join(".dev", "bin"), Fresh: true, Postgres: true, Progress: o.say,
	})
	if err != nil {
		return err
	}
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return stack.Stop(ctx)
	}
	for file, url := range map[string]string{masterDump: stack.MasterURL, businessDump: stack.BusinessURL} {
		cmd := exec.CommandContext(ctx, "psql", "--quiet", "--set=ON_ERROR_STOP=1", "--file", filepath.Join(dir, file), url) // as named
		if out, err := cmd.CombinedOutput(); err != nil {
			return errors.Join(fmt.Errorf("restore %s: %w %s", file, err, out), stop())
		}
	}
	v, err := audit.Final(ctx, audit.Options{
		MasterURL: stack.MasterURL, BusinessURL: stack.BusinessURL, VendorLedger: filepath.Join(dir, ledgerCopy, "ledger.db"),
		Wait: 10 * time.Second, // nothing moves in a bundle
	})
	if err == nil {
		err = v.WriteText(os.Stdout)
	}
	return errors.Join(err, stop())
}
