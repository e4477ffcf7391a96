package api_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/errs"
)

var (
	communicationID = uuid.MustParse("0d7c1d3e-6c1f-5b0e-9a5e-0a4b1d2c3e4f")
	receiptID       = uuid.MustParse("0197e5b5-5555-7a64-8a3c-3a5ef2c43a11")
	messagesPath    = "/api/campaigns/" + campaignID.String() + "/messages"
)

func anEntry(seq int) campaign.Entry {
	return campaign.Entry{
		CommunicationID: communicationID, CustomerID: customerID, Seq: seq, CustomerName: "Asha", CustomerEmail: "asha@shop.in",
		CreatedAt: now, LastAttemptAt: new(now.Add(time.Second)), SentAt: new(now.Add(time.Second)),
		MessageState: campaign.MessageState{
			Status: campaign.MessageFailed, Attempts: 1, MaxAttempts: 3, HandedOver: true, VendorRef: "msg_1",
			Code: "EMAIL_BOUNCED", Reason: "Email address bounced",
		},
	}
}

func aPendingEntry(seq int) campaign.Entry {
	return campaign.Entry{
		CommunicationID: receiptID, CustomerID: orderID, Seq: seq, CreatedAt: now,
		MessageState: campaign.MessageState{Status: campaign.MessagePending, MaxAttempts: 3},
	}
}

// alwaysLedger gives a page that another follows, and one message with its story.
func alwaysLedger(b *bundle) {
	b.ledger.entries = func(context.Context, campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
		return cursor.Page[campaign.Entry]{
			Items: []campaign.Entry{anEntry(1), aPendingEntry(2)}, Next: cursor.Position{Key: "2"},
		}, nil
	}
	b.ledger.find = func(context.Context, uuid.UUID, uuid.UUID) (campaign.EntryDetail, error) {
		return campaign.EntryDetail{
			Entry: anEntry(17), Text: "Hi Asha <b>", CampaignStatus: campaign.Completed,
			Tries: []campaign.EntryTry{
				{Number: 1, Outcome: campaign.AnswerAccepted, Latency: 412 * time.Millisecond, At: now.Add(time.Second)},
			},
			Receipts: []campaign.EntryReceipt{{ReceivedAt: now.Add(time.Minute), Receipt: campaign.Receipt{
				ReceiptID: receiptID, CommunicationID: communicationID, Attempt: 1, VendorRef: "msg_1",
				Code: "EMAIL_BOUNCED", Reason: "Email address bounced", OccurredAt: now.Add(30 * time.Second),
			}}},
		}, nil
	}
}

// numbered gives the entries 1 to n of whatever filter, as the service pages them.
func numbered(n int, entry func(int) campaign.Entry) func(context.Context, campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
	return func(_ context.Context, f campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
		var found []campaign.Entry
		for seq := f.After + 1; seq <= n && len(found) <= f.Limit; seq++ {
			found = append(found, entry(seq))
		}
		return cursor.Cut(found, f.Limit, func(e campaign.Entry) cursor.Position {
			return cursor.Position{Key: strconv.Itoa(e.Seq)}
		}), nil
	}
}

// page is what a list of messages answers.
type messagesPage struct {
	Data []struct {
		Seq int `json:"seq"`
	} `json:"data"`
	NextCursor string `json:"next_cursor"`
}

func (b *bundle) messages(t *testing.T, query string) messagesPage {
	t.Helper()
	w := b.call(t, http.MethodGet, messagesPath+query, "")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var page messagesPage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
	return page
}

