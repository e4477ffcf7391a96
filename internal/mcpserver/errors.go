package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/xencrm/xencrm/internal/errs"
)

// refusal makes the tool's error of what the caller can do something about, and nil of a fault of ours.
func refusal(err error) *mcp.CallToolResult {
	text := "something went wrong"
	var fields []errs.Field
	if e, ok := errors.AsType[*errs.Error](err); ok {
		text, fields = e.Text, e.Fields
	}
	next := ""
	switch errs.CodeOf(err) {
	case errs.Invalid:
		next = "Nothing was changed. Correct the arguments and call again."
	case errs.NotFound, errs.Conflict, errs.Forbidden, errs.Unauthorized:
		next = "Nothing was changed."
	case errs.RateLimited:
		next = "Nothing was changed. Wait some seconds and call again."
	case errs.Unavailable:
		next = "Nothing was changed. A part of the system is away: call again in a moment."
	case errs.Unknown:
		next = "It may have happened or not. Look before you repeat it; with the same idempotency_key repeating is harmless."
	case errs.Internal:
		return nil
	}
	var out strings.Builder
	out.WriteString(sentence(text))
	for _, f := range fields {
		line := f.Message
		if name := strings.ReplaceAll(strings.TrimPrefix(f.Pointer, "/"), "/", "."); name != "" {
			line = name + ": " + line
		}
		if line != text {
			out.WriteString("\n- " + clean(line, longestText))
		}
	}
	out.WriteString("\n" + next)
	return mcp.NewToolResultError(out.String())
}

// uncertain turns "away" into "not known" for a call that changes a campaign: its answer may have been lost on
// the way back.
func uncertain(err error) error {
	if errs.Is(err, errs.Unavailable) {
		return errs.Wrap(errs.Unknown, err, textOf(err))
	}
	return err
}

// sentence cleans a text, which may quote what was typed, and ends it.
func sentence(text string) string {
	text = clean(text, longestText)
	if text != "" && !strings.ContainsAny(text[len(text)-1:], ".!?…") {
		text += "."
	}
	return text
}

// fault is what a caller is told of a fault of ours: where to look for it, and nothing more.
func fault(requestID string) error {
	return errors.New("internal error; it is in the server's log under request id " + requestID)
}

// statusOf is the HTTP status by which the audit log tells outcomes apart.
func statusOf(err error) int {
	switch errs.CodeOf(err) {
	case "":
		return http.StatusOK
	case errs.Invalid:
		return http.StatusUnprocessableEntity
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Conflict:
		return http.StatusConflict
	case errs.Unauthorized:
		return http.StatusUnauthorized
	case errs.Forbidden:
		return http.StatusForbidden
	case errs.RateLimited:
		return http.StatusTooManyRequests
	case errs.Unavailable, errs.Unknown:
		return http.StatusServiceUnavailable
	case errs.Internal:
	}
	return http.StatusInternalServerError
}

// decode reads arguments that the schema has let through.
func decode(arguments any, into any) error {
	raw, err := json.Marshal(arguments)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "the arguments are no JSON")
	}
	if arguments == nil {
		raw = []byte("{}")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return errs.Wrap(errs.Invalid, err, "the arguments do not fit the tool's schema")
	}
	return nil
}

// gone reports whether the client has stopped waiting.
func gone(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
