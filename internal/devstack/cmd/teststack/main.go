// Command teststack keeps servers up while another command runs, usually go test: one stack for all
// packages is much faster than one for each.
//
//	go run ./internal/devstack/cmd/teststack -- go test ./...
//
// The command finds the file with the addresses in XENCRM_TEST_STACK, where devtest looks for it.
// With -serve in place of a command it serves until its standard input closes, which is how devtest
// starts it for a test that was run alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/xencrm/xencrm/internal/devstack"
)

// stopTime bounds the stop; each server is killed before that if it does not end.
const stopTime = 30 * time.Second

type options struct {
	dir     string
	binDir  string
	only    string
	serve   bool
	command []string
}

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "teststack:", err)
	}
	os.Exit(code)
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("teststack", flag.ContinueOnError)
	fs.StringVar(&o.dir, "dir", filepath.Join(".dev", "test", "stack"), "`directory` of the servers' data, emptied first")
	fs.StringVar(&o.binDir, "bin-dir", filepath.Join(".dev", "bin"), "`directory` that caches what was built")
	fs.StringVar(&o.only, "only", "postgres,rabbitmq,temporal", "comma-separated `servers` to start")
	fs.BoolVar(&o.serve, "serve", false, "run no command; serve until standard input closes")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.command = fs.Args()
	if o.serve == (len(o.command) > 0) {
		return o, errors.New("give either -serve or a command, as in: teststack -- go test PACKAGES")
	}
	for _, name := range o.servers() {
		if !slices.Contains([]string{"postgres", "rabbitmq", "temporal"}, name) {
			return o, fmt.Errorf("-only %s: there are postgres, rabbitmq and temporal", name)
		}
	}
	return o, nil
}

func (o options) servers() []string { return strings.Split(o.only, ",") }

func (o options) wants(name string) bool { return slices.Contains(o.servers(), name) }

// run returns the exit code: that of the command when there is one.
func run(args []string) (int, error) {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	if err != nil {
		return 2, err
	}
	// A Ctrl-C reaches the command too, through the terminal; the stack ends after it.
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	stack, err := devstack.Start(ctx, devstack.Options{
		Dir: o.dir, BinDir: o.binDir, Fresh: true, NoSync: true,
		Postgres: o.wants("postgres"), RabbitMQ: o.wants("rabbitmq"), Temporal: o.wants("temporal"),
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	})
	if err != nil {
		return 1, err
	}
	code, err := work(ctx, o, stack)
	stopCtx, stopCancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer stopCancel()
	if stopErr := stack.Stop(stopCtx); stopErr != nil {
		return max(code, 1), errors.Join(err, stopErr)
	}
	return code, err
}

// work writes the addresses and runs the command, or waits for the end of the input.
func work(ctx context.Context, o options, stack *devstack.Stack) (int, error) {
	file, err := filepath.Abs(filepath.Join(o.dir, "env"))
	if err != nil {
		return 1, err
	}
	if err := stack.WriteEnv(file, nil); err != nil {
		return 1, err
	}
	if !o.serve {
		return runCommand(ctx, o.command, file)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		// Nothing is expected; any error is an end too.
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
	return 0, nil
}

func runCommand(ctx context.Context, args []string, file string) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "XENCRM_TEST_STACK="+file)
	// A test run that is asked to end prints what it was at; it is killed when it takes too long.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		// A command that a signal ended has no code; shells say 1 or more too.
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
