package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

var importID = uuid.MustParse("0197e5b5-5555-7a64-8a3c-3a5ef2c43a11")

const aFile = "name,email\nAsha,asha@shop.in\n"

type fakeImports struct {
	take   func(ctx context.Context, source io.Reader, after func() error) (bulk.Import, error)
	get    func(ctx context.Context, id uuid.UUID) (bulk.Import, error)
	errors func(ctx context.Context, f bulk.ErrorFilter) (cursor.Page[bulk.RowError], error)
}

func (f *fakeImports) Import(ctx context.Context, source io.Reader, after func() error) (bulk.Import, error) {
	return f.take(ctx, source, after)
}

func (f *fakeImports) Get(ctx context.Context, id uuid.UUID) (bulk.Import, error) {
	return f.get(ctx, id)
}

func (f *fakeImports) Errors(ctx context.Context, q bulk.ErrorFilter) (cursor.Page[bulk.RowError], error) {
	return f.errors(ctx, q)
}

func anImport() bulk.Import {
	return bulk.Import{
		ID: importID, State: bulk.Failed, Read: 20_000, Stored: 14_990, Refused: 10, Created: 14_000, Changed: 500, Errors: 12,
		Failure: "the upload was cut off", StartedAt: now, FinishedAt: new(now),
	}
}

// alwaysImports gives fakes whose every method succeeds.
func alwaysImports(b *bundle) {
	b.imports.take = func(_ context.Context, source io.Reader, after func() error) (bulk.Import, error) {
		_, err := io.Copy(io.Discard, source)
		if err == nil && after != nil {
			err = after()
		}
		return bulk.Import{ID: importID, State: bulk.Running, Read: 1, StartedAt: now}, err
	}
	b.imports.get = func(context.Context, uuid.UUID) (bulk.Import, error) { return anImport(), nil }
	b.imports.errors = func(context.Context, bulk.ErrorFilter) (cursor.Page[bulk.RowError], error) {
		return cursor.Page[bulk.RowError]{Next: cursor.Position{Key: "2"}, Items: []bulk.RowError{
			{Number: 1, Line: 7001, Column: "email", Code: "validation", Message: `"email" must be a valid email`},
			{Number: 2, Line: 7002, Code: "cell_count", Message: "the row has 1 cells and the header 2"},
		}}, nil
	}
}

// withRealImports puts the real service over nothing: what it refuses as a whole needs no database.
func withRealImports(b *bundle) {
	b.imports.take = bulk.NewService(nil, nil, testLogger(b)).Import
}

func TestImportCustomers(t *testing.T) {
	t.Parallel()
	const path = "/api/customers/import"

	t.Run("TakesAFile", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		alwaysImports(b)
		golden(t, "imports_post", b.call(t, http.MethodPost, path, aFile, "Content-Type", "text/csv; charset=UTF-8"))
		require.Equal(t, http.StatusAccepted, b.call(t, http.MethodPost, path, aFile, "Content-Type", "TEXT/CSV").Code)
	})

	t.Run("TakesAFormWithOneFile", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var got string
		b.imports.take = func(_ context.Context, source io.Reader, after func() error) (bulk.Import, error) {
			raw, err := io.ReadAll(source)
			got = string(raw)
			return bulk.Import{ID: importID, State: bulk.Running, StartedAt: now}, errors.Join(err, after())
		}
		body, kind := form(t, map[string]string{"file": aFile})
		require.Equal(t, http.StatusAccepted, b.call(t, http.MethodPost, path, body, "Content-Type", kind).Code)
		require.Equal(t, aFile, got)
	})

	t.Run("RefusesWhatIsNotOneFile", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		alwaysImports(b)
		two, kind := form(t, map[string]string{"file": aFile, "other": aFile})
		require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodPost, path, two, "Content-Type", kind).Code)
		none, kind := form(t, nil)
		require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodPost, path, none, "Content-Type", kind).Code)
		require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodPost, path, "x", "Content-Type", kind).Code)
		field := strings.ReplaceAll(two, "; filename=\"x.csv\"", "")
		require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodPost, path, field, "Content-Type", kind).Code)
		for _, other := range []string{"", "application/json", "text/plain", "text/csv; charset=latin1", "multipart/form-data", "text/csv;;"} {
			require.Equal(t, http.StatusUnsupportedMediaType, b.call(t, http.MethodPost, path, aFile, "Content-Type", other).Code, other)
		}
		w := b.call(t, http.MethodPost, path, aFile, "Content-Type", "text/csv", "Content-Encoding", "gzip")
		require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
	})

	t.Run("RefusesAFileWithoutAHeader", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		withRealImports(b)
		golden(t, "fail_import_header", b.call(t, http.MethodPost, path, "Name,phone,phone\n", "Content-Type", "text/csv"))
		golden(t, "fail_import_empty", b.call(t, http.MethodPost, path, "", "Content-Type", "text/csv"))
	})

	t.Run("SaysWhenToComeAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.imports.take = func(context.Context, io.Reader, func() error) (bulk.Import, error) {
			return bulk.Import{}, errs.Errorf(errs.RateLimited, "4 imports are being uploaded already")
		}
		require.Equal(t, http.StatusTooManyRequests, b.call(t, http.MethodPost, path, aFile, "Content-Type", "text/csv").Code)
	})
}

