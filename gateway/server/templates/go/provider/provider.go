// Package provider is a provider of keys in a REST key service. wit/deps/keyport/provider.wit says what each function
// promises.
package provider

import (
	"encoding/base64"

	. "go.bytecodealliance.org/pkg/wit/types"

	http "{{name}}/bindings/keyport_provider_http"
	wit "{{name}}/bindings/keyport_provider_provider"
	. "{{name}}/bindings/keyport_provider_types"
)

// What the service calls the types of key that are offered.
var keyTypes = map[KeyType]string{KeyTypeEcP256: "ec-p256", KeyTypeEd25519: "ed25519"}

func Describe() wit.Descriptor {
	return wit.Descriptor{Name: "{{name}}", Version: "0.1.0", MaxMessage: 65536, Offers: []wit.Offer{
		{KeyType: KeyTypeEcP256, Schemes: []Scheme{MakeSchemeEcdsa(HashSha256)}},
		{KeyType: KeyTypeEd25519, Schemes: []Scheme{MakeSchemeEd25519()}},
	}}
}

func CreateKey(request wit.CreateRequest) Result[Created, Error] {
	keyType, offered := keyTypes[request.KeyType]
	if !offered {
		return Err[Created](failure(ErrorKindUnsupported, "no keys of this type"))
	}
	key, err := ask(http.MethodPost, "/keys", map[string]string{"name": request.KeyId, "type": keyType})
	return result(Created{PublicKey: key.PublicKey}, err)
}

// The gateway puts what the service calls the operation's key in the place of {key}.
func PublicKey(KeyRef) Result[[]byte, Error] {
	key, err := ask(http.MethodGet, "/keys/{key}", nil)
	return result(key.PublicKey, err)
}

func Sign(request wit.SignRequest) Result[[]byte, Error] {
	body := map[string]string{}
	switch scheme := request.Scheme; {
	case scheme.Tag() == SchemeEcdsa && scheme.Ecdsa() == HashSha256 && request.Input.Tag() == InputDigest:
		body["scheme"], body["digest"] = "ecdsa(sha-256)", base64.StdEncoding.EncodeToString(request.Input.Digest())
	case scheme.Tag() == SchemeEd25519 && request.Input.Tag() == InputMessage:
		body["scheme"], body["message"] = "ed25519", base64.StdEncoding.EncodeToString(request.Input.Message())
	default:
		return Err[[]byte](failure(ErrorKindUnsupported, "no signatures by this scheme"))
	}
	signed, err := ask(http.MethodPost, "/keys/{key}/sign", body)
	return result(signed.Signature, err)
}

func DestroyKey(KeyRef) Result[Unit, Error] {
	return gone(ask(http.MethodDelete, "/keys/{key}", nil))
}

func Health() Result[Unit, Error] {
	return done(ask(http.MethodGet, "/health", nil))
}
