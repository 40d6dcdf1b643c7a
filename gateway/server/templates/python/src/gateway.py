"""What every provider in Python needs, whatever its custodian is: JSON over HTTP, and errors."""

import json
from typing import Any

from componentize_py_types import Err
from wit_world.imports import http
from wit_world.imports.http import Method, Request, Response
from wit_world.imports.types import Error, ErrorKind


def ask(method: Method, path: str, body: Any = None) -> Any:
    """Sends a request with a JSON body, if it has one; answers the response's JSON."""
    headers = [] if body is None else [("content-type", "application/json")]
    data = b"" if body is None else json.dumps(body).encode()
    response = success(http.send(None, Request(method, path, headers, data)))

    return json.loads(response.body) if response.body else None


def success(response: Response) -> Response:
    """A response, if it is a success; raises what its status usually means (RFC 9110, section 15.5)."""
    status = response.status
    if 200 <= status < 300:
        return response

    kind = KINDS.get(status, ErrorKind.INTERNAL if 400 <= status < 500 else ErrorKind.UNAVAILABLE)
    after = dict(response.headers).get("retry-after", "")
    is_number = kind is ErrorKind.THROTTLED and after.isdecimal() and len(after) <= 6
    raise Err(Error(kind, status, f"the custodian answered {status}", int(after) * 1000 if is_number else None))


KINDS = {
    401: ErrorKind.CREDENTIALS,
    403: ErrorKind.DENIED,
    404: ErrorKind.NOT_FOUND,
    409: ErrorKind.EXISTS,
    410: ErrorKind.KEY_GONE,
    429: ErrorKind.THROTTLED,
    501: ErrorKind.UNSUPPORTED,
}


def failure(kind: ErrorKind, message: str) -> Err:
    """A failure, to be raised."""
    return Err(Error(kind, 0, message, None))


def is_missing(failure: Err) -> bool:
    """Whether a failure says that there is no such thing, or not any more."""
    return failure.value.kind in (ErrorKind.NOT_FOUND, ErrorKind.KEY_GONE)


def guarded(provider: type) -> type:
    """The same provider, where an exception of any kind is a failure that the gateway understands, and no trap."""
    for name in ("create_key", "public_key", "sign", "destroy_key", "health"):
        setattr(provider, name, guard(getattr(provider, name)))
    return provider


def guard(call):
    def guarded_call(*arguments):
        try:
            return call(*arguments)
        except Err:
            raise
        except Exception as error:
            raise failure(ErrorKind.INTERNAL, f"{type(error).__name__}: {error}"[:1000]) from error

    return guarded_call
