package provider

import (
	"encoding/json"
	"fmt"
	"strconv"

	. "go.bytecodealliance.org/pkg/wit/types"

	http "{{name}}/bindings/keyport_provider_http"
	. "{{name}}/bindings/keyport_provider_types"
)

// What the service answers; bytes are base64 in JSON.
type answer struct {
	PublicKey []byte `json:"public_key"`
	Signature []byte `json:"signature"`
}

// Sends a request: a gateway does, or a test in its place.
var send func(http.Request) Result[http.Response, Error]

// Sends a request with a JSON body, if it has one, and reads the answer.
func ask(method http.Method, path string, body any) (read answer, err *Error) {
	request := http.Request{Method: method, Path: path}
	if body != nil {
		request.Headers = []http.Field{{F0: "content-type", F1: "application/json"}}
		request.Body, _ = json.Marshal(body)
	}
	sent := send(request)
	if sent.IsErr() {
		failed := sent.Err()
		return read, &failed
	}
	response := sent.Ok()
	if response.Status < 200 || response.Status > 299 {
		return read, refused(response)
	}
	if len(response.Body) == 0 {
		return read, nil
	}
	if bad := json.Unmarshal(response.Body, &read); bad != nil {
		failed := failure(ErrorKindInternal, "the custodian's answer is not as expected: "+bad.Error())
		return read, &failed
	}
	return read, nil
}

// What a status usually means (RFC 9110, section 15.5).
func refused(response http.Response) *Error {
	kind, known := kinds[response.Status]
	switch {
	case known:
	case response.Status >= 400 && response.Status < 500:
		kind = ErrorKindInternal
	default:
		kind = ErrorKindUnavailable
	}
	failed := failure(kind, fmt.Sprintf("the custodian answered %d", response.Status))
	failed.Code = uint32(response.Status)
	for _, header := range response.Headers {
		seconds, bad := strconv.ParseUint(header.F1, 10, 20)
		if kind == ErrorKindThrottled && header.F0 == "retry-after" && bad == nil {
			failed.RetryAfterMs = Some(uint32(seconds * 1000))
		}
	}
	return &failed
}

var kinds = map[uint16]ErrorKind{
	401: ErrorKindCredentials,
	403: ErrorKindDenied,
	404: ErrorKindNotFound,
	409: ErrorKindExists,
	410: ErrorKindKeyGone,
	429: ErrorKindThrottled,
	501: ErrorKindUnsupported,
}

func failure(kind ErrorKind, message string) Error {
	return Error{Kind: kind, Message: message, RetryAfterMs: None[uint32]()}
}

// Whether what was to be done was done, whatever was answered.
func done(_ answer, err *Error) Result[Unit, Error] {
	return result(Unit{}, err)
}

// Whether what was to be destroyed is not there now: it is destroyed, or the custodian knows no such thing.
func gone(read answer, err *Error) Result[Unit, Error] {
	if err != nil && (err.Kind == ErrorKindNotFound || err.Kind == ErrorKindKeyGone) {
		err = nil
	}
	return done(read, err)
}

func result[T any](value T, err *Error) Result[T, Error] {
	if err != nil {
		return Err[T](*err)
	}
	return Ok[T, Error](value)
}