func TestMessages(t *testing.T) {
	t.Parallel()

	t.Run("AreWalkedByCursor", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ledger.entries = numbered(7, anEntry)
		seqs, next := []int{}, ""
		for {
			page := b.messages(t, "?limit=3&status=FAILED&cursor="+next)
			for _, m := range page.Data {
				seqs = append(seqs, m.Seq)
			}
			if next = page.NextCursor; next == "" {
				break
			}
		}
		require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7}, seqs)
	})

	t.Run("HandTheFilterOn", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var got campaign.EntryFilter
		b.ledger.entries = func(_ context.Context, f campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
			got = f
			return cursor.Page[campaign.Entry]{}, nil
		}
		b.messages(t, "?status=SKIPPED,FAILED&failure_code=EMAIL_BOUNCED&limit=1000")
		require.Equal(t, campaign.EntryFilter{
			CampaignID: campaignID, FailureCode: "EMAIL_BOUNCED", Limit: 100,
			Statuses: []campaign.MessageStatus{campaign.MessageSkipped, campaign.MessageFailed},
		}, got)
	})

	t.Run("KnowOneFilterInEitherOrder", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ledger.entries = numbered(2, anEntry)
		next := b.messages(t, "?limit=1&status=SKIPPED,FAILED").NextCursor
		require.Len(t, b.messages(t, "?limit=1&status=FAILED,SKIPPED&cursor="+next).Data, 1)
	})

	t.Run("RefuseWhatCannotBeMeant", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ledger.entries = numbered(2, anEntry)
		next := b.messages(t, "?limit=1").NextCursor
		other := strings.Replace(messagesPath, campaignID.String(), segmentID.String(), 1)
		for target, code := range map[string]int{
			messagesPath + "?status=failed":                           http.StatusBadRequest,
			messagesPath + "?status=FAILED,":                          http.StatusBadRequest,
			messagesPath + "?limit=0":                                 http.StatusBadRequest,
			messagesPath + "?failure_code=" + strings.Repeat("X", 51): http.StatusBadRequest,
			messagesPath + "?cursor=nonsense":                         http.StatusBadRequest,
			messagesPath + "?limit=1&status=FAILED&cursor=" + next:    http.StatusBadRequest,
			messagesPath + "?limit=1&failure_code=X&cursor=" + next:   http.StatusBadRequest,
			other + "?limit=1&cursor=" + next:                         http.StatusBadRequest,
			"/api/campaigns/nope/messages":                            http.StatusNotFound,
			"/api/campaigns/nope/messages.csv":                        http.StatusNotFound,
			"/api/campaigns/nope/events":                              http.StatusNotFound,
			messagesPath + "/nope":                                    http.StatusNotFound,
			messagesPath + ".csv?status=x":                            http.StatusBadRequest,
			messagesPath + "?cursor=" + cursor.Encode(cursor.Position{Key: "x"}, "messages", campaignID.String(), "", ""): http.StatusBadRequest,
		} {
			require.Equal(t, code, b.call(t, http.MethodGet, target, "").Code, target)
		}
	})

	t.Run("SayWhoIsNotInTheAudience", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ledger.find = func(context.Context, uuid.UUID, uuid.UUID) (campaign.EntryDetail, error) {
			return campaign.EntryDetail{}, errs.Errorf(errs.NotFound, "Not in the audience: nobody matched")
		}
		golden(t, "fail_message_not_in_audience", b.call(t, http.MethodGet, messagesPath+"/"+customerID.String(), ""))
	})
}

// download asks for the export.
func (b *bundle) download(t *testing.T, query string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, messagesPath+".csv"+query, nil))
	return w
}

// TestMessageSchemaIsWhole holds the document against Huma's silence about embedded types.
func TestMessageSchemaIsWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	always(b)
	var got struct {
		Data map[string]any `json:"data"`
	}
	require.NoError(t, json.Unmarshal(b.call(t, http.MethodGet, messagesPath+"/"+customerID.String(), "").Body.Bytes(), &got))
	documented := readDocument(t, b).Components.Schemas["MessageDetail"].Properties
	require.Len(t, documented, len(got.Data))
	for member := range got.Data {
		require.Contains(t, documented, member)
	}
}

