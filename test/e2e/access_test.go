package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWithAuthenticationOn walks one shop's day through every door, as its programs and people would: each has a key
// of its own, and may do what that key says.
//
//nolint:paralleltest // the steps build on each other
func TestWithAuthenticationOn(t *testing.T) {
	const demoCustomers = 40 // as many as the round trip of a file needs beside the imported ones
	d := &day{system: start(t, demoCustomers, "XENCRM_AUTH=on"), made: map[string]string{}}
	d.admin = caller{d.system, d.env["XENCRM_API_KEY"]}
	d.startsAt = d.auditLog(t)
	t.Run("KeysByCommandAndByTheAPI", d.testKeys)
	t.Run("AFileWithBrokenRowsStoresTheOthers", d.testImport)
	t.Run("AnExportImportedAgainChangesNothing", d.testRoundTrip)
	t.Run("ADraftIsTriedEditedAndLaunched", d.testDraft)
	t.Run("TheEventsEndWithTheCampaign", d.testEvents)
	t.Run("EveryRecipientIsInTheListAndInTheFile", d.testMessages)
	t.Run("ACopyIsADraftOfItsOwn", d.testDuplicate)
	t.Run("AViewerChangesNothingAndSeesNobody", d.testViewer)
	t.Run("ARevokedKeyIsRefusedWithinASecond", d.testRevocation)
	t.Run("TheAuditLogHoldsEachChange", d.testAuditLog)
	t.Run("TheAuditorAgrees", d.testAuditor)
}

// day is what the steps hand on.
type day struct {
	*system

	admin, shop, editor, viewer caller
	// made has the ids of the keys by their names.
	made map[string]string
	// changes are what the audit log must hold, oldest first; startsAt is how many lines it had before.
	changes  []string
	startsAt []string

	segment, campaign string
}

// imported is how many rows of the file are valid; brokenLines are the lines of the others.
const imported = 25

var brokenLines = []int64{4, 9, 14, 19, 24}

func (d *day) testKeys(t *testing.T) {
	t.Helper()
	require.Equal(t, http.StatusUnauthorized, caller{d.system, ""}.do(t, get("/api/segments")).status)
	d.shop = d.key(t, "shop", map[string]any{"scopes": []string{"ingest"}})
	d.editor = d.key(t, "marketing", map[string]any{"role": "editor"})

	cmd := exec.CommandContext(t.Context(), d.demo.Path, "keys", "create", "--name", "board", "--role", "viewer", "--expires", "1h")
	cmd.Env = d.environ()
	out, err := cmd.Output()
	require.NoError(t, err)
	d.viewer = caller{d.system, strings.TrimSpace(string(out))}
	var me struct{ Data struct{ ID, Role string } }
	d.viewer.must(t, get("/api/me"), http.StatusOK, &me)
	require.Equal(t, "viewer", me.Data.Role)
	d.made["board"] = strings.TrimPrefix(me.Data.ID, "key:")
}

// key makes a key by the API.
func (d *day) key(t *testing.T, name string, body map[string]any) caller {
	t.Helper()
	body["name"] = name
	var got struct {
		Data struct {
			Key  string
			Info struct {
				KeyID string `json:"key_id"`
			}
		}
	}
	d.admin.must(t, send(http.MethodPost, "/api/keys", body), http.StatusCreated, &got)
	d.made[name] = got.Data.Info.KeyID
	d.note("createKey 201 by demo")
	return caller{d.system, got.Data.Key}
}

// note remembers a change that the audit log must hold.
func (d *day) note(change string) { d.changes = append(d.changes, change) }

func (d *day) testImport(t *testing.T) {
	t.Helper()
	var file strings.Builder
	file.WriteString("name,email,phone\n")
	for line, good := int64(2), 0; good < imported; line++ {
		switch i := slices.Index(brokenLines, line); {
		case i < 0:
			fmt.Fprintf(&file, "Walkin %d,walkin%d@shop.example.com,\n", good, good)
			good++
		case i%2 == 0:
			fmt.Fprintf(&file, "Walkin X,no-address-%d,\n", line)
		default:
			fmt.Fprintf(&file, "one cell of line %d\n", line)
		}
	}
	done := d.importFile(t, d.shop, []byte(file.String()))
	d.note("importCustomers 202 by shop")
	require.Equal(t, importProgress{State: "COMPLETED", Read: 30, Stored: 25, Refused: 5, Created: 25, Errors: 5, ID: done.ID}, done)
	require.Equal(t, brokenLines, d.errorLines(t, done.ID))

	d.eventually(t, "the imported customers do not reach the projection", func() bool {
		var got struct{ Count int }
		d.viewer.must(t, send(http.MethodPost, "/api/segments/preview", map[string]any{"rules": walkins}), http.StatusOK, &got)
		return got.Count == imported
	})
}

