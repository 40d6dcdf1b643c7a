"""Says what Microsoft's own client tells Entra of a certificate: `login.py CERTIFICATE KEY AUTHORITY`. Nobody is asked."""

import json
import pathlib
import sys
import tempfile
from urllib.parse import urlsplit

import msal
from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12
from cryptography.x509 import load_pem_x509_certificate

certificate, key = (pathlib.Path(path).read_bytes() for path in sys.argv[1:3])
authority = sys.argv[3]


class Answer:
    status_code, headers = 200, {}

    def __init__(self, text):
        self.text = json.dumps(text)

    def raise_for_status(self):
        pass


class Entra:
    """Answers at once, and keeps what it is told."""

    def get(self, url, **_):
        assert url.endswith("/directory/v2.0/.well-known/openid-configuration"), url
        token = f"{authority}/directory/oauth2/v2.0/token"
        return Answer({"issuer": authority, "authorization_endpoint": token, "token_endpoint": token})

    def post(self, url, data=None, **_):
        self.told = data
        return Answer({"access_token": "token", "expires_in": 3599, "token_type": "Bearer"})

    def close(self):
        pass


entra = Entra()
pair = (load_pem_private_key(key, None), load_pem_x509_certificate(certificate))
with tempfile.NamedTemporaryFile(suffix=".pfx") as file:
    file.write(pkcs12.serialize_key_and_certificates(b"keyport", *pair, None, NoEncryption()))
    file.flush()
    application = msal.ConfidentialClientApplication(
        "application",
        authority=f"{authority}/directory",
        client_credential={"private_key_pfx_path": file.name},
        instance_discovery=False,
        http_client=entra,
    )
    assert "access_token" in application.acquire_token_for_client(["https://vault.azure.net/.default"])

assert urlsplit(authority).scheme == "https"
assert entra.told["grant_type"] == "client_credentials", entra.told
assert entra.told["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", entra.told
assertion = entra.told["client_assertion"]
print(assertion if isinstance(assertion, str) else assertion.decode())
