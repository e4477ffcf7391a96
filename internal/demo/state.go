package demo

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
)

// loadAddresses gives the ports of the last run, or free ones, so that bookmarks keep working.
func loadAddresses(path string) (addresses, error) {
	var a addresses
	raw, err := os.ReadFile(path) //nolint:gosec // our own state directory
	if err == nil && json.Unmarshal(raw, &a) == nil && free(a.API) && free(a.Vendor) {
		return a, nil
	}
	api, err := FreePort()
	if err != nil {
		return a, err
	}
	vendor, err := FreePort()
	if err != nil {
		return a, err
	}
	a = addresses{API: fmt.Sprintf("http://127.0.0.1:%d", api), Vendor: fmt.Sprintf("http://127.0.0.1:%d", vendor)}
	raw, err = json.Marshal(a)
	if err != nil {
		return a, err
	}
	return a, os.WriteFile(path, raw, 0o600)
}

func free(base string) bool {
	l, err := net.Listen("tcp", hostOf(base)) //nolint:noctx // a probe of our own loopback
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// FreePort gives a port of our own loopback on which nobody listens now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a probe of our own loopback
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has no other
	return port, l.Close()
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Host
}

// loadSecret gives the secret of the last run or a new one: receipts that the vendor still holds must
// verify after a restart.
func loadSecret(path string) (string, error) {
	if raw, err := os.ReadFile(path); err == nil { //nolint:gosec // our own state directory
		return strings.TrimSpace(string(raw)), nil
	}
	key := make([]byte, 32) //nolint:mnd // as long as the digest that it keys
	if _, err := rand.Read(key); err != nil {
		return "", err
	}
	secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	return secret, os.WriteFile(path, []byte(secret+"\n"), 0o600)
}

// randomKey is an idempotency key of one launch.
func randomKey() string { return "demo-" + rand.Text() }

// addresses are where the roles listen.
type addresses struct {
	API    string `json:"api"`
	Vendor string `json:"vendor"`
}
