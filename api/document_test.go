package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
)

// document is the part of OpenAPI that these tests look at.
type document struct {
	OpenAPI    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	OperationID string   `json:"operationId"`
	Summary     string   `json:"summary"`
	Tags        []string `json:"tags"`
	Parameters  []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Schema      schema `json:"schema"`
	} `json:"parameters"`
	Responses map[string]struct {
		Description string         `json:"description"`
		Content     map[string]any `json:"content"`
	} `json:"responses"`
}

type schema struct {
	Type        any               `json:"type"`
	Description string            `json:"description"`
	Examples    []any             `json:"examples"`
	Properties  map[string]schema `json:"properties"`
}

func read(t *testing.T, b *bundle, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	return w
}

func readDocument(t *testing.T, b *bundle) document {
	t.Helper()
	var doc document
	require.NoError(t, json.Unmarshal(read(t, b, "/openapi.json").Body.Bytes(), &doc))
	return doc
}

// TestOpenAPIIsCommitted fails when a type or route changed and openapi.yaml did not; run with
// -update.
func TestOpenAPIIsCommitted(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	require.NoError(t, yaml.Convert(&got, read(t, setup(t), "/openapi.json").Body))
	if *update {
		require.NoError(t, os.WriteFile("openapi.yaml", []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// TestEveryRouteIsDocumented walks what gin really serves.
func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doc := readDocument(t, b)
	engine, ok := b.handler.(*gin.Engine)
	require.True(t, ok)
	documented := 0
	for _, route := range engine.Routes() {
		if slices.Contains([]string{"/openapi.json", "/docs", "/u/:token"}, route.Path) {
			continue // the document itself, and the links in messages
		}
		parts := strings.Split(route.Path, "/")
		for i, part := range parts {
			if name, isParam := strings.CutPrefix(part, ":"); isParam {
				parts[i] = "{" + name + "}"
			}
		}
		require.Contains(t, doc.Paths[strings.Join(parts, "/")], strings.ToLower(route.Method), route.Path)
		documented++
	}
	operations := 0
	for _, item := range doc.Paths {
		operations += len(item)
	}
	require.Equal(t, documented, operations)
}

func TestDocumentIsComplete(t *testing.T) {
	t.Parallel()
	doc := readDocument(t, setup(t))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	require.NotContains(t, doc.Components.Schemas, "ErrorModel")
	for path, item := range doc.Paths {
		for method, op := range item {
			require.NotEmpty(t, op.OperationID, "%s %s", method, path)
			require.NotEmpty(t, op.Summary, op.OperationID)
			require.Len(t, op.Tags, 1, op.OperationID)
			for _, p := range op.Parameters {
				require.NotEmpty(t, p.Description, "%s %s", op.OperationID, p.Name)
				require.NotEmpty(t, p.Schema.Examples, "%s %s", op.OperationID, p.Name)
			}
			for status, r := range op.Responses {
				require.NotEmpty(t, r.Description, "%s %s", op.OperationID, status)
				if status >= "400" && (op.OperationID != "health" || status != "503") {
					require.Contains(t, r.Content, "application/problem+json", "%s %s", op.OperationID, status)
					require.Contains(t, r.Description, "/problems/", "%s %s", op.OperationID, status)
				}
			}
			require.Contains(t, op.Responses, "500", op.OperationID)
		}
	}
	for name, s := range doc.Components.Schemas {
		for member, m := range s.Properties {
			require.NotEmpty(t, m.Description, "%s.%s", name, member)
			if scalar := m.Type != nil && m.Type != "array" && m.Type != "object"; scalar {
				require.NotEmpty(t, m.Examples, "%s.%s", name, member)
			}
		}
	}
}

func TestDocsWorkOffline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := read(t, b, "/docs")
	page := w.Body.String()
	for _, item := range readDocument(t, b).Paths {
		for _, op := range item {
			require.Contains(t, page, `id="`+op.OperationID+`"`)
			require.Contains(t, page, op.Summary[:8])
		}
	}
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "http://")
	require.NotContains(t, page, "https://")
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
}
