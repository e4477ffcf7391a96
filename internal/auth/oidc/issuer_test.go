package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/auth/oidc"
)

const clientID = "ours.apps.example"

// start is where the clocks of the tests begin.
var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// Keys take long to make, so the tests share them.
var (
	keyA     = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	keyB     = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	shortKey = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
)

func newRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

// issuer is an OpenID Connect issuer on this machine that plays Google: its transport brings requests
// for https://accounts.google.com to it.
type issuer struct {
	t      *testing.T
	server *httptest.Server
	name   string

	mu           sync.Mutex
	at           time.Time
	keys         map[string]any // public keys by kid
	extraKeys    string         // JSON that goes before them
	cacheControl string
	status       int           // of all answers, if not 0
	hang         chan struct{} // the key endpoint waits for it, if not nil
	fetched      int
	discovered   int
	discovery    map[string]string // replaces parts of the document
	token        func(form url.Values, r *http.Request) (int, map[string]any)
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{
		t: t, name: oidc.GoogleIssuer, at: start, keys: map[string]any{"a": &keyA().PublicKey},
		cacheControl: "public, max-age=3600, must-revalidate", discovery: map[string]string{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.describe)
	mux.HandleFunc("GET /keys", i.giveKeys)
	mux.HandleFunc("POST /token", i.giveToken)
	i.server = httptest.NewServer(mux)
	t.Cleanup(i.server.Close)
	return i
}

func (i *issuer) describe(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.discovered++
	doc := map[string]string{
		"issuer": i.name, "jwks_uri": i.name + "/keys", "token_endpoint": i.name + "/token",
		"authorization_endpoint": i.name + "/authorize",
	}
	maps.Copy(doc, i.discovery)
	i.answer(w, doc)
}

func (i *issuer) giveKeys(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	i.fetched++
	hang := i.hang
	i.mu.Unlock()
	if hang != nil {
		<-hang
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	list := []json.RawMessage{}
	if i.extraKeys != "" {
		list = append(list, json.RawMessage(i.extraKeys))
	}
	for kid, key := range i.keys {
		one, err := jose.JSONWebKey{Key: key, KeyID: kid, Use: "sig"}.MarshalJSON()
		if err != nil {
			panic(err)
		}
		list = append(list, one)
	}
	w.Header().Set("Cache-Control", i.cacheControl)
	i.answer(w, map[string]any{"keys": list})
}

func (i *issuer) giveToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		panic(err)
	}
	i.mu.Lock()
	give := i.token
	i.mu.Unlock()
	status, body := give(r.PostForm, r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // the client may be gone, and the body is a test's
}

func (i *issuer) answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if i.status != 0 {
		w.WriteHeader(i.status)
	}
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // the client may be gone, and the body is a test's
}

// RoundTrip brings requests for the issuer's name to the local server.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), i.name+"/") {
		return nil, fmt.Errorf("a request to %s", r.URL)
	}
	local, err := url.Parse(i.server.URL)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = local.Scheme, local.Host
	return i.server.Client().Transport.RoundTrip(r)
}

func (i *issuer) now() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.at
}

// change sets the issuer, or the clock, to something else.
func (i *issuer) change(with func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	with(i)
}

func (i *issuer) after(d time.Duration) { i.change(func(i *issuer) { i.at = i.at.Add(d) }) }

func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetched
}

// verifier makes a verifier that believes this issuer.
func (i *issuer) verifier(with ...func(*oidc.Config)) *oidc.Verifier {
	i.t.Helper()
	cfg := oidc.Config{Issuer: i.name, ClientID: clientID, Transport: i, Now: i.now}
	for _, w := range with {
		w(&cfg)
	}
	v, err := oidc.New(cfg)
	require.NoError(i.t, err)
	return v
}

// goodClaims are those of a token that Google makes for us.
func goodClaims() map[string]any {
	return map[string]any{
		"iss": oidc.GoogleIssuer, "aud": clientID, "azp": clientID, "sub": "108912345678901234567",
		"email": "asha@shop.in", "email_verified": true, "hd": "shop.in", "name": "Asha Rao",
		"iat": start.Unix(), "exp": start.Add(time.Hour).Unix(),
	}
}

// with gives good claims with one changed; nil takes it out.
func with(name string, value any) map[string]any {
	c := goodClaims()
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

// sign makes a token by the library.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, headers, claims map[string]any) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	for k, v := range headers {
		opts.WithHeader(jose.HeaderKey(k), v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	require.NoError(t, err)
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

// good makes a token that only its claims may spoil.
func good(t *testing.T, claims map[string]any) string {
	t.Helper()
	return sign(t, jose.RS256, keyA(), map[string]any{"kid": "a", "typ": "JWT"}, claims)
}

// raw makes a token of any header and signature, without a library that could object.
func raw(t *testing.T, header, claims map[string]any, signature string) string {
	t.Helper()
	part := func(v map[string]any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims) + "." + signature
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func claimsText(t *testing.T) string {
	t.Helper()
	b, err := json.Marshal(goodClaims())
	require.NoError(t, err)
	return string(b)
}

// stripRealm serves an issuer whose name has a path.
func stripRealm(next http.Handler) http.Handler { return http.StripPrefix("/realms/shop", next) }
