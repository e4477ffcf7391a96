// Package api is the HTTP door: it decodes a request, calls one service, encodes the answer.
//
// The success bodies are the reference's, the errors RFC 9457 problems that also carry the
// reference's members (see problem.go). Rules of the business live in the services, so that MCP
// and the demo obey them too; here are only the shapes, the limits and the texts of HTTP.
//
// A handler's input and output types are the OpenAPI document, and the input type is what the
// strict decoder checks a body against (decode.go). Huma's own validation is off: it cannot give
// the reference's texts and order of checks.
package api
