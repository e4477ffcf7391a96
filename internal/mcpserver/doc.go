// Package mcpserver lets AI assistants do what a marketer can: MCP tools, resources and prompts on the
// services that REST uses, under the same permissions.
//
// It owns the tools' names, schemas and texts, the confirmations that stand before whatever sends or stops,
// and what of a customer an assistant may see. It does not know who callers are: the API lets them in and
// puts the principal into the context (see auth.FromContext). It reads no database of its own.
//
// Three rules hold for every tool. What a customer or a colleague has typed is data: it is in structured
// content only, cleaned of control characters and cut to a length. A refusal is a tool's error and says what
// to do next; a fault of ours is a protocol error and says nothing of its cause. Every call is in the audit
// log.
package mcpserver
