package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// imports takes files of customers in.
type imports struct{ service Imports }

// importView is the progress of an import as clients see it.
type importView struct {
	ImportID         string   `json:"import_id" format:"uuid" doc:"The import's id." example:"0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
	State            string   `json:"state" doc:"RUNNING, COMPLETED, or FAILED: then the rest of the file was not stored." example:"RUNNING"`
	RowsRead         int64    `json:"rows_read" doc:"Rows of the file that were read so far, without the header." example:"20000"`
	RowsStored       int64    `json:"rows_stored" doc:"Rows that are stored, also those that said nothing new." example:"14990"`
	RowsRefused      int64    `json:"rows_refused" doc:"Rows that are not valid; see the errors." example:"10"`
	CustomersCreated int64    `json:"customers_created" doc:"Customers that were new." example:"14000"`
	CustomersChanged int64    `json:"customers_changed" doc:"Customers that were known and of whom the file said something new." example:"500"`
	Errors           int64    `json:"errors" doc:"Errors in all; the first 10000 are kept." example:"12"`
	Failure          *string  `json:"failure" doc:"Why it FAILED and what to do; null if it did not." example:"the upload was cut off; send the whole file again"`
	StartedAt        instant  `json:"started_at" doc:"When the upload began." example:"2025-09-14T12:00:00.000Z"`
	FinishedAt       *instant `json:"finished_at" nullable:"true" doc:"When it ended, null while it is RUNNING." example:"2025-09-14T12:00:10.000Z"`
}

// rowErrorView is one thing wrong with one row.
type rowErrorView struct {
	Line    int64  `json:"line" doc:"The line of the file where the row begins; the header is line 1." example:"7001"`
	Column  string `json:"column" doc:"The column at fault, empty for the whole row." example:"email"`
	Code    string `json:"code" doc:"validation (what POST /customers refuses), cell_count, invalid_utf8, row_too_long, stray_quote, text_after_quote or unclosed_quote." example:"validation"`
	Message string `json:"message" doc:"What is wrong and what would be right." example:"\"email\" must be a valid email"`
}

type importID struct {
	ID string `path:"id" format:"uuid" doc:"The import's id." example:"0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
}