// form writes a multipart form of files.
func form(t *testing.T, files map[string]string) (body, kind string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for name, text := range files {
		part, err := w.CreateFormFile(name, "x.csv")
		require.NoError(t, err)
		_, err = io.WriteString(part, text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.String(), w.FormDataContentType()
}

// shelf keeps nothing and counts: a file of any size goes through the real service and a real server.
type shelf struct {
	read   int
	failed chan string
}

func (*shelf) CreateImport(context.Context, uuid.UUID) error { return nil }

func (s *shelf) StageImport(_ context.Context, _ uuid.UUID, b bulk.Batch) error {
	s.read += b.Read
	return nil
}
func (*shelf) Staged(context.Context, uuid.UUID) (int, error)              { return 0, nil }
func (*shelf) BeatImport(context.Context, uuid.UUID) error                 { return nil }
func (*shelf) EndUpload(context.Context, uuid.UUID) error                  { return nil }
func (s *shelf) FailImport(_ context.Context, _ uuid.UUID, f string) error { s.failed <- f; return nil }

func (s *shelf) Import(_ context.Context, id uuid.UUID) (bulk.Import, error) {
	return bulk.Import{ID: id, State: bulk.Running, Read: int64(s.read)}, nil
}

func (*shelf) ImportErrors(context.Context, bulk.ErrorFilter) ([]bulk.RowError, error) {
	return nil, nil
}

// serveImports serves the API as production does, but for a much shorter patience with whole requests.
func serveImports(t *testing.T) (*httptest.Server, *shelf) {
	t.Helper()
	b := setup(t)
	s := &shelf{failed: make(chan string, 1)}
	b.imports.take = bulk.NewService(s, s, slog.New(slog.DiscardHandler)).Import
	server := httptest.NewUnstartedServer(b.handler)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	return server, s
}

func TestUploadsOverTheWire(t *testing.T) {
	t.Parallel()

	t.Run("AFileThatTakesLongerThanARequestMayIsTaken", func(t *testing.T) {
		t.Parallel()
		server, _ := serveImports(t)
		file, w := io.Pipe()
		go func() {
			out := bufio.NewWriter(w)
			_, _ = out.WriteString("name,email\n") // the reader sees a closed pipe
			for i := range 200_000 {
				_, _ = fmt.Fprintf(out, "Asha,c%d@shop.in\n", i) // as above
			}
			_ = w.CloseWithError(out.Flush()) // always nil
		}()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/customers/import", file)
		require.NoError(t, err)
		req.Header.Set("Content-Type", "text/csv")
		begin := time.Now()
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, errors.Join(err, res.Body.Close()))
		require.Equal(t, http.StatusAccepted, res.StatusCode, "%s", body)
		require.Contains(t, string(body), `"rows_read":200000`)
		require.Greater(t, time.Since(begin), server.Config.ReadTimeout, "or it shows nothing")
	})

	t.Run("OneThatIsCutOffFailsTheImport", func(t *testing.T) {
		t.Parallel()
		server, s := serveImports(t)
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST /api/customers/import HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\n"+aFile)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.Contains(t, <-s.failed, "cut off")
	})
}

func TestImportErrors(t *testing.T) {
	t.Parallel()
	path := "/api/imports/" + importID.String() + "/errors"

	t.Run("GoOnBehindTheCursor", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.imports.errors = func(_ context.Context, f bulk.ErrorFilter) (cursor.Page[bulk.RowError], error) {
			require.Equal(t, bulk.ErrorFilter{ImportID: importID, After: 2, Limit: 10}, f)
			return cursor.Page[bulk.RowError]{}, nil
		}
		next := cursor.Encode(cursor.Position{Key: "2"}, "import errors", importID.String())
		require.Equal(t, http.StatusOK, b.call(t, http.MethodGet, path+"?cursor="+next, "").Code)
		for _, key := range []string{"x", "99999999999999999999", "10001"} {
			bad := cursor.Encode(cursor.Position{Key: key}, "import errors", importID.String())
			require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodGet, path+"?cursor="+bad, "").Code, key)
		}
		other := cursor.Encode(cursor.Position{Key: "2"}, "import errors", customerID.String())
		require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodGet, path+"?cursor="+other, "").Code)
		require.Equal(t, http.StatusBadRequest, b.call(t, http.MethodGet, path+"?limit=0", "").Code)
	})

	t.Run("OfNoImportAreNotFound", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, "/api/imports/nope/errors", "").Code)
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, "/api/imports/nope", "").Code)
	})
}

