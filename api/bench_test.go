package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkIngest is the door's own cost of one order, without the broker.
func BenchmarkIngest(b *testing.B) {
	bundle := setup(b)
	always(bundle)
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/orders", strings.NewReader(order))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		bundle.handler.ServeHTTP(w, req)
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Body)
		}
	}
}
