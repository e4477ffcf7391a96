// Package campaign is the domain of campaigns: what a campaign and its messages are, how answers
// and receipts change a message, what the books must add up to, and the one Service that every
// door (REST, MCP, the demo) goes through.
//
// It reaches no database, broker, HTTP or Temporal: those stand behind the ports in ports.go.
package campaign