func TestExport(t *testing.T) {
	t.Parallel()

	t.Run("IsTheWholeListWithItsHeader", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ledger.entries = numbered(2500, anEntry) // two pages and a half
		w := b.download(t, "?status=FAILED")
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "text/csv; charset=utf-8; header=present", w.Header().Get("Content-Type"))
		require.Equal(t, `attachment; filename="messages-`+campaignID.String()+`.csv"`, w.Header().Get("Content-Disposition"))
		rows, err := csv.NewReader(w.Body).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 2501)
		for seq, row := range rows[1:] {
			require.Equal(t, strconv.Itoa(seq+1), row[0])
		}
		require.Equal(t, []string{
			"1", communicationID.String(), customerID.String(), "Asha", "asha@shop.in", "FAILED", "1", "3", "EMAIL_BOUNCED",
			"Email address bounced", "", "msg_1", "2025-09-14T12:00:00.123Z", "2025-09-14T12:00:01.123Z", "2025-09-14T12:00:01.123Z", "",
		}, rows[1])
	})

	t.Run("NamesItsColumnsAsTheListDoes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		always(b)
		var list struct {
			Data []map[string]any `json:"data"`
		}
		require.NoError(t, json.Unmarshal(b.call(t, http.MethodGet, messagesPath, "").Body.Bytes(), &list))
		b.ledger.entries = numbered(0, anEntry)
		header := strings.Split(strings.TrimSpace(b.download(t, "").Body.String()), ",")
		require.Len(t, header, len(list.Data[0]))
		for _, name := range header {
			require.Contains(t, list.Data[0], name)
		}
	})

	t.Run("QuotesAndDisarms", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		names := []string{
			`=cmd|' /C calc'!A0`, "+1", "-1", "@SUM(A1)", "\tx", "\rx", "a,b", `say "hi"`, "two\nlines", "आशा", "a=b",
		}
		b.ledger.entries = numbered(len(names), func(seq int) campaign.Entry {
			e := anEntry(seq)
			e.CustomerName = names[seq-1]
			return e
		})
		raw := b.download(t, "").Body.String()
		require.True(t, utf8.ValidString(raw))
		require.True(t, strings.HasSuffix(raw, "\r\n"))
		rows, err := csv.NewReader(strings.NewReader(raw)).ReadAll()
		require.NoError(t, err)
		got := []string{}
		for _, row := range rows[1:] {
			got = append(got, row[3])
		}
		// A lone carriage return is no line break of RFC 4180 and is left out by the writer.
		require.Equal(t, []string{
			`'=cmd|' /C calc'!A0`, "'+1", "'-1", "'@SUM(A1)", "'\tx", "'x", "a,b", `say "hi"`, "two\nlines", "आशा", "a=b",
		}, got)
	})

	t.Run("RefusesBeforeTheFirstByte", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.ledger.entries = func(context.Context, campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
			return cursor.Page[campaign.Entry]{}, errs.Errorf(errs.NotFound, "Campaign not found")
		}
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, messagesPath+".csv", "").Code)
	})

	t.Run("IsCutOffWhenAPageFails", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		whole := numbered(2500, anEntry)
		b.ledger.entries = func(ctx context.Context, f campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
			if f.After >= 2000 {
				return cursor.Page[campaign.Entry]{}, fmt.Errorf("secret-inside")
			}
			return whole(ctx, f)
		}
		require.PanicsWithValue(t, http.ErrAbortHandler, func() { b.download(t, "") })
		require.Contains(t, b.logs.String(), `"operation":"exportMessages"`)
	})

	t.Run("HoldsOnePageAtATime", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		whole := numbered(10_000, anEntry)
		b.ledger.entries = func(ctx context.Context, f campaign.EntryFilter) (cursor.Page[campaign.Entry], error) {
			require.Equal(t, 1000, f.Limit)
			_, timed := ctx.Deadline()
			require.True(t, timed)
			return whole(ctx, f)
		}
		w := b.download(t, "")
		require.Equal(t, 10_001, strings.Count(w.Body.String(), "\r\n"))
		require.True(t, w.Flushed)
	})
}
