package api

import (
	"net/http"
	"time"

	"github.com/rs/cors"
)

// preflightAge is how long a browser may remember what a page may do: origins change with a deployment.
const preflightAge = 10 * time.Minute

// shareWith lets the pages of these origins call the API and read its answers. Without any, no page of
// another origin can. There is no wildcard: with sessions it would let every page act for its visitor.
func shareWith(origins []string, h http.Handler) http.Handler {
	if len(origins) == 0 {
		return h
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: []string{
			"Authorization", "Content-Type", headerIdempotency, "If-Match", headerRequestID, "Last-Event-ID", "Mcp-Protocol-Version",
		},
		ExposedHeaders:   []string{"ETag", "Location", "Retry-After", headerRequestID, headerReplayed},
		AllowCredentials: true,
		MaxAge:           int(preflightAge / time.Second),
	}).Handler(h)
}