type importErrorsQuery struct {
	ID     string     `path:"id" format:"uuid" doc:"The import's id." example:"0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
	Limit  limitParam `query:"limit" doc:"Errors per page; more than 100 is taken as 100." example:"10"`
	Cursor string     `query:"cursor" doc:"next_cursor of the page before." example:"eyJrIjoiMTAifQ"`
}

// upload is the request of an import. Its body is read by the service and not by Huma, piece by piece.
type upload struct{ request huma.Context }

// Resolve keeps the request, which Huma shows to nobody else.
func (u *upload) Resolve(ctx huma.Context) []error {
	u.request = ctx
	return nil
}

type importStarted struct {
	Location string `header:"Location" doc:"Where its progress is." example:"/api/imports/0197e5b5-5555-7a64-8a3c-3a5ef2c43a11"`
	Body     answer[importView]
}

func (i imports) take(ctx context.Context, in *upload) (*importStarted, error) {
	defer allowAnswer(in.request)
	source, after, err := fileOf(in.request)
	if err != nil {
		return nil, err
	}
	// A file takes as long as it takes: each piece of it has a deadline instead of the whole.
	begun, err := i.service.Import(context.WithoutCancel(ctx), source, after)
	if err != nil {
		return nil, uploadProblem(err)
	}
	return &importStarted{
		Location: "/api/imports/" + begun.ID.String(), Body: answer[importView]{Success: true, Data: viewImport(begun)},
	}, nil
}

func (i imports) get(ctx context.Context, in *importID) (*reply[answer[importView]], error) {
	id, err := idOf(in.ID, "Import")
	if err != nil {
		return nil, err
	}
	found, err := i.service.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return ok(viewImport(found)), nil
}

func (i imports) errors(ctx context.Context, in *importErrorsQuery) (*reply[slice[rowErrorView]], error) {
	id, err := idOf(in.ID, "Import")
	if err != nil {
		return nil, err
	}
	limit, err := in.Limit.number()
	if err != nil {
		return nil, err
	}
	scope := []string{"import errors", id.String()}
	after, err := positionOf(in.Cursor, scope)
	if err != nil {
		return nil, err
	}
	filter := bulk.ErrorFilter{ImportID: id, Limit: limit}
	if !after.IsZero() {
		if filter.After, err = strconv.Atoi(after.Key); err != nil || filter.After > bulk.MaxErrors {
			return nil, refusedParam("cursor", "must be the cursor of the page before")
		}
	}
	found, err := i.service.Errors(ctx, filter)
	if err != nil {
		return nil, err
	}
	return sliced(found, viewRowError, scope), nil
}

func viewImport(m bulk.Import) importView {
	v := importView{
		ImportID: m.ID.String(), State: string(m.State), RowsRead: m.Read, RowsStored: m.Stored, RowsRefused: m.Refused,
		CustomersCreated: m.Created, CustomersChanged: m.Changed, Errors: m.Errors,
		StartedAt: instant{m.StartedAt}, FinishedAt: instantOf(m.FinishedAt),
	}
	if m.Failure != "" {
		v.Failure = &m.Failure
	}
	return v
}

func viewRowError(e bulk.RowError) rowErrorView {
	return rowErrorView{Line: e.Line, Column: e.Column, Code: e.Code, Message: e.Message}
}

// fileOf gives the file that a request brings: its body, or the one part of its form. after says
// whether there was more than that.
func fileOf(request huma.Context) (source io.Reader, after func() error, err error) {
	if encoding := request.Header("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, nil, newProblem(http.StatusUnsupportedMediaType, typeMediaType, "Content-Encoding is not supported")
	}
	kind, params, err := mime.ParseMediaType(request.Header("Content-Type"))
	body := &pacedReader{source: request.BodyReader(), extend: request.SetReadDeadline}
	switch {
	case err == nil && kind == "text/csv" && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8")):
		return body, nil, nil
	case err == nil && kind == "multipart/form-data" && params["boundary"] != "":
		return partOf(multipart.NewReader(body, params["boundary"]))
	}
	return nil, nil, newProblem(http.StatusUnsupportedMediaType, typeMediaType,
		"Content-Type must be text/csv in UTF-8, or multipart/form-data with one file")
}

var errOneFile = newProblem(http.StatusBadRequest, typeMalformed, "the form must hold one file and nothing else")

func partOf(form *multipart.Reader) (source io.Reader, after func() error, err error) {
	part, err := form.NextRawPart() // what is encoded would not be a CSV file
	if errors.Is(err, io.EOF) || err == nil && part.FileName() == "" {
		return nil, nil, errOneFile
	}
	if err != nil {
		return nil, nil, uploadProblem(err)
	}
	return part, func() error {
		if _, err := form.NextRawPart(); !errors.Is(err, io.EOF) {
			return errOneFile
		}
		return nil
	}, nil
}

const (
	// pieceSize and pieceTimeout are the slowest upload there may be: 2 kB a second, less than any line
	// that people wait at, and enough that nobody holds an upload for nothing.
	pieceSize    = 64 << 10
	pieceTimeout = 30 * time.Second
)

// pacedReader gives each piece of a body its own time, for there is no time that suits a file of any
// size. Only the time in which we wait for the client counts, not that in which it waits for us.
type pacedReader struct {
	source io.Reader
	extend func(deadline time.Time) error
	// left and patience are what is left of the piece and of its time.
	left     int
	patience time.Duration
}

// Read reads within a piece.
func (r *pacedReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		r.left, r.patience = pieceSize, pieceTimeout
	}
	begin := time.Now()
	_ = r.extend(begin.Add(r.patience)) // what is not a connection has no deadline: a test's recorder
	n, err := r.source.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.patience -= time.Since(begin)
	return n, err
}

// allowAnswer gives the answer the time that the server gave it when the request began, hours ago.
func allowAnswer(request huma.Context) {
	_ = http.NewResponseController(humagin.Unwrap(request).Writer).
		SetWriteDeadline(time.Now().Add(WriteTimeout)) // see pacedReader
}

// uploadProblem tells a body that did not come from a fault of ours.
func uploadProblem(err error) error {
	var coded *errs.Error
	var known *problem
	var timeout net.Error
	switch {
	case errors.As(err, &known) || errors.As(err, &coded):
		return err
	case errors.As(err, &timeout) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, multipart.ErrMessageTooLarge):
		return readProblem(err)
	case strings.HasPrefix(err.Error(), "multipart: "):
		return malformed([]errs.Field{{Message: "is not a well-formed form"}})
	}
	return err
}

// documentFiles says what the bodies of files are, which Huma does not see.
func documentFiles(doc *huma.OpenAPI) {
	table := &huma.MediaType{
		Schema:  &huma.Schema{Type: huma.TypeString, Description: "A header that names the columns, and a row a customer."},
		Example: "name,email,phone,total_spend\nAsha,asha@shop.in,'+91 98765 43210,1234.50\n",
	}
	doc.Paths["/api/customers/import"].Post.RequestBody = &huma.RequestBody{
		Required: true,
		Description: "A CSV file in UTF-8 of any size (RFC 4180). Its first line names the columns: name and email, and any of " +
			strings.Join(customer.Columns()[2:], ", ") + ". An empty cell leaves what is known as it is. An apostrophe before " +
			"= + - @ is taken off. A row that is not valid is refused and told of by its line; the others are stored. The file " +
			"is read while it comes; sending it again, also after a failure, changes nothing that is stored already.",
		Content: map[string]*huma.MediaType{
			"text/csv": table,
			"multipart/form-data": {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"file"},
				Properties: map[string]*huma.Schema{"file": {
					Type: huma.TypeString, Format: "binary", Description: "The file, under any name.", Examples: []any{"name,email\nAsha,asha@shop.in\n"},
				}},
			}},
		},
	}
	doc.Paths["/api/customers/import"].Post.Responses["415"].Description =
		"The body is neither text/csv in UTF-8 nor a form with a file (`" + typeMediaType + "`)."
	export := doc.Paths["/api/customers/export"].Get
	if export.Responses["200"] == nil {
		export.Responses["200"] = &huma.Response{}
	}
	export.Responses["200"].Description = "The file. It is not whole unless the answer ends as HTTP says."
	export.Responses["200"].Content = map[string]*huma.MediaType{"text/csv": table}
}
