"""Verifies every JWS of the file named on the command line with joserfc, by its public key as it was answered."""

import json
import sys

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

with open(sys.argv[1], encoding="utf-8") as file:
    signed = json.load(file)

for item in signed:
    # A key of RSA is created for one algorithm and used for all.
    key = import_key({**item["jwk"], "alg": item["alg"]})
    verified = jws.deserialize_compact(item["jws"], key, algorithms=[item["alg"]])
    assert verified.protected["kid"] == item["jwk"]["kid"], item["alg"]

    header, payload, signature = item["jws"].split(".")
    try:
        jws.deserialize_compact(f"{header}.{payload[:-2]}AA.{signature}", key, algorithms=[item["alg"]])
    except JoseError:
        continue
    raise AssertionError(f"{item['alg']}: a forgery was accepted")

print(f"verified {len(signed)}")
