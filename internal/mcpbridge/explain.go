package mcpbridge

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
)

// maxExplanation is in bytes; a model needs no more of what a proxy has to say.
const maxExplanation = 500

// explanation is the status and what the body adds to it: a problem's detail (RFC 9457), or plain text.
func explanation(res *http.Response, body []byte) string {
	var problem struct {
		Detail string `json:"detail"`
		Title  string `json:"title"`
	}
	text := ""
	switch {
	case json.Unmarshal(body, &problem) == nil:
		text = cmp.Or(problem.Detail, problem.Title)
	case strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain"):
		text = string(body)
	}
	text = strings.Map(visible, strings.ToValidUTF8(text, ""))
	text = strings.TrimSpace(strings.ToValidUTF8(text[:min(len(text), maxExplanation)], ""))
	if text == "" {
		return res.Status
	}
	return res.Status + " (" + text + ")"
}

// visible makes a space of what would steer a terminal.
func visible(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// refused explains a status that is no answer of MCP's: of the server's gate, or of a proxy.
func (s *server) refused(res *http.Response, body []byte) error {
	text := explanation(res, body)
	switch {
	case res.StatusCode == http.StatusUnauthorized && s.key == "":
		return away("%s wants an API key: make one with `xencrm keys create` and set XENCRM_API_KEY", s.endpoint)
	case res.StatusCode == http.StatusUnauthorized:
		return away("%s does not take XENCRM_API_KEY, which may be revoked, expired or another server's: make one with `xencrm keys create`",
			s.endpoint)
	case res.StatusCode == http.StatusNotFound:
		return away("%s answers %s: check XENCRM_URL, and that the server has MCP", s.endpoint, text)
	case res.StatusCode < http.StatusBadRequest:
		return away("%s answers %s to %q: set XENCRM_URL to where the server is", s.endpoint, res.Status, res.Header.Get("Location"))
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
		return away("%s answers %s: try again in %s", s.endpoint, text, pauseOf(res))
	}
	return away("%s answers %s", s.endpoint, text)
}

// pauseOf is how long the server wants to be left alone.
func pauseOf(res *http.Response) string {
	if seconds := res.Header.Get("Retry-After"); seconds != "" && strings.Trim(seconds, "0123456789") == "" {
		return seconds + " s"
	}
	return "some seconds"
}
