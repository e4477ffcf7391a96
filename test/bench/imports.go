package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"
)

// importRows is the size of the file: long enough that its beginning and its end do not count.
const importRows = 200_000

// importProgress is the part of an import's progress that is looked at.
type importProgress struct {
	Data struct {
		State   string `json:"state"`
		Stored  int    `json:"rows_stored"`
		Created int    `json:"customers_created"`
	} `json:"data"`
}

// imports sends a file of new customers and the same file again. The rate is that from the first byte
// to COMPLETED; the projection follows while the file comes, and has all of them some time later.
func (b *bench) imports(ctx context.Context) (figures, error) {
	run := fmt.Sprint(time.Now().UnixNano())
	meter, err := b.startMeter(ctx)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	uploaded, stored, err := b.importFile(ctx, run, importRows)
	if err != nil {
		return nil, err
	}
	err = b.until(ctx, often, func() (bool, error) {
		var n int
		err := b.business.QueryRow(ctx, "SELECT count(*) FROM customers_mv WHERE email LIKE $1", "v"+run+"-%").Scan(&n)
		return n == importRows, err
	})
	if err != nil {
		return nil, err
	}
	projected := time.Since(begin)
	out, err := meter.figures(ctx, importRows) // the way to the projection included, and the file's making
	if err != nil {
		return nil, err
	}
	_, again, err := b.importFile(ctx, run, 0)
	maps.Copy(out, figures{
		"per_s": importRows / stored.Seconds(), "uploaded_per_s": importRows / uploaded.Seconds(),
		"projected_per_s": importRows / projected.Seconds(), "again_per_s": importRows / again.Seconds(),
		"api_peak_mb": peakMB(b.system.Pid("api")),
	})
	return out, err
}

// importFile uploads the file of a run and waits until it is stored; both times are from the first byte.
func (b *bench) importFile(ctx context.Context, run string, created int) (uploaded, stored time.Duration, err error) {
	begin := time.Now()
	file, w := io.Pipe()
	go func() { _ = w.CloseWithError(writeImport(w, run)) }() // a pipe always closes
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.system.API+"/api/customers/import", file)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "text/csv")
	res, err := b.http.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusAccepted {
		return 0, 0, fmt.Errorf("import: status %d: %s: %w", res.StatusCode, answer, err)
	}
	uploaded = time.Since(begin)
	var p importProgress
	err = b.until(ctx, often, func() (bool, error) {
		err := b.read(ctx, b.system.API+res.Header.Get("Location"), &p)
		return p.Data.State != "RUNNING", err
	})
	if err == nil && (p.Data.State != "COMPLETED" || p.Data.Stored != importRows || p.Data.Created != created) {
		err = fmt.Errorf("import ended as %+v, want %d rows stored and %d customers created", p.Data, importRows, created)
	}
	return uploaded, time.Since(begin), err
}

func writeImport(w io.Writer, run string) error {
	out := bufio.NewWriter(w)
	if _, err := out.WriteString("name,email,phone,total_spend,total_visits,last_order_at\n"); err != nil {
		return err
	}
	for i := range importRows {
		_, err := fmt.Fprintf(out, "Customer %d,v%s-%d@example.com,'+91 98765 %05d,%d.50,%d,2026-01-%02dT10:00:00Z\n",
			i, run, i*7919%importRows, i%100_000, i%10_000, i%50, i%28+1)
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

func (b *bench) read(ctx context.Context, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // decoded as far as it matters
	return json.NewDecoder(res.Body).Decode(out)
}
