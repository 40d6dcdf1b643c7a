"""The provider with a gateway in memory: `python3 -m unittest`, once `keyport provider build` has written what `wit_world` is."""

import json
import sys
import unittest
from pathlib import Path
from unittest.mock import patch

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in (".venv/bindings", "src")]

from componentize_py_types import Err
from wit_world.exports.provider import CreateRequest, SignRequest
from wit_world.imports import http
from wit_world.imports.types import ErrorKind, Hash, Input_Digest, KeyRef, KeyType, Scheme_Ecdsa, Usage

from kms import Provider

KEY = KeyRef("k1", None)


def answered(status, body=b"", headers=()):
    """A gateway whose custodian answers every request alike."""
    return patch("gateway.http.send", return_value=http.Response(status, list(headers), body))


class ProviderTest(unittest.TestCase):
    def test_signs_by_one_request_about_the_operations_key(self):
        with answered(200, b'{"signature": "c2lnbmF0dXJl"}') as send:
            signature = Provider().sign(SignRequest(KEY, Scheme_Ecdsa(Hash.SHA256), Input_Digest(bytes(2))))

        self.assertEqual(signature, b"signature")
        ((_, request),) = [call.args for call in send.call_args_list]
        self.assertEqual((request.method, request.path), (http.Method.POST, "/keys/{key}/sign"))
        self.assertEqual(json.loads(request.body), {"scheme": "ecdsa(sha-256)", "digest": "AAA="})

    def test_makes_no_key_of_a_type_that_it_does_not_offer(self):
        request = CreateRequest("k1", "tenant", "name", KeyType.RSA2048, Usage.SIGN, [])
        with answered(200) as send:
            self.fails(ErrorKind.UNSUPPORTED, Provider().create_key, request)

        send.assert_not_called()

    def test_a_key_that_is_not_there_counts_as_destroyed(self):
        with answered(404):
            Provider().destroy_key(KEY)
        with answered(503):
            self.assertEqual(self.fails(ErrorKind.UNAVAILABLE, Provider().destroy_key, KEY).code, 503)

    def test_a_throttled_custodian_says_when_to_come_back(self):
        with answered(429, headers=[("retry-after", "7")]):
            self.assertEqual(self.fails(ErrorKind.THROTTLED, Provider().health).retry_after_ms, 7000)

    def test_an_answer_that_is_not_as_expected_is_a_failure(self):
        for body in (b"<html>", b"{}", b""):
            with answered(200, body):
                self.fails(ErrorKind.INTERNAL, Provider().public_key, KEY)

    def fails(self, kind, call, *arguments):
        with self.assertRaises(Err) as raised:
            call(*arguments)
        self.assertEqual(raised.exception.value.kind, kind)
        return raised.exception.value


if __name__ == "__main__":
    unittest.main()
