"""Drives a server as Microsoft's own clients drive Key Vault and the metadata service: `vendor.py URL`.

Fails where the server answers something else than the clients expect, or a signature does not verify.
"""

import hashlib
import os
import sys

url = sys.argv[1]
os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = url

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils



class Plain(RequestsTransport):
    """The clients send no tokens but over TLS, which the server on this machine does not speak."""

    def send(self, request, **kwargs):
        asked = request.url
        request.url = asked.replace("https://", "http://", 1)
        response = super().send(request, **kwargs)
        request.url = asked
        return response


credential = ManagedIdentityCredential()
secure = url.replace("http://", "https://", 1)
client = KeyClient(secure, credential, transport=Plain(), verify_challenge_resource=False)
digest = hashlib.sha256(b"message").digest()


def number(octets):
    return int.from_bytes(octets, "big")


def sign(key, algorithm):
    crypto = CryptographyClient(key.id.replace(url, secure), credential, transport=Plain(), verify_challenge_resource=False)
    signed = crypto.sign(algorithm, digest)
    assert signed.key_id == key.id.replace(url, secure) or signed.key_id == key.id, signed.key_id
    return signed.signature


def refused(error, inner, call):
    try:
        call()
    except error as refusal:
        assert inner in str(refusal), refusal
        return
    raise AssertionError(f"not {inner}")


curve = client.create_ec_key("curve", curve="P-256", key_operations=["sign", "verify"], tags={"a": "b"})
assert curve.id == f"{url}/keys/curve/{curve.properties.version}", curve.id
assert (curve.key_type, curve.properties.enabled, curve.properties.tags) == ("EC", True, {"a": "b"})
again = client.get_key("curve")
assert again.id == curve.id
signature = sign(curve, SignatureAlgorithm.es256)
assert len(signature) == 64
public = ec.EllipticCurvePublicNumbers(number(curve.key.x), number(curve.key.y), ec.SECP256R1()).public_key()
der = utils.encode_dss_signature(number(signature[:32]), number(signature[32:]))
public.verify(der, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

modulus = client.create_rsa_key("modulus", size=2048, hardware_protected=True)
assert modulus.key_type == "RSA-HSM", modulus.key_type
public = rsa.RSAPublicNumbers(number(modulus.key.e), number(modulus.key.n)).public_key()
public.verify(sign(modulus, SignatureAlgorithm.rs256), b"message", padding.PKCS1v15(), hashes.SHA256())
pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
public.verify(sign(modulus, SignatureAlgorithm.ps256), b"message", pss, hashes.SHA256())

second = client.create_ec_key("curve", curve="P-256")
versions = {version.version: version.created_on for version in client.list_properties_of_key_versions("curve")}
assert set(versions) == {curve.properties.version, second.properties.version}, versions
assert versions[curve.properties.version] == curve.properties.created_on
assert second.id != curve.id and client.get_key("curve", curve.properties.version).id == curve.id

refused(ResourceNotFoundError, "KeyNotFound", lambda: client.get_key("none"))
client.begin_delete_key("curve", _polling_interval=0)
refused(ResourceNotFoundError, "KeyNotFound", lambda: client.get_key("curve"))
refused(HttpResponseError, "deleted but recoverable", lambda: client.create_ec_key("curve"))
deleted = client.get_deleted_key("curve")
assert deleted.id == second.id and deleted.scheduled_purge_date.timestamp() == 1_707_776_000, deleted
recovered = client.begin_recover_deleted_key("curve", _polling_interval=0)
assert recovered.result().id == second.id
recovered.wait()
assert client.get_key("curve", curve.properties.version).id == curve.id and len(sign(curve, SignatureAlgorithm.es256)) == 64
refused(ResourceNotFoundError, "KeyNotFound", lambda: client.get_deleted_key("curve"))
refused(ResourceNotFoundError, "KeyNotFound", lambda: client.begin_recover_deleted_key("none"))

print("all as Microsoft's clients expect")
