package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEmbeddedMembersAreDocumented: Huma leaves out what is embedded by a type that is not exported.
func TestEmbeddedMembersAreDocumented(t *testing.T) {
	t.Parallel()
	doc := readDocument(t, setup(t))
	for schema, member := range map[string]string{"CustomerDetail": "email", "MessageDetail": "seq"} {
		require.Contains(t, doc.Components.Schemas[schema].Properties, member, schema)
	}
}
