// Package mcpbridge lets a program that starts its MCP servers as children, and talks to them over
// standard input and output, use the MCP of a running XenCRM: a line of input is one JSON-RPC message
// and is posted to /mcp, and whatever the server answers, notifications in between included, comes out
// as lines.
//
// It owns the way there and back: the session, the headers, the order of messages, cancellation, and
// what to say when the server is away or refuses. It knows no tool, checks no argument and keeps no
// data, so the tools behind standard input are those of HTTP, with the same rights and limits.
//
// Messages are carried as they are. mcp-go's client decodes them into types of its own and encodes
// these again, which loses whatever it has no field for, so only its header rules are used.
package mcpbridge