func TestExportCustomers(t *testing.T) {
	t.Parallel()
	get := func(t *testing.T, handler http.Handler, query string) *httptest.ResponseRecorder {
		t.Helper()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/customers/export"+query, nil))
		return w
	}

	t.Run("IsTheFileThatAnImportReads", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		alwaysRecords(b)
		b.records.list = func(_ context.Context, f customer.Filter) (cursor.Page[customer.Record], error) {
			require.Equal(t, []any{"ACTIVE", "ash", customer.SortEmail}, []any{f.Status, f.Prefix, f.Sort})
			return cursor.Page[customer.Record]{Items: []customer.Record{aCustomer(), anErased()}}, nil
		}
		w := get(t, b.handler, "?status=ACTIVE&q=ash&sort=email")
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "text/csv; charset=utf-8; header=present", w.Header().Get("Content-Type"))
		require.Equal(t, `attachment; filename="customers.csv"`, w.Header().Get("Content-Disposition"))
		require.Equal(t, "name,email,phone,total_spend,total_visits,last_order_at,status\n"+
			"Asha,asha@shop.in,'+91 98765 43210,1234.5,7,2025-09-14T12:00:00.123456789Z,ACTIVE\n", w.Body.String())
	})

	t.Run("RefusesWhatTheListRefuses", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, query := range []string{"?status=active", "?sort=total_spend", "?q=" + strings.Repeat("x", 256)} {
			require.Equal(t, http.StatusBadRequest, get(t, b.handler, query).Code, query)
		}
		b.records.list = func(context.Context, customer.Filter) (cursor.Page[customer.Record], error) {
			return cursor.Page[customer.Record]{}, errs.Errorf(errs.Unavailable, "the database is away")
		}
		require.Equal(t, http.StatusServiceUnavailable, get(t, b.handler, "").Code, "before anything is written")
	})

	t.Run("HalfAFileIsNotTakenForAWholeOne", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.records.list = func(_ context.Context, f customer.Filter) (cursor.Page[customer.Record], error) {
			if f.After.IsZero() {
				return cursor.Page[customer.Record]{Items: []customer.Record{aCustomer()}, Next: cursor.Position{ID: customerID}}, nil
			}
			return cursor.Page[customer.Record]{}, errs.Errorf(errs.Unavailable, "the database is away")
		}
		server := httptest.NewServer(b.handler)
		t.Cleanup(server.Close)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/customers/export", nil)
		require.NoError(t, err)
		res, err := server.Client().Do(req)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close() // cut off
		}
		require.Error(t, err)
	})
}
