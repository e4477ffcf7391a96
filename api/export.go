package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/xencrm/xencrm/internal/bulk"
)

// exports gives files of customers out.
type exports struct {
	service Records
	routes  *routes
}

type exportQuery struct {
	Status string `query:"status" doc:"ACTIVE or INACTIVE; any if absent." example:"ACTIVE"`
	Q      string `query:"q" maxLength:"255" doc:"How the address or the name begins, in whatever case." example:"ash"`
	Sort   string `query:"sort" doc:"-created (newest first), created, name or email." example:"-created"`
}

func (e exports) customers(ctx context.Context, in *exportQuery) (*huma.StreamResponse, error) {
	filter, _, err := customerQuery{Status: in.Status, Q: in.Q, Sort: in.Sort}.filter()
	if err != nil {
		return nil, err
	}
	file, err := bulk.OpenExport(ctx, e.service, filter)
	if err != nil {
		return nil, err
	}
	// A file takes as long as it takes: each write has a deadline instead of the whole.
	ctx = context.WithoutCancel(ctx)
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		answer.SetHeader("Content-Type", "text/csv; charset=utf-8; header=present")
		answer.SetHeader("Content-Disposition", `attachment; filename="customers.csv"`)
		answer.SetStatus(http.StatusOK)
		if err := file.WriteCSV(ctx, pacedWriter{answer}); err != nil {
			e.routes.log.WarnContext(ctx, "export cut off", "error", err, "request_id", requestID(ctx))
			// Half a file is out; only a cut connection tells the client that it is not whole.
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// pacedWriter gives each write its own time.
type pacedWriter struct{ answer huma.Context }

// Write writes to the client.
func (w pacedWriter) Write(p []byte) (int, error) {
	c := humagin.Unwrap(w.answer)
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(WriteTimeout)) // see pacedReader
	return io.Writer(c.Writer).Write(p)
}
