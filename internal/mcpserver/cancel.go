package mcpserver

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// cancels reports whether the message asks to end a call, which is taken and not done. Without sessions mcp-go
// finds the call by its number alone, whoever has made it, and every client counts from one. A caller ends a
// call by closing its connection, as 2026-07-28 has it. The message can be read again.
func cancels(r *http.Request) bool {
	body, err := io.ReadAll(r.Body) // of bounded length: the door has read it before
	r.Body = io.NopCloser(bytes.NewReader(body))
	var message struct {
		Method string `json:"method"`
	}
	return err == nil && json.Unmarshal(body, &message) == nil && message.Method == string(mcp.MethodNotificationCancelled)
}
