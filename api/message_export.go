package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/csvrow"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// exportPage is how many rows are in memory at a time: some 300 KB, and one query in a few milliseconds.
	exportPage = 1000
	// messagePageTime is how long one page's query may take. A filter that few rows satisfy reads the whole
	// campaign: a million rows take about a second.
	messagePageTime = 20 * time.Second
)

// export is the list as a file, of any length, page by page.
type export struct {
	service Ledger
	log     *slog.Logger
}

func (x export) get(ctx context.Context, in *MessageFilter) (*huma.StreamResponse, error) {
	filter, _, err := in.filter()
	if err != nil {
		return nil, err
	}
	filter.Limit = exportPage
	// What can be refused is refused before the first byte, with a status.
	first, err := x.page(ctx, filter)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		if err := x.write(out, filter, first); err != nil { //nolint:contextcheck // out carries it
			level := slog.LevelError
			if out.Context().Err() != nil {
				level = slog.LevelInfo // The caller went away; that is no fault.
			}
			x.log.Log(ctx, level, "request failed", "operation", "exportMessages", "code", errs.CodeOf(err), "error", err,
				"request_id", requestID(ctx))
			// Half a file is out; only a cut connection tells the client that it is not whole.
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

func (x export) page(ctx context.Context, f campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
	ctx, cancel := context.WithTimeout(ctx, messagePageTime)
	defer cancel()
	return x.service.Entries(ctx, f)
}

func (x export) write(out huma.Context, filter campaign.EntryFilter, page cursor.Page[campaign.Entry]) error {
	s := startStream(out, map[string]string{
		"Content-Type":        "text/csv; charset=utf-8; header=present",
		"Content-Disposition": `attachment; filename="messages-` + filter.CampaignID.String() + `.csv"`,
	})
	var piece bytes.Buffer
	table := csv.NewWriter(&piece)
	table.UseCRLF = true // RFC 4180
	lines := [][]string{exportHeader()}
	for {
		for _, e := range page.Items {
			lines = append(lines, convert(exportRow(e), csvrow.Guard)) // a customer chooses his own name
		}
		if err := table.WriteAll(lines); err != nil {
			return err
		}
		if err := s.send(piece.Bytes()); err != nil {
			return err
		}
		if page.Next.IsZero() {
			return nil
		}
		piece.Reset()
		lines = lines[:0]
		var err error
		if filter.After, err = campaign.EntryPosition(page.Next); err != nil {
			return err
		}
		if page, err = x.page(out.Context(), filter); err != nil {
			return err
		}
	}
}
