package mcpbridge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

const (
	// helloTimeout and noticeTimeout bound what the next message waits for: initialize and notifications
	// are carried in order.
	helloTimeout  = 30 * time.Second
	noticeTimeout = 5 * time.Second
	// drainTime is what requests get after the end of input; a tool that waits, waits for less.
	drainTime = 2 * time.Minute
	// stopTime is what they get after a signal: MCP's own clients kill a server two seconds after SIGTERM.
	stopTime = time.Second
	// abortTime is what it takes to say that they were not answered.
	abortTime = 200 * time.Millisecond
)

// Options say where the server is and as whom to act.
type Options struct {
	// Endpoint is the URL of the server's MCP.
	Endpoint string
	// Key is the API key, empty for a server without authentication. It is sent to Endpoint and is in no
	// log and no error.
	Key string
	Log *slog.Logger
}

// Run carries messages until in ends, and then waits for the answers in flight; the end of ctx does the
// same with less patience. Its error is that of reading in: what goes wrong on the way to the server is
// told to the client, as an answer to its request. Reading cannot be interrupted, so after the end of ctx
// a goroutine is left that ends with in.
func Run(ctx context.Context, o Options, in io.Reader, out io.Writer) error {
	work, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	b := &bridge{server: newServer(o), calls: newCalls(), out: out, log: o.Log}
	defer b.server.http.CloseIdleConnections()
	b.log.InfoContext(ctx, "carrying messages", "endpoint", o.Endpoint, "with_key", o.Key != "")
	ended := make(chan error, 1)
	go func() { ended <- b.read(work, in) }()

	patience := stopTime
	var err error
	select {
	case err = <-ended:
		patience = drainTime
	case <-ctx.Done():
	}
	if !b.drain(ctx, patience) {
		abort(errStopped)
		b.calls.stop(abortTime)
	}
	b.server.farewell(ctx)
	b.log.InfoContext(ctx, "done")
	return err
}

// bridge is one connection of a client.
type bridge struct {
	server *server
	calls  *calls
	log    *slog.Logger

	writing sync.Mutex
	out     io.Writer
}

// drain waits for the answers in flight; a signal on the way leaves stopTime of the patience.
func (b *bridge) drain(ctx context.Context, patience time.Duration) bool {
	if ctx.Err() != nil {
		return b.calls.stop(min(patience, stopTime))
	}
	drained := make(chan bool, 1)
	go func() { drained <- b.calls.stop(patience) }()
	select {
	case all := <-drained:
		return all
	case <-ctx.Done():
		return b.calls.stop(stopTime)
	}
}

// read takes one line after the other.
func (b *bridge) read(ctx context.Context, in io.Reader) error {
	lines := newLines(in)
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTooLong):
			b.say((&failure{mcp.PARSE_ERROR, err.Error() + ", which is the limit of a message"}).line(nil))
		case err != nil:
			return err
		case len(line) > 0:
			b.take(ctx, line)
		}
	}
}

// take carries one message. What later messages build on is carried before they are read: initialize
// opens the session that they belong to, and a notification means what came before it. Other requests
// wait for their answers side by side.
func (b *bridge) take(ctx context.Context, line []byte) {
	m, err := parse(line)
	switch {
	case err != nil:
		b.say(failureOf(err).line(m.id))
	case !m.isRequest():
		b.notify(ctx, m)
	case m.method == string(mcp.MethodInitialize):
		limited, cancel := context.WithTimeoutCause(ctx, helloTimeout, away("%s does not answer: check XENCRM_URL", b.server.endpoint))
		defer cancel()
		b.start(limited, m)()
	default:
		carry := b.start(ctx, m)
		go carry()
	}
}

// start notes a request at once, so that a cancellation behind it finds it, and gives what carries it.
func (b *bridge) start(ctx context.Context, m message) (carry func()) {
	work, end, err := b.calls.begin(ctx, string(m.id))
	if err != nil {
		return func() { b.say(failureOf(err).line(m.id)) }
	}
	return func() {
		defer end()
		// An answer may be on its way when the client cancels.
		wanted := func() bool { return !errors.Is(context.Cause(work), errCancelled) }
		err := b.server.carry(work, m, func(line []byte) {
			if wanted() {
				b.say(line)
			}
		})
		if err == nil || !wanted() {
			return
		}
		b.log.WarnContext(work, "a request was not answered", "method", m.method, "error", err)
		b.say(failureOf(err).line(m.id))
	}
}

// notify carries a notification, or an answer of the client's to a question of the server's. Nobody
// waits for an answer to that.
func (b *bridge) notify(ctx context.Context, m message) {
	if m.method == string(mcp.MethodNotificationCancelled) {
		// The end of its stream is how a request ends in 2026-07-28, where there is no such message over
		// HTTP; before, a server may go by either.
		b.calls.cancel(m.cancelled())
		if b.server.sessions.current().id == "" {
			return
		}
	}
	limited, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	if err := b.server.carry(limited, m, b.say); err != nil {
		b.log.WarnContext(ctx, "a notification did not arrive", "method", m.method, "error", err)
	}
}

// say writes one line, whole.
func (b *bridge) say(line []byte) {
	b.writing.Lock()
	defer b.writing.Unlock()
	if _, err := b.out.Write(append(line, '\n')); err != nil {
		b.log.Error("the client is gone", "error", err)
	}
}
