package api

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

//go:embed docs.html.tmpl
var docsTemplate embed.FS

// serveDocument writes the OpenAPI document and its page once, when somebody asks. Huma's own
// routes would do so unguarded against two who ask at once, and load the page from a CDN.
func (r *routes) serveDocument(engine *gin.Engine) {
	doc := r.api.OpenAPI()
	doc.Info.Description = "A CRM campaign engine: every recipient is accounted for. " +
		"Errors are problems (RFC 9457) that also carry success, error and message."
	// An unhealthy report is no problem but the report.
	report := doc.Paths["/health"].Get.Responses
	// Suppressing what is suppressed already gives it as it is.
	suppressed := doc.Paths["/api/suppressions"].Post.Responses
	suppressed["200"] = &huma.Response{Description: "It was suppressed already.", Content: suppressed["201"].Content}
	report["503"] = &huma.Response{Description: "A dependency does not answer.", Content: report["200"].Content}
	documentFiles(doc)
	// Huma documents its own error type on the way; none of our answers has it.
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	spec := sync.OnceValue(func() []byte { return must(json.Marshal(doc)) })
	page := sync.OnceValue(func() []byte { return must(renderDocs(doc)) })
	engine.GET("/openapi.json", func(c *gin.Context) {
		c.Data(http.StatusOK, "application/vnd.oai.openapi+json;version=3.1", spec())
	})
	engine.GET("/docs", func(c *gin.Context) {
		// The page has one style sheet in it and no script.
		c.Header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		c.Data(http.StatusOK, "text/html; charset=utf-8", page())
	})
}

// docsOperation is one operation on the page.
type docsOperation struct {
	Method, Path string
	*huma.Operation
}

type docsPage struct {
	Title, Version, Description string
	Operations                  []docsOperation
	Schemas                     map[string]*huma.Schema
}

func renderDocs(doc *huma.OpenAPI) ([]byte, error) {
	page := docsPage{
		Title: doc.Info.Title, Version: doc.Info.Version, Description: doc.Info.Description,
		Schemas: doc.Components.Schemas.Map(),
	}
	for path, item := range doc.Paths {
		for _, o := range []docsOperation{
			{http.MethodGet, path, item.Get},
			{http.MethodPost, path, item.Post},
			{http.MethodPut, path, item.Put},
			{http.MethodPatch, path, item.Patch},
			{http.MethodDelete, path, item.Delete},
		} {
			if o.Operation != nil {
				page.Operations = append(page.Operations, o)
			}
		}
	}
	order := []string{tagIngest, tagCustomers, tagOrders, tagSuppressions, tagSegments, tagCampaigns, tagFigures, tagAccess, tagHealth}
	slices.SortFunc(page.Operations, func(a, b docsOperation) int {
		key := func(o docsOperation) string {
			return fmt.Sprint(slices.Index(order, o.Tags[0]), o.Path, o.Method)
		}
		return strings.Compare(key(a), key(b))
	})
	const file = "docs.html.tmpl"
	t, err := template.New(file).Funcs(template.FuncMap{"indent": indentJSON}).ParseFS(docsTemplate, file)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, page)
	return out.Bytes(), err
}

// must turns a fault in the document, which is the same on every start and so met in tests, into the
// answer to a panic.
func must(out []byte, err error) []byte {
	if err != nil {
		panic(fmt.Errorf("api: write the document: %w", err))
	}
	return out
}

func indentJSON(v any) (string, error) {
	out, err := json.MarshalIndent(v, "", "  ")
	return string(out), err
}
