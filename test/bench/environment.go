package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/xencrm/xencrm/worker"
)

// environment says under which hardware, versions and settings the figures came about, a line each. What cannot be
// found out says so: a table is not to be lost for it.
func (b *bench) environment(ctx context.Context) []string {
	store := "SQLite"
	if b.onPostgres {
		store = "PostgreSQL, 16 shards"
	}
	server := "unknown"
	info, err := b.temporal.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err == nil {
		server = info.GetServerVersion()
	}
	sdk := worker.Options{}.SDK()
	return []string{
		fmt.Sprintf("%s/%s, %d cores (%s), memory %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
			procField("/proc/cpuinfo", "model name"), procField("/proc/meminfo", "MemTotal")),
		fmt.Sprintf("%s, PostgreSQL %s, RabbitMQ %s, Temporal server %s on %s, Temporal SDK %s",
			runtime.Version(), b.postgresSays(ctx, "SHOW server_version"), b.rabbitVersion(), server, store, temporal.SDKVersion),
		fmt.Sprintf("worker: %d activities at once, %d eager in a workflow task, %d activity and %d workflow pollers",
			sdk.MaxConcurrentActivityExecutionSize, *sdk.MaxEagerActivityReservationsPerWorkflowTask,
			sdk.MaxConcurrentActivityTaskPollers, sdk.MaxConcurrentWorkflowTaskPollers),
		"PostgreSQL: " + b.postgresSays(ctx, `SELECT string_agg(name || '=' || current_setting(name), ' ' ORDER BY name)
			FROM pg_settings WHERE source = 'command line' AND name NOT IN ('port', 'listen_addresses', 'unix_socket_directories')`),
		"Temporal's dynamic configuration: " + b.temporalSettings(ctx),
	}
}

func (b *bench) postgresSays(ctx context.Context, query string) string {
	var said string
	if err := b.business.QueryRow(ctx, query).Scan(&said); err != nil {
		return "unknown"
	}
	return said
}

func (b *bench) rabbitVersion() string {
	conn, err := amqp.Dial(b.system.Stack.RabbitURL)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = conn.Close() }() // it was only asked for its name
	return fmt.Sprint(conn.Properties["version"])
}

// temporalSettings asks the program that runs.
func (b *bench) temporalSettings(ctx context.Context) string {
	program := fmt.Sprintf("/proc/%d/exe", b.system.Stack.Temporal().Pid())
	out, err := exec.CommandContext(ctx, program, "--settings").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// procField gives the first value of a "name: value" file.
func procField(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }() // read only
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
