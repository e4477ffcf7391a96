package mcpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/xencrm/xencrm/internal/errs"
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

// compile makes a validator of a schema of ours. mcp-go can check arguments, too, but tells what is wrong in
// the words of a Go value.
func compile(name string, schema []byte) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err == nil {
		err = compiler.AddResource(name, doc)
	}
	var compiled *jsonschema.Schema
	if err == nil {
		compiled, err = compiler.Compile(name)
	}
	if err != nil {
		panic("mcpserver: schema of " + name + ": " + err.Error()) // of a type of ours, and every test makes it
	}
	return compiled
}

// check lists everything that is wrong with the arguments of a call.
func check(schema *jsonschema.Schema, arguments any) error {
	if arguments == nil {
		arguments = map[string]any{}
	}
	err := schema.Validate(arguments)
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	english := message.NewPrinter(language.English)
	var fields []errs.Field
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) == 0 {
			at := "/" + strings.Join(e.InstanceLocation, "/")
			fields = append(fields, errs.Field{Pointer: at, Message: e.ErrorKind.LocalizedString(english)})
		}
	}
	walk(invalid)
	return errs.InvalidFields("the arguments do not fit the tool's schema", fields)
}
