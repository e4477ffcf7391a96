// Command temporal is a single-node Temporal server for development and tests: all four services in
// one process, SQLite in a file or a PostgreSQL that is given, and the Web UI beside it.
//
// It lives in a module of its own so that the server's dependencies stay out of the product's.
// internal/devstack builds and starts it. It is no production server: one node, one database file,
// no authentication, loopback only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// readyTimeout bounds the start: half a second as a rule, tens of seconds on a machine that is
// compiling at the same time.
const readyTimeout = 60 * time.Second

type options struct {
	dbFile      string
	postgres    string // from the environment; it wins over dbFile
	ip          string
	port        int
	uiPort      int
	metricsPort int
	parentPid   int
	logLevel    string
	settings    bool
}

// gcPercent: the live heap is some 100 MB, so that Go's default of 100 spends a tenth of two cores on
// collecting it many times a second.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
	case o.settings:
		err = printSettings(os.Stdout)
	default:
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "temporal:", err)
		os.Exit(1)
	}
}

func parse(args []string, out io.Writer) (options, error) {
	o := options{postgres: os.Getenv(postgresEnv)}
	fs := flag.NewFlagSet("temporal", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&o.dbFile, "db-file", "", "SQLite `file`, created when it is missing")
	fs.StringVar(&o.ip, "ip", "127.0.0.1", "loopback `address` to listen on")
	fs.IntVar(&o.port, "port", 7233, "`port` of the gRPC frontend")
	fs.IntVar(&o.uiPort, "ui-port", 8233, "`port` of the Web UI, 0 for none")
	fs.IntVar(&o.metricsPort, "metrics-port", 0, "`port` of the Prometheus metrics, 0 for none")
	fs.IntVar(&o.parentPid, "parent-pid", 0, "end when the process with this `pid` is gone, 0 for never")
	fs.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn or error")
	fs.BoolVar(&o.settings, "settings", false, "print the dynamic configuration as JSON and end")
	if err := fs.Parse(args); err != nil || o.settings {
		return o, err
	}
	switch ip := net.ParseIP(o.ip); {
	case o.dbFile == "" && o.postgres == "":
		return o, errors.New("--db-file is missing: name the file that keeps the workflows, or set " + postgresEnv)
	case ip == nil || !ip.IsLoopback():
		return o, fmt.Errorf("--ip %s is no loopback address: this server has no authentication", o.ip)
	}
	return o, nil
}

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := withParent(ctx, o.parentPid)
	defer cancel()

	srv, err := newServer(o)
	if err != nil {
		return err
	}
	if err := srv.Start(); err != nil {
		return fmt.Errorf("start the Temporal server: %w", err)
	}
	frontend := net.JoinHostPort(o.ip, strconv.Itoa(o.port))
	ui := "none"
	stopUI := func() {}
	if o.uiPort != 0 {
		stopUI = startUI(o, frontend)
		ui = "http://" + net.JoinHostPort(o.ip, strconv.Itoa(o.uiPort))
	}
	if err := waitReady(ctx, frontend, ui); err != nil {
		return err
	}
	db := o.dbFile
	if o.postgres != "" {
		db = "PostgreSQL" // its address holds a password
	}
	fmt.Printf("ready frontend=%s ui=%s db=%s\n", frontend, ui, db)

	<-ctx.Done()
	stopUI()
	if err := srv.Stop(); err != nil {
		return fmt.Errorf("stop the Temporal server: %w", err)
	}
	return nil
}

// waitReady returns when the frontend reports that it serves and the Web UI answers.
func waitReady(ctx context.Context, frontend, ui string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	conn, err := grpc.NewClient(frontend, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to the frontend: %w", err)
	}
	defer conn.Close() //nolint:errcheck // Only asked for its health.
	health := grpc_health_v1.NewHealthClient(conn)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if serving(ctx, health) && answers(ctx, ui) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not serving on %s: %w", frontend, ctx.Err())
		case <-tick.C:
		}
	}
}

func serving(ctx context.Context, health grpc_health_v1.HealthClient) bool {
	res, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{
		Service: "temporal.api.workflowservice.v1.WorkflowService",
	})
	return err == nil && res.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
}

func answers(ctx context.Context, ui string) bool {
	if ui == "none" {
		return true
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ui+"/healthz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close() //nolint:errcheck // The status is all that is read.
	return res.StatusCode == http.StatusOK
}
