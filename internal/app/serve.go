package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/runner"
)

// drainTimeout is what requests under way get at a graceful stop: longer than the server's own write
// timeout would let them live anyway.
const drainTimeout = 30 * time.Second

// serve listens until the context ends, then lets the requests under way finish.
func serve(server *http.Server, log *slog.Logger) runner.Service {
	return runner.Service{Name: "http", Run: func(ctx context.Context) error {
		var lc net.ListenConfig
		listener, err := lc.Listen(ctx, "tcp", server.Addr)
		if err != nil {
			return errs.Errorf(errs.Invalid, "cannot listen on %s (%w): is another process using the port? Set another address", server.Addr, err)
		}
		log.InfoContext(ctx, "ready", "address", listener.Addr().String())
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(listener) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		if err := server.Shutdown(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return nil
	}}
}
