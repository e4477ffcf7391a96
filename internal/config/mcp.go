package config

import (
	"net"
	"net/url"
	"strings"
)

// MCP configures the bridge between a program that starts its MCP servers as children and a running
// XenCRM.
type MCP struct {
	URL string `name:"url" env:"XENCRM_URL" default:"http://127.0.0.1:8080" help:"Address of the XenCRM server; make demo writes its own to .dev/env. https unless it is this machine."`
	// A flag would show in the list of processes, but the parser knows no variable without one.
	Key      string `name:"api-key" env:"XENCRM_API_KEY" hidden:"" help:"API key to act with, as xencrm keys create prints it."`
	LogLevel string `env:"XENCRM_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged, to standard error (${enum})."`
}

// Endpoint is the address of the server's MCP.
func (c MCP) Endpoint() string { return strings.TrimRight(c.URL, "/") + "/mcp" }

// Validate lists everything that is wrong at once, naming the variables.
func (c MCP) Validate() error {
	var p problems
	p.server("XENCRM_URL", c.URL)
	p.bearer("XENCRM_API_KEY", c.Key)
	return p.err()
}

// server wants an address that a key may be sent to. The value is shown only where it can hold no
// password.
func (p *problems) server(name, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		p.add("%s must be https://host, or http://127.0.0.1:port for a server on this machine", name)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		p.add("%s must have no user, password, query or fragment; the key goes into XENCRM_API_KEY", name)
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		p.add("%s=%s: a key and customers' data must not cross the network in clear; use https://%s", name, value, u.Host)
	}
}

// bearer wants what fits into a header; the value itself is never shown.
func (p *problems) bearer(name, value string) {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if strings.ContainsFunc(value, odd) {
		p.add("%s must be one word of visible ASCII characters, as xencrm keys create prints it", name)
	}
}

// loopbackHost reports whether a host, without its port, is this machine.
func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
