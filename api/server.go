package api

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// The limits that hold slow and greedy clients off (faults S3). A request of ours is read in
// milliseconds; the slowest answer is an audience count.
const (
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 15 * time.Second
	WriteTimeout      = 30 * time.Second
	IdleTimeout       = 60 * time.Second
	MaxHeaderBytes    = 16 << 10
)

// NewServer makes the server that an API handler must stand behind. The caller starts and stops it.
func NewServer(addr string, handler http.Handler) *http.Server {
	// Streams end when the server begins to stop: it would wait for them until its patience ends.
	stop := make(chan struct{})
	base := context.WithValue(context.Background(), stoppingKey{}, stop)
	server := &http.Server{
		Addr: addr, Handler: handler,
		ReadHeaderTimeout: ReadHeaderTimeout, ReadTimeout: ReadTimeout,
		WriteTimeout: WriteTimeout, IdleTimeout: IdleTimeout, MaxHeaderBytes: MaxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(stop) }))
	return server
}