// walkins are the rules of the imported customers.
var walkins = []any{map[string]any{"id": "g", "operator": "AND", "rules": []any{
	map[string]any{"id": "r", "field": "name", "operator": "starts_with", "value": "Walkin"},
}}}

type importProgress struct {
	ID      string `json:"import_id"`
	State   string `json:"state"`
	Read    int    `json:"rows_read"`
	Stored  int    `json:"rows_stored"`
	Refused int    `json:"rows_refused"`
	Created int    `json:"customers_created"`
	Changed int    `json:"customers_changed"`
	Errors  int    `json:"errors"`
}

// importFile imports a file and waits for its end.
func (d *day) importFile(t *testing.T, by caller, file []byte) importProgress {
	t.Helper()
	taken := by.do(t, call{method: http.MethodPost, path: "/api/customers/import", header: http.Header{"Content-Type": {"text/csv"}}, raw: file})
	require.Equal(t, http.StatusAccepted, taken.status, string(taken.body))
	var got struct{ Data importProgress }
	d.eventually(t, "the import does not end", func() bool {
		by.must(t, get(taken.header.Get("Location")), http.StatusOK, &got)
		return got.Data.State != "RUNNING"
	})
	return got.Data
}

// errorLines walks through the errors of an import, two a page.
func (d *day) errorLines(t *testing.T, id string) []int64 {
	t.Helper()
	var lines []int64
	for cursor := ""; ; {
		var page struct {
			Data []struct{ Line int64 }
			Next string `json:"next_cursor"`
		}
		d.shop.must(t, get("/api/imports/"+id+"/errors?limit=2&cursor="+url.QueryEscape(cursor)), http.StatusOK, &page)
		require.LessOrEqual(t, len(page.Data), 2)
		for _, e := range page.Data {
			lines = append(lines, e.Line)
		}
		if cursor = page.Next; cursor == "" {
			return lines
		}
	}
}

func (d *day) testRoundTrip(t *testing.T) {
	t.Helper()
	const path = "/api/customers/export?sort=email"
	before := d.editor.do(t, get(path))
	require.Equal(t, http.StatusOK, before.status, string(before.body))
	rows, err := csv.NewReader(bytes.NewReader(before.body)).ReadAll()
	require.NoError(t, err)
	all := len(rows) - 1 // the header
	require.Greater(t, all, imported)

	done := d.importFile(t, d.shop, before.body)
	d.note("importCustomers 202 by shop")
	require.Equal(t, []any{"COMPLETED", all, 0, 0}, []any{done.State, done.Stored, done.Created, done.Errors})
	require.Equal(t, string(before.body), string(d.editor.do(t, get(path)).body))
}

func (d *day) testDraft(t *testing.T) {
	t.Helper()
	d.editor.must(t, send(http.MethodPost, "/api/suppressions", map[string]any{"email": "walkin3@shop.example.com"}), http.StatusCreated, nil)
	d.note("addSuppression 201 by marketing")
	var segment struct {
		Data struct {
			ID string `json:"segment_id"`
		}
	}
	d.editor.must(t, send(http.MethodPost, "/api/segments", map[string]any{"name": "Walk-ins", "rules": walkins}), http.StatusCreated, &segment)
	d.note("createSegment 201 by marketing")
	d.segment = segment.Data.ID

	order := map[string]any{"name": "Welcome", "segment_id": d.segment, "message_template": "Hi {{ name }}", "created_by": "somebody else"}
	var dry struct {
		Data struct {
			Total   int            `json:"total_customers"`
			ToSend  int            `json:"to_send"`
			Skipped map[string]int `json:"skipped"`
		}
	}
	d.editor.must(t, send(http.MethodPost, "/api/campaigns/dry-run", order), http.StatusOK, &dry)
	require.Equal(t, []int{imported, imported - 1, 1}, []int{dry.Data.Total, dry.Data.ToSend, dry.Data.Skipped["suppressed"]})
	d.launchDraft(t, order)
}

