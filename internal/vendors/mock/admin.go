package mock

import (
	"io"
	"net"
	"net/http"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/vendor"
)

// loopbackOnly keeps operators' routes on the machine: they show who was written to, and can stop it.
func loopbackOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			refuse(w, http.StatusForbidden, "FORBIDDEN", "only from this machine")
			return
		}
		next(w, r)
	}
}

// getHealth answers also during an outage fault: that is the vendor being away, not the process.
func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) getFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Faults())
}

// putFaults replaces all faults: what the body does not name is switched off.
func (s *Server) putFaults(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, vendor.MaxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, vendor.InvalidPayload, "body is over 64 KiB")
		return
	}
	f, err := DecodeFaults(body)
	if err == nil {
		err = s.SetFaults(f)
	}
	if err != nil {
		refuseFields(w, err)
		return
	}
	writeJSON(w, http.StatusOK, f)
}

func (s *Server) getSummary(w http.ResponseWriter, r *http.Request) {
	sum, err := s.Summary(r.Context())
	if err != nil {
		s.refuseRead(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, sum)
}

func (s *Server) getLedger(w http.ResponseWriter, r *http.Request) {
	e, err := s.Entry(r.Context(), r.PathValue("key"))
	if errs.Is(err, errs.NotFound) {
		refuse(w, http.StatusNotFound, "NOT_FOUND", "key was never seen")
		return
	}
	if err != nil {
		s.refuseRead(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, e)
}

func (s *Server) refuseRead(w http.ResponseWriter, r *http.Request, err error) {
	s.c.Logger.ErrorContext(r.Context(), "ledger not read", "error", err)
	refuse(w, http.StatusServiceUnavailable, vendor.SystemError, "ledger cannot be read")
}

// problemBody is the error body of everything but messages.
type problemBody struct {
	Status       string       `json:"status"`
	ErrorCode    vendor.Code  `json:"error_code"`
	ErrorMessage string       `json:"error_message"`
	Errors       []errs.Field `json:"errors,omitempty"`
}

func refuse(w http.ResponseWriter, status int, code vendor.Code, text string) {
	writeJSON(w, status, problemBody{Status: vendor.StatusFailed, ErrorCode: code, ErrorMessage: text})
}

func refuseFields(w http.ResponseWriter, err error) {
	body := problemBody{Status: vendor.StatusFailed, ErrorCode: vendor.InvalidPayload, ErrorMessage: err.Error()}
	if e, ok := err.(*errs.Error); ok { //nolint:errorlint // Both makers give it unwrapped.
		body.Errors = e.Fields
	}
	writeJSON(w, http.StatusUnprocessableEntity, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(v)) // Whoever asked may have gone.
}
