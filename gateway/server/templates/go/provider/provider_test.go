// The provider with a gateway in memory: `go test ./provider`, once `keyport provider build` has written the bindings.
package provider

import (
	"bytes"
	"testing"

	. "go.bytecodealliance.org/pkg/wit/types"

	http "{{name}}/bindings/keyport_provider_http"
	wit "{{name}}/bindings/keyport_provider_provider"
	. "{{name}}/bindings/keyport_provider_types"
)

var key = KeyRef{KeyId: "k1", Handle: None[[]byte]()}

// Has every request answered alike; what is sent can be read from the answer.
func answering(status uint16, body string, headers ...http.Field) *[]http.Request {
	sent := []http.Request{}
	send = func(request http.Request) Result[http.Response, Error] {
		sent = append(sent, request)
		return Ok[http.Response, Error](http.Response{Status: status, Headers: headers, Body: []byte(body)})
	}
	return &sent
}

func TestItSignsByOneRequestAboutTheOperationsKey(t *testing.T) {
	sent := answering(200, `{"signature": "c2lnbmF0dXJl"}`)
	digest := MakeInputDigest(make([]byte, 2))
	signed := Sign(wit.SignRequest{Key: key, Scheme: MakeSchemeEcdsa(HashSha256), Input: digest})

	if !bytes.Equal(signed.Ok(), []byte("signature")) {
		t.Fatalf("%q", signed.Ok())
	}
	if len(*sent) != 1 || (*sent)[0].Path != "/keys/{key}/sign" || (*sent)[0].Method != http.MethodPost {
		t.Fatalf("%+v", *sent)
	}
	if body := string((*sent)[0].Body); body != `{"digest":"AAA=","scheme":"ecdsa(sha-256)"}` {
		t.Fatal(body)
	}
}

func TestItMakesNoKeyOfATypeThatItDoesNotOffer(t *testing.T) {
	sent := answering(200, "")
	made := CreateKey(wit.CreateRequest{KeyId: "k1", KeyType: KeyTypeRsa2048})

	if !made.IsErr() || made.Err().Kind != ErrorKindUnsupported || len(*sent) != 0 {
		t.Fatalf("%+v, %+v", made, *sent)
	}
}

func TestAKeyThatIsNotThereCountsAsDestroyed(t *testing.T) {
	answering(404, "")
	if gone := DestroyKey(key); gone.IsErr() {
		t.Fatalf("%+v", gone.Err())
	}

	answering(503, "")
	if failed := DestroyKey(key); !failed.IsErr() || failed.Err().Kind != ErrorKindUnavailable || failed.Err().Code != 503 {
		t.Fatalf("%+v", failed)
	}
}

func TestAThrottledCustodianSaysWhenToComeBack(t *testing.T) {
	answering(429, "", http.Field{F0: "retry-after", F1: "7"})

	if after := Health().Err().RetryAfterMs; after.SomeOr(0) != 7000 {
		t.Fatalf("%+v", after)
	}
}

func TestAnAnswerThatIsNotAsExpectedIsAFailure(t *testing.T) {
	answering(200, "<html>")

	if read := PublicKey(key); !read.IsErr() || read.Err().Kind != ErrorKindInternal {
		t.Fatalf("%+v", read)
	}
}