// launchDraft makes a draft, edits it and launches what was edited. Whoever has seen an older version is told.
func (d *day) launchDraft(t *testing.T, order map[string]any) {
	t.Helper()
	order["launch"] = false
	var made struct {
		Data struct {
			ID string `json:"campaign_id"`
		}
	}
	d.editor.must(t, send(http.MethodPost, "/api/campaigns", order), http.StatusCreated, &made)
	d.note("createCampaign 201 by marketing")
	d.campaign = made.Data.ID
	path := "/api/campaigns/" + d.campaign
	first := d.editor.must(t, get(path), http.StatusOK, nil).header.Get("ETag")
	edit := send(http.MethodPatch, path, map[string]any{"message_template": "Welcome, {{ name }}!", "rate": 20})
	second := d.editor.must(t, edit.ifMatch(first), http.StatusOK, nil).header.Get("ETag")
	d.note("editCampaign 200 by marketing")
	d.editor.must(t, edit.ifMatch(first), http.StatusPreconditionFailed, nil)
	d.note("editCampaign 412 by marketing")
	launch := send(http.MethodPost, path+"/launch", map[string]any{})
	d.editor.must(t, launch.ifMatch(first), http.StatusPreconditionFailed, nil)
	d.note("launchCampaign 412 by marketing")
	var launched struct {
		Data struct {
			CreatedBy string `json:"created_by"`
		}
	}
	d.editor.must(t, launch.ifMatch(second), http.StatusOK, &launched)
	d.note("launchCampaign 200 by marketing")
	require.Equal(t, "key:"+d.made["marketing"], launched.Data.CreatedBy, "whatever the body says")
}

// testEvents follows the campaign live: at 20 messages a second it is under way when the first event comes.
func (d *day) testEvents(t *testing.T) {
	t.Helper()
	type event struct {
		Status   string `json:"status"`
		Revision int64  `json:"revision"`
		Totals   struct {
			Audience  int `json:"audience"`
			Delivered int `json:"delivered"`
			Failed    int `json:"failed"`
			Skipped   int `json:"skipped"`
		} `json:"totals"`
	}
	var events []event
	var names []string
	stream := bufio.NewScanner(bytes.NewReader(d.viewer.must(t, get("/api/campaigns/"+d.campaign+"/events"), http.StatusOK, nil).body))
	for stream.Scan() {
		if name, ok := strings.CutPrefix(stream.Text(), "event: "); ok {
			names = append(names, name)
		}
		if data, ok := strings.CutPrefix(stream.Text(), "data: "); ok {
			var e event
			require.NoError(t, json.Unmarshal([]byte(data), &e), data)
			events = append(events, e)
		}
	}
	require.NoError(t, stream.Err())
	require.Greater(t, len(events), 1)
	require.Equal(t, "end", names[len(names)-1])
	require.True(t, slices.IsSortedFunc(events, func(a, b event) int { return int(a.Revision - b.Revision) }), "%v", events)
	last := events[len(events)-1]
	require.Equal(t, "COMPLETED", last.Status)
	require.Equal(t, []int{imported, imported - 1, 1},
		[]int{last.Totals.Audience, last.Totals.Delivered + last.Totals.Failed, last.Totals.Skipped})
}

type entry struct {
	Customer string  `json:"customer_id"`
	Email    string  `json:"customer_email"`
	Status   string  `json:"status"`
	Skip     *string `json:"skip_reason"`
	Why      string  `json:"why"`
	Text     string  `json:"message_text"`
	Attempts []any   `json:"send_attempts"`
}

