"""Drives a server as Google's own client drives Cloud KMS: `vendor.py URL KEY-FILE KEY-RING`.

Fails where the server answers something else than the client expects, or a signature does not verify.
"""

import hashlib
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, utils
from google.api_core import exceptions
from google.cloud import kms_v1 as kms
from google.iam.v1 import iam_policy_pb2
from google.oauth2 import service_account

url, key_file, ring = sys.argv[1:]
credentials = service_account.Credentials.from_service_account_file(key_file)
client = kms.KeyManagementServiceClient(
    credentials=credentials, transport="rest", client_options={"api_endpoint": url}
)
Algorithm = kms.CryptoKeyVersion.CryptoKeyVersionAlgorithm
State = kms.CryptoKeyVersion.CryptoKeyVersionState
DIGEST_INFO = bytes.fromhex("3051300d060960864801650304020305000440")


def crc32c(data):
    total = 0xFFFFFFFF
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = total >> 1 ^ 0x82F63B78 if total & 1 else total >> 1
    return total ^ 0xFFFFFFFF


def create(name, algorithm):
    key = {
        "purpose": kms.CryptoKey.CryptoKeyPurpose.ASYMMETRIC_SIGN,
        "version_template": {"algorithm": algorithm, "protection_level": kms.ProtectionLevel.SOFTWARE},
        "labels": {"keyport-gateway": "other"},
    }
    made = client.create_crypto_key(parent=ring, crypto_key_id=name, crypto_key=key)
    assert made.name == f"{ring}/cryptoKeys/{name}", made
    assert made.version_template.algorithm == algorithm, made
    assert made.destroy_scheduled_duration.days == 30, made
    version = client.get_crypto_key_version(name=f"{made.name}/cryptoKeyVersions/1")
    assert (version.state, version.algorithm) == (State.ENABLED, algorithm), version
    return version.name


def public(version):
    answer = client.get_public_key(name=version)
    assert answer.name == version, answer
    assert answer.pem_crc32c == crc32c(answer.pem.encode()), answer
    return serialization.load_pem_public_key(answer.pem.encode())


def sign(version, **data):
    answer = client.asymmetric_sign(request={"name": version, **data})
    assert answer.name == version, answer
    assert answer.signature_crc32c == crc32c(answer.signature), answer
    assert answer.verified_digest_crc32c == ("digest" in data), answer
    assert answer.verified_data_crc32c == ("data" in data), answer
    return answer.signature


def refused(status, call):
    try:
        call()
    except exceptions.GoogleAPICallError as error:
        assert error.response.json()["error"]["status"] == status, error
        return
    raise AssertionError(f"not {status}")


digest = hashlib.sha256(b"message").digest()
curve = create("curve", Algorithm.EC_SIGN_P256_SHA256)
signature = sign(curve, digest={"sha256": digest}, digest_crc32c=crc32c(digest))
public(curve).verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

edwards = create("edwards", Algorithm.EC_SIGN_ED25519)
public(edwards).verify(sign(edwards, data=b"message", data_crc32c=crc32c(b"message")), b"message")

lattice = create("lattice", Algorithm.PQ_SIGN_ML_DSA_65)
form = {"name": lattice, "public_key_format": kms.PublicKey.PublicKeyFormat.NIST_PQC}
answer = client.get_public_key(request=form)
assert answer.name == lattice and not answer.pem, answer
assert answer.public_key.crc32c_checksum == crc32c(answer.public_key.data), answer
signature = sign(lattice, data=b"message", data_crc32c=crc32c(b"message"))
mldsa.MLDSA65PublicKey.from_public_bytes(answer.public_key.data).verify(signature, b"message")
refused("INVALID_ARGUMENT", lambda: public(lattice))

raw = create("raw", Algorithm.RSA_SIGN_RAW_PKCS1_2048)
info = DIGEST_INFO + hashlib.sha512(b"message").digest()
signature = sign(raw, data=info, data_crc32c=crc32c(info))
public(raw).verify(signature, b"message", padding.PKCS1v15(), hashes.SHA512())

refused("INVALID_ARGUMENT", lambda: sign(curve, digest={"sha256": digest}, digest_crc32c=1))
refused("INVALID_ARGUMENT", lambda: sign(curve, digest={"sha384": bytes(48)}))
refused("ALREADY_EXISTS", lambda: create("curve", Algorithm.EC_SIGN_P256_SHA256))
refused("NOT_FOUND", lambda: public(f"{ring}/cryptoKeys/none/cryptoKeyVersions/1"))

permission = "cloudkms.cryptoKeyVersions.useToSign"
request = iam_policy_pb2.TestIamPermissionsRequest(resource=ring, permissions=[permission])
assert list(client.test_iam_permissions(request=request).permissions) == [permission]

assert client.destroy_crypto_key_version(name=curve).state == State.DESTROY_SCHEDULED
scheduled = client.get_crypto_key_version(name=curve)
assert scheduled.state == State.DESTROY_SCHEDULED and scheduled.destroy_time.year == 2100, scheduled
refused("FAILED_PRECONDITION", lambda: public(curve))
refused("FAILED_PRECONDITION", lambda: sign(curve, digest={"sha256": digest}))
refused("FAILED_PRECONDITION", lambda: client.destroy_crypto_key_version(name=curve))


def set_state(version, state):
    return client.update_crypto_key_version(
        crypto_key_version={"name": version, "state": state}, update_mask={"paths": ["state"]}
    )


refused("FAILED_PRECONDITION", lambda: set_state(curve, State.ENABLED))
assert client.restore_crypto_key_version(name=curve).state == State.DISABLED
refused("FAILED_PRECONDITION", lambda: sign(curve, digest={"sha256": digest}))
refused("FAILED_PRECONDITION", lambda: client.restore_crypto_key_version(name=curve))
assert set_state(curve, State.ENABLED).state == State.ENABLED
signature = sign(curve, digest={"sha256": digest}, digest_crc32c=crc32c(digest))
public(curve).verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

print("all as Google's client expects")
