package provider

import (
	"runtime/debug"

	. "go.bytecodealliance.org/pkg/wit/types"

	http "{{name}}/bindings/keyport_provider_http"
	. "{{name}}/bindings/keyport_provider_types"
)

// In a component, the gateway sends what is to be sent.
func init() {
	send = func(request http.Request) Result[http.Response, Error] {
		return http.Send(None[string](), request)
	}

	// Memory is short there: what is garbage goes at half a megabyte, not at four.
	debug.SetGCPercent(12)
}
