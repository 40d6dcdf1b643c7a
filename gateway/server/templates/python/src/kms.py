"""A provider of keys in a REST key service. `wit/deps/keyport/provider.wit` says what each function promises."""

from base64 import b64decode, b64encode

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.provider import CreateRequest, Descriptor, Offer, SignRequest
from wit_world.imports.http import Method
from wit_world.imports.types import Created, ErrorKind, Hash, Input_Digest, KeyRef, KeyType
from wit_world.imports.types import Scheme, Scheme_Ecdsa, Scheme_Ed25519

from gateway import ask, failure, guarded, is_missing

# What the service calls the types of key that are offered.
KEY_TYPES = {KeyType.EC_P256: "ec-p256", KeyType.ED25519: "ed25519"}
OFFERS = [Offer(KeyType.EC_P256, [Scheme_Ecdsa(Hash.SHA256)]), Offer(KeyType.ED25519, [Scheme_Ed25519()])]


@guarded
class Provider(exports.Provider):
    def describe(self) -> Descriptor:
        return Descriptor("{{name}}", "0.1.0", OFFERS, 65536, [])

    def create_key(self, request: CreateRequest) -> Created:
        if request.key_type not in KEY_TYPES:
            raise failure(ErrorKind.UNSUPPORTED, f"no keys of type {request.key_type.name}")
        key = ask(Method.POST, "/keys", {"name": request.key_id, "type": KEY_TYPES[request.key_type]})
        return Created(None, b64decode(key["public_key"]))

    # The gateway puts what the service calls the operation's key in the place of {key}.
    def public_key(self, key: KeyRef) -> bytes:
        return b64decode(ask(Method.GET, "/keys/{key}")["public_key"])

    def sign(self, request: SignRequest) -> bytes:
        what = "digest" if isinstance(request.input, Input_Digest) else "message"
        body = {"scheme": name(request.scheme), what: b64encode(request.input.value).decode()}
        return b64decode(ask(Method.POST, "/keys/{key}/sign", body)["signature"])

    def destroy_key(self, key: KeyRef) -> None:
        try:
            ask(Method.DELETE, "/keys/{key}")
        except Err as error:
            if not is_missing(error):
                raise

    def health(self) -> None:
        ask(Method.GET, "/health")


def name(scheme: Scheme) -> str:
    """What the service calls a scheme."""
    match scheme:
        case Scheme_Ecdsa(Hash.SHA256):
            return "ecdsa(sha-256)"
        case Scheme_Ed25519():
            return "ed25519"
    raise failure(ErrorKind.UNSUPPORTED, f"no signatures by {scheme}")
