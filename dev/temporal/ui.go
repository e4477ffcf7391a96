package main

import (
	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

// startUI serves the Web UI and returns how to stop it. It ends the process when its port is taken.
func startUI(o options, frontend string) (stop func()) {
	ui := uiserver.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: frontend,
		Host:                o.ip,
		Port:                o.uiPort,
		EnableUI:            true,
		DefaultNamespace:    namespace,
		HideLogs:            true,
		// The page would fetch release news from outside.
		DisableNewsFetch: true,
		// Plain HTTP on loopback: without this the browser drops the cookie that every button of
		// the page needs.
		CORS: uiconfig.CORS{CookieInsecure: true},
	}))
	go ui.Start() //nolint:errcheck // It logs and ends the process by itself.
	return ui.Stop
}
