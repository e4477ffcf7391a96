package demo

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/xencrm/xencrm/internal/config"
	"github.com/xencrm/xencrm/internal/devstack"
)

// vendorRole is the role of the vendor.
const vendorRole = "mock-vendor"

// System is every server and every role on this machine.
type System struct {
	// API and Vendor are base URLs.
	API, Vendor string
	// Key is an admin's API key, empty while authentication is off.
	Key   string
	Stack *devstack.Stack

	cfg    config.Demo
	say    func(string)
	secret string
	roles  *Supervisor
	stop   context.CancelFunc
}

// Up starts the servers that are not there already, migrates, starts every role as a supervised child
// of this binary and waits until the API is ready. Nothing is left running when it errs.
func Up(ctx context.Context, cfg config.Demo, say func(string)) (*System, error) {
	s := &System{cfg: cfg, say: say}
	if err := s.up(ctx); err != nil {
		s.Down()
		return nil, err
	}
	return s, nil
}

// Down stops the roles, which finish what they are doing, and then the servers.
func (s *System) Down() {
	if s.stop != nil {
		s.stop()
		s.roles.Wait()
	}
	if s.Stack == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // servers get 15 s each, side by side
	defer cancel()
	if err := s.Stack.Stop(ctx); err != nil {
		s.say("stopping the servers: " + err.Error())
	}
}

// Pid gives the process id of a role, 0 while it is not running.
func (s *System) Pid(role string) int { return s.roles.Pid(role) }

func (s *System) up(ctx context.Context) error {
	start := time.Now()
	e := s.cfg.External
	stack, err := devstack.Start(ctx, devstack.Options{
		Dir: s.cfg.Dir, BinDir: s.cfg.BinDir, Fresh: s.cfg.Fresh, Postgres: true, RabbitMQ: true, Temporal: true, Supervise: true,
		TemporalOnPostgres: s.cfg.TemporalOnPostgres,
		MasterURL:          e.MasterURL, BusinessURL: e.BusinessURL, RabbitURL: e.RabbitURL,
		RabbitManagementURL: e.RabbitManagement, TemporalAddress: e.TemporalAddress, TemporalUIURL: e.TemporalUIURL,
		Progress: func(line string) { s.say("  " + line) },
	})
	if err != nil {
		return err
	}
	s.Stack = stack
	s.say(fmt.Sprintf("PostgreSQL, RabbitMQ and Temporal are up (%s)", time.Since(start).Round(100*time.Millisecond))) //nolint:mnd // to tenths
	if err := s.prepare(); err != nil {
		return err
	}
	return s.startRoles(ctx)
}

// prepare makes directories, addresses and secrets, those of the last run where there was one.
func (s *System) prepare() error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if s.cfg.Binary != "" {
		binary = s.cfg.Binary
	}
	s.roles = &Supervisor{
		Binary: binary, Logs: filepath.Join(s.cfg.Dir, "logs"), Pids: filepath.Join(s.cfg.Dir, "pids"),
		Notice: func(line string) { s.say("  " + line) },
	}
	for _, dir := range []string{s.roles.Logs, s.roles.Pids, filepath.Join(s.cfg.Dir, "vendor")} {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the servers' own users look into it
			return fmt.Errorf("make %s: %w", dir, err)
		}
	}
	urls, err := loadAddresses(filepath.Join(s.cfg.Dir, "addresses.json"))
	if err != nil {
		return err
	}
	s.API, s.Vendor = urls.API, urls.Vendor
	if s.secret, err = loadSecret(filepath.Join(s.cfg.Dir, "webhook-secret")); err != nil {
		return err
	}
	return nil
}

// writeEnv tells other programs where everything is.
func (s *System) writeEnv() error {
	env := map[string]string{"XENCRM_URL": s.API, "VENDOR_URL": s.Vendor, "XENCRM_WEBHOOK_SECRET": s.secret}
	if s.Key != "" {
		env["XENCRM_API_KEY"] = s.Key
	}
	return s.Stack.WriteEnv(filepath.Join(s.cfg.Dir, "env"), env)
}

// makeKey makes an admin's key, a new one for each run: the database keeps its hash only, and may be another
// one than that of the last run.
func (s *System) makeKey(ctx context.Context, env map[string]string) error {
	if s.cfg.Auth != "on" {
		return nil
	}
	const life = "24h" // a demo that stays up longer makes another
	args := []string{"keys", "create", "--name", "demo", "--role", "admin", "--expires", life}
	cmd := exec.CommandContext(ctx, s.roles.Binary, args...) //nolint:gosec // our own binary
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("make an API key: %w", err)
	}
	s.Key = strings.TrimSpace(string(out))
	s.say("admin API key, for " + life + ": " + s.Key)
	return nil
}

func (s *System) startRoles(ctx context.Context) error {
	env := s.Environment()
	migrate := Role{Name: "migrate", Args: []string{"migrate"}, Env: env}
	if err := s.roles.Once(ctx, migrate); err != nil {
		return fmt.Errorf("migrate: %w (see %s)", err, filepath.Join(s.roles.Logs, "migrate.log"))
	}
	if err := s.makeKey(ctx, env); err != nil {
		return err
	}
	if err := s.writeEnv(); err != nil {
		return err
	}
	var roleCtx context.Context
	// The roles outlive the time limit of the start; Down ends them.
	roleCtx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	names := []string{"api", "consumer", "relay", "worker"}
	if !s.cfg.OwnVendor {
		names = append(names, vendorRole)
	}
	for _, name := range names {
		s.roles.Start(roleCtx, Role{Name: name, Args: []string{name}, Env: env})
	}
	if err := newClient(s.API, "").get(ctx, "/readyz", nil); err != nil {
		return fmt.Errorf("the API does not become ready (see %s): %w", s.roles.Logs, err)
	}
	s.say(strings.Join(names, ", ") + " are up (logs in " + s.roles.Logs + ")")
	return nil
}

// Environment is what the roles are told.
func (s *System) Environment() map[string]string {
	env := map[string]string{
		"CUSTOMER_DATABASE_URL": s.Stack.MasterURL, "CAMPAIGN_DATABASE_URL": s.Stack.BusinessURL,
		"RABBITMQ_URL": s.Stack.RabbitURL, "TEMPORAL_ADDRESS": s.Stack.TemporalAddress,
		"VENDOR_URL": s.Vendor, "XENCRM_LISTEN": hostOf(s.API), "VENDOR_LISTEN": hostOf(s.Vendor),
		"XENCRM_WEBHOOK_SECRET": s.secret, "VENDOR_RECEIPT_URL": s.API + "/receipts", "XENCRM_PUBLIC_URL": s.API,
		"TEMPORAL_UI_URL": s.Stack.TemporalUIURL,
		"VENDOR_LEDGER":   filepath.Join(s.cfg.Dir, "vendor", "ledger.db"),
		"VENDOR_SEED":     strconv.FormatUint(s.cfg.Seed, 10), "XENCRM_AUTH": cmp.Or(s.cfg.Auth, "off"), "XENCRM_ENV": "development",
	}
	if l := s.cfg.VendorLatency; l != "" {
		if l == "0" {
			// A vendor that answers at once does not ask to wait either.
			l, env["VENDOR_RETRY_AFTER"] = "0s", "0s"
		}
		env["VENDOR_LATENCY_MIN"], env["VENDOR_LATENCY_MAX"] = l, l
		env["VENDOR_RECEIPT_MIN"], env["VENDOR_RECEIPT_MAX"] = l, l
	}
	return env
}
