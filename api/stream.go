package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
)

// streamWrite is how long one write of a stream may take: a client that has not made room for a few
// kilobytes by then has gone, or is so slow that it holds a place for nothing.
const streamWrite = 15 * time.Second

// streaming reports whether a route, as gin names it, answers for as long as it takes: it has no
// deadline as a whole, and one on each of its steps instead.
func streaming(route string) bool {
	return slices.Contains([]string{"/api/campaigns/:id/messages.csv", "/api/campaigns/:id/events", mcpPath}, route)
}

// stoppingKey finds the channel that is closed when the server begins to stop.
type stoppingKey struct{}

// stopping gives that channel, nil (which never closes) when the handler stands behind another server.
func stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(chan struct{})
	return c
}

// stream writes an answer piece by piece.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// startStream sends the headers.
func startStream(ctx huma.Context, header map[string]string) *stream {
	w := humagin.Unwrap(ctx).Writer
	for name, value := range header {
		w.Header().Set(name, value)
	}
	ctx.SetStatus(http.StatusOK)
	return &stream{w: w, rc: http.NewResponseController(w)}
}

// send writes one piece and sees it off.
func (s *stream) send(piece []byte) error {
	if err := s.extend(); err != nil {
		return err
	}
	if _, err := s.w.Write(piece); err != nil {
		return err
	}
	return s.rc.Flush()
}

// extend gives the next write its time, in the place of the server's own deadline, which is for answers
// that end soon and would cut the connection. The server's last write, after the handler's, is one too.
func (s *stream) extend() error {
	err := s.rc.SetWriteDeadline(time.Now().Add(streamWrite))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil // A writer in a test has no connection.
	}
	return err
}

// schemaOf puts a type into the document.
func (r *routes) schemaOf(t reflect.Type) *huma.Schema {
	return r.api.OpenAPI().Components.Schemas.Schema(t, true, "")
}

// describeStream documents the success of a stream, whose body Huma does not know.
func (r *routes) describeStream(path, mediaType, description string, body *huma.Schema) {
	success := r.api.OpenAPI().Paths[path].Get.Responses["200"]
	success.Description = description
	success.Content = map[string]*huma.MediaType{mediaType: {Schema: body}}
}