func (d *day) testMessages(t *testing.T) {
	t.Helper()
	path := "/api/campaigns/" + d.campaign + "/messages"
	var listed []string
	var delivered entry
	for cursor := ""; ; {
		var page struct {
			Data []entry
			Next string `json:"next_cursor"`
		}
		d.editor.must(t, get(path+"?limit=7&cursor="+url.QueryEscape(cursor)), http.StatusOK, &page)
		for _, e := range page.Data {
			listed = append(listed, e.Email+" "+e.Status)
			if e.Status == "DELIVERED" {
				delivered = e
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Len(t, listed, imported)
	require.Contains(t, listed, "walkin3@shop.example.com SKIPPED")
	require.Equal(t, listed, d.exported(t, path+".csv"))

	var one struct{ Data entry }
	d.editor.must(t, get(path+"/"+delivered.Customer), http.StatusOK, &one)
	require.Contains(t, one.Data.Why, "Delivered")
	require.Contains(t, one.Data.Text, "Welcome, Walkin ")
	require.NotEmpty(t, one.Data.Attempts)
	d.requireSkipped(t, path)
}

// requireSkipped asks why the customer who is suppressed got nothing.
func (d *day) requireSkipped(t *testing.T, path string) {
	t.Helper()
	var skipped struct{ Data []entry }
	d.editor.must(t, get(path+"?status=SKIPPED"), http.StatusOK, &skipped)
	require.Len(t, skipped.Data, 1)
	var one struct{ Data entry }
	d.editor.must(t, get(path+"/"+skipped.Data[0].Customer), http.StatusOK, &one)
	require.Equal(t, "SUPPRESSED", *one.Data.Skip)
	require.Empty(t, one.Data.Attempts)
}

// exported reads the file of messages as the list shows them.
func (d *day) exported(t *testing.T, path string) []string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(d.editor.must(t, get(path), http.StatusOK, nil).body)).ReadAll()
	require.NoError(t, err)
	email, status := slices.Index(rows[0], "customer_email"), slices.Index(rows[0], "status")
	require.NotContains(t, []int{email, status}, -1)
	var out []string
	for _, row := range rows[1:] {
		out = append(out, row[email]+" "+row[status])
	}
	return out
}

func (d *day) testDuplicate(t *testing.T) {
	t.Helper()
	var copied struct {
		Data struct {
			ID       string `json:"campaign_id"`
			Status   string `json:"status"`
			Template string `json:"message_template"`
		}
	}
	d.editor.must(t, send(http.MethodPost, "/api/campaigns/"+d.campaign+"/duplicate", map[string]any{}), http.StatusCreated, &copied)
	d.note("duplicateCampaign 201 by marketing")
	require.NotEqual(t, d.campaign, copied.Data.ID)
	require.Equal(t, []string{"DRAFT", "Welcome, {{ name }}!"}, []string{copied.Data.Status, copied.Data.Template})
	d.editor.must(t, send(http.MethodDelete, "/api/campaigns/"+copied.Data.ID, nil), http.StatusOK, nil)
	d.note("deleteCampaign 200 by marketing")
	d.editor.must(t, get("/api/campaigns/"+copied.Data.ID), http.StatusNotFound, nil)
}

func (d *day) testViewer(t *testing.T) {
	t.Helper()
	campaign := "/api/campaigns/" + d.campaign
	for _, path := range []string{"/api/segments", "/api/campaigns", campaign, "/api/campaignstats"} {
		d.viewer.must(t, get(path), http.StatusOK, nil)
	}
	for _, path := range []string{campaign + "/messages", campaign + "/messages.csv", "/api/customers/export", "/api/dashapi", "/api/keys", "/api/audit"} {
		d.viewer.must(t, get(path), http.StatusForbidden, nil)
	}
	for _, refused := range []struct {
		operation string
		call      call
	}{
		{"retryFailed", send(http.MethodPost, campaign+"/retry-failed", map[string]any{})},
		{"duplicateCampaign", send(http.MethodPost, campaign+"/duplicate", map[string]any{})},
		{"deleteSegment", send(http.MethodDelete, "/api/segments/"+d.segment, nil)},
		{"createKey", send(http.MethodPost, "/api/keys", map[string]any{"name": "mine", "role": "admin"})},
	} {
		d.viewer.must(t, refused.call, http.StatusForbidden, nil)
		d.note(refused.operation + " 403 by board")
	}
}

func (d *day) testRevocation(t *testing.T) {
	t.Helper()
	d.admin.must(t, send(http.MethodDelete, "/api/keys/"+d.made["marketing"], nil), http.StatusOK, nil)
	d.note("revokeKey 200 by demo")
	d.requireRefused(t, d.editor)
	cmd := exec.CommandContext(t.Context(), d.demo.Path, "keys", "revoke", d.made["board"])
	cmd.Env = d.environ()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	d.requireRefused(t, d.viewer)
	d.shop.must(t, get("/api/me"), http.StatusOK, nil)
}

// requireRefused holds the promise of a second, with what one request takes.
func (d *day) requireRefused(t *testing.T, c caller) {
	t.Helper()
	const promised = time.Second
	revoked := time.Now()
	for {
		asked := time.Now()
		if c.do(t, get("/api/me")).status == http.StatusUnauthorized {
			return
		}
		require.Less(t, asked.Sub(revoked), promised, "the key still works")
		<-time.After(pause)
	}
}

func (d *day) testAuditLog(t *testing.T) {
	t.Helper()
	require.Equal(t, append(d.startsAt, d.changes...), d.auditLog(t))
}

// auditLog is the whole log, oldest first, each line as what was asked for, what was answered and whose key it was.
func (d *day) auditLog(t *testing.T) []string {
	t.Helper()
	names := map[string]string{}
	for name, id := range d.made {
		names["key:"+id] = name
	}
	var page struct {
		Data []struct {
			Principal, Operation string
			Status               *int
		}
		Next string `json:"next_cursor"`
	}
	d.admin.must(t, get("/api/audit?limit=100"), http.StatusOK, &page)
	require.Empty(t, page.Next)
	var lines []string
	for _, e := range slices.Backward(page.Data) {
		by, ok := names[e.Principal]
		if !ok {
			by = "demo"
		}
		require.NotNil(t, e.Status, "%s has no outcome", e.Operation)
		lines = append(lines, e.Operation+" "+strconv.Itoa(*e.Status)+" by "+by)
	}
	return lines
}
