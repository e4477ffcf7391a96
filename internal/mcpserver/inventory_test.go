package mcpserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ToolTable is the table of docs/mcp.md, of what there is.
func ToolTable() string {
	var out strings.Builder
	out.WriteString("| tool | effect | permission | arguments | what it does |\n|---|---|---|---|---|\n")
	for _, t := range tools() {
		sentence, _, _ := strings.Cut(t.description, ". ")
		fmt.Fprintf(&out, "| `%s` | %s | `%s` | %s | %s. |\n",
			t.name, effectInWords(t.effect), t.needs, argumentsOf(t), strings.TrimSuffix(sentence, "."))
	}
	return out.String()
}

func effectInWords(e effect) string {
	return map[effect]string{reads: "reads", adds: "stores", steers: "steers", sends: "**sends or stops**"}[e]
}

// argumentsOf lists the arguments that are needed, in bold, and then the others.
func argumentsOf(t tool) string {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	if err := json.Unmarshal(t.input, &schema); err != nil {
		return err.Error() // which is not what the page says
	}
	var all []string
	for _, name := range schema.Required {
		all = append(all, "**"+name+"**")
		delete(schema.Properties, name)
	}
	return strings.Join(append(all, slices.Sorted(maps.Keys(schema.Properties))...), ", ")
}
