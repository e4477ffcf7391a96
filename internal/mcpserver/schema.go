package mcpserver

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
)

// inputSchema is the JSON Schema of a tool's arguments. Beside mcp-go's tags it reads the limits from tags of
// ours, min, max and length (the longest text), and takes null out of the types: an argument that is not
// meant is left out.
func inputSchema[In any]() json.RawMessage {
	var t mcp.Tool
	mcp.WithInputSchema[In]()(&t)
	var schema map[string]any
	if err := json.Unmarshal(t.RawInputSchema, &schema); err != nil {
		panic("mcpserver: schema of " + reflect.TypeFor[In]().String() + ": " + err.Error()) // a type of ours, and a test makes it
	}
	limit(schema, reflect.TypeFor[In]())
	raw, err := json.Marshal(schema)
	if err != nil {
		panic("mcpserver: schema of " + reflect.TypeFor[In]().String() + ": " + err.Error())
	}
	return raw
}

// limit puts the limits of a struct's tags into its schema, and of the structs in it.
func limit(schema map[string]any, t reflect.Type) {
	properties, _ := schema["properties"].(map[string]any)
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, ok := properties[name].(map[string]any)
		if !ok {
			continue
		}
		limitProperty(property, field.Tag)
		inner := field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
			if items, ok := property["items"].(map[string]any); ok {
				property = items
			}
		}
		if inner.Kind() == reflect.Struct {
			limit(property, inner)
		}
	}
}

func limitProperty(property map[string]any, tags reflect.StructTag) {
	if types, ok := property["type"].([]any); ok {
		property["type"] = slices.DeleteFunc(types, func(t any) bool { return t == "null" })[0]
	}
	for tag, keyword := range map[string]string{"min": "minimum", "max": "maximum", "length": "maxLength"} {
		if n, err := strconv.ParseFloat(tags.Get(tag), 64); err == nil {
			property[keyword] = n
		}
	}
	if format := tags.Get("format"); format != "" {
		property["format"] = format
	}
}
