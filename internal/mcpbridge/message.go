package mcpbridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

// codeAway is of the range that JSON-RPC leaves to implementations; MCP's own libraries use it for a
// connection that is gone.
const codeAway = -32000

// message is one message of the client: its bytes, and what must be known of them to carry them.
type message struct {
	raw    []byte
	id     json.RawMessage
	method string
	params json.RawMessage
	// version is the protocol version that the message itself names, as 2026-07-28 wants it; before,
	// the version was agreed on once.
	version string
}

// isRequest reports whether the message wants an answer.
func (m message) isRequest() bool { return m.method != "" && len(m.id) > 0 }

// isModern reports whether the message belongs to no session.
func (m message) isModern() bool { return mcp.IsModernProtocol(m.version) }

// parse looks into a message. Its error is a *failure that says what is wrong with it.
func parse(raw []byte) (message, error) {
	if !json.Valid(raw) {
		return message{}, &failure{mcp.PARSE_ERROR, "this line is not JSON; send one JSON-RPC message a line"}
	}
	var found struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	err := json.Unmarshal(raw, &found)
	isAnswer := len(found.ID) > 0 && (len(found.Result) > 0 || len(found.Error) > 0)
	if err != nil || (found.Method == "" && !isAnswer) {
		return message{}, &failure{mcp.INVALID_REQUEST, "this line is no JSON-RPC message: it must be one object with a method (no batches)"}
	}
	m := message{raw: raw, id: found.ID, method: found.Method, params: found.Params}
	var named struct {
		Meta *mcp.Meta `json:"_meta"`
	}
	if json.Unmarshal(found.Params, &named) == nil {
		m.version = named.Meta.ProtocolVersion()
	}
	return m, nil
}

// cancelled gives the id of the request that a cancellation is about.
func (m message) cancelled() string {
	var found struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	_ = json.Unmarshal(m.params, &found) // a cancellation of nothing cancels nothing
	return string(found.RequestID)
}

// failure is an error that the client is told in place of an answer.
type failure struct {
	code int
	text string
}

func (f *failure) Error() string { return f.text }

// away is a failure of the way to the server.
func away(format string, args ...any) *failure {
	return &failure{codeAway, fmt.Sprintf(format, args...)}
}

// line is the failure as the answer to the request with that id; nil when it is not known.
func (f *failure) line(id json.RawMessage) []byte {
	type details struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	raw, err := json.Marshal(struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   details         `json:"error"`
	}{mcp.JSONRPC_VERSION, id, details{f.code, f.text}})
	if err != nil { // impossible: the id was read as JSON
		return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`)
	}
	return raw
}

// failureOf gives what to tell the client of an error.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return away("%v", err)
}

// answer is what must be known of a message of the server.
type answer struct {
	line    []byte
	id      json.RawMessage
	method  string
	failure *failure
	// version is what the server settles for when it answers initialize.
	version string
}

// isFinal reports whether the message is the answer itself, not something said meanwhile.
func (a answer) isFinal() bool { return a.method == "" && (a.failure != nil || len(a.id) > 0) }

// isNameless reports whether the server refused a message whose id it could not read.
func (a answer) isNameless() bool {
	return a.failure != nil && (len(a.id) == 0 || string(a.id) == "null")
}

// parseAnswer reads one message of the server and puts it on one line. It errs if it is none.
func parseAnswer(raw []byte) (answer, error) {
	var found struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Error   *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return answer{}, err
	}
	if found.JSONRPC != mcp.JSONRPC_VERSION {
		return answer{}, errors.New("it is no JSON-RPC message")
	}
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err != nil {
		return answer{}, err
	}
	a := answer{line: line.Bytes(), id: found.ID, method: found.Method}
	if found.Error != nil {
		a.failure = &failure{found.Error.Code, found.Error.Message}
	}
	var settled struct {
		ProtocolVersion string `json:"protocolVersion"`
	}
	if json.Unmarshal(found.Result, &settled) == nil {
		a.version = settled.ProtocolVersion
	}
	return a, nil
}
