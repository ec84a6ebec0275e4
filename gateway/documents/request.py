"""Reads GraphQL requests from HTTP within limits, and refuses malformed ones with a helpful message."""

import asyncio
import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from aiohttp import web

from gateway.documents.work import FREE, Work

# A JSON escape of a surrogate, such as \ud83d. Only pairs of them are valid.
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Longer integers are valid JSON, but Python doesn't convert them.
MANY_DIGITS = re.compile(rb"[0-9]{4301}")
# Names of the only encoding of bodies. The second one is common, though not registered.
UTF_8 = ("utf-8", "utf8")
# Bodies up to this many bytes are free; longer ones are charged to the work budget.
FREE_BYTES = 4_096

# Set on a request whose body was read before, within its limit.
BODY = web.RequestKey("body", bytes)


class TooLargeError(ValueError):
    """A JSON number that exceeds a 64-bit float."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A request to execute an operation, given by its text or by the id or hash of a known document."""

    query: str | None
    variables: dict[str, Any] | None
    name: str | None
    # Hash of the text, in addition to it or instead of it (automatic persisted queries).
    sha256: str | None = None
    document_id: str | None = None


async def read(
    request: web.Request, max_body: int, body_seconds: float, work: Work = FREE
) -> Operation:
    """Read the JSON of a POST or the parameters of a GET; raise web.HTTPException for a malformed request.

    `max_body` is the application's limit in bytes, for the error message. The body has to arrive within
    `body_seconds`. Parsing a long body is charged to `work`, which raises Failure EXHAUSTED.
    """
    if request.method == "GET":
        return operation(_parameters(request))
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(
            text="Send the request body as JSON, with Content-Type: application/json"
        )
    if (request.charset or "utf-8").lower() not in UTF_8:
        raise web.HTTPUnsupportedMediaType(text="Encode the request body as UTF-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text="Send the request body without compression")
    try:
        body = request[BODY] if BODY in request else await received(request, body_seconds)
    except web.HTTPRequestEntityTooLarge as error:
        raise web.HTTPRequestEntityTooLarge(
            max_size=0, actual_size=0, text=f"The request body has more than {max_body} bytes"
        ) from error
    if len(body) > FREE_BYTES:
        work.body(len(body))
    return operation(parse(body, "The request body"))


async def received(request: web.Request, seconds: float) -> bytes:
    """Return the body, which has to arrive within `seconds`; raise web.HTTPException if it doesn't."""
    try:
        if request.content.is_eof():
            return await request.read()  # already complete, so no timeout is needed
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(
            text="The request body did not arrive in time; try again"
        ) from error
    except ConnectionError as error:  # the client disconnected
        raise web.HTTPBadRequest(
            text="The connection was closed before the request body was complete"
        ) from error


def _parameters(request: web.Request) -> dict[str, Any]:
    fields: dict[str, Any] = dict(request.query)
    for name in ("variables", "extensions"):
        if fields.get(name):
            fields[name] = parse(fields[name].encode(errors="surrogatepass"), f"`{name}`")
        else:
            fields.pop(name, None)
    return fields


def parse(body: bytes, what: str) -> Any:
    """Parse JSON; raise web.HTTPBadRequest, which names `what`, if it is invalid."""
    try:
        # Some clients send a byte order mark.
        value = _DECODER.decode(body.decode("utf-8-sig"))
        if SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except TooLargeError:
        _refuse(
            f"{what} contains a number beyond 1.8e308, the largest supported number; send a"
            " smaller one"
        )
    except (ValueError, RecursionError) as error:
        if type(error) is ValueError and MANY_DIGITS.search(body):
            _refuse(f"{what} contains a number with too many digits; send it as a string")
        _refuse(f"{what} is not valid JSON in UTF-8")
    return value


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # such as 1e400, which is valid JSON
        raise TooLargeError(text)
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


# NaN and Infinity are not valid JSON, but Python accepts them by default.
_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_no_constant)


def operation(fields: Any) -> Operation:
    """Build an Operation from a request's JSON; raise web.HTTPBadRequest if it is malformed."""
    if isinstance(fields, list):
        _refuse("Batches are not supported; send one operation per request")
    if not isinstance(fields, dict):
        _refuse(
            'The request body must be an object such as {"query": "{ featuredPlans { name } }"}'
        )
    variables, name = fields.get("variables"), fields.get("operationName")
    if variables is not None and not isinstance(variables, dict):
        _refuse("`variables` must be an object")
    if name is not None and not isinstance(name, str):
        _refuse("`operationName` must be a string")
    extensions = fields.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        _refuse("`extensions` must be an object")
    sha256 = _persisted_query((extensions or {}).get("persistedQuery"))
    document_id = fields.get("documentId")
    if document_id is not None and not (isinstance(document_id, str) and document_id):
        _refuse("`documentId` must be a string: the id of a trusted document")
    query = fields.get("query")
    if query in (None, "") and (sha256 or document_id):
        query = None
    elif not isinstance(query, str) or not query.strip():
        _refuse("`query` is missing: send the text of a GraphQL operation")
    elif document_id is not None:
        _refuse("Send either `query` or `documentId`")
    return Operation(query, variables, name or None, sha256, document_id)


def _persisted_query(given: Any) -> str | None:
    if given is None:
        return None
    sha256 = given.get("sha256Hash") if isinstance(given, dict) else None
    if not isinstance(sha256, str) or not sha256 or given.get("version") != 1:
        _refuse(
            "`extensions.persistedQuery` must be an object such as"
            ' {"version": 1, "sha256Hash": "<SHA-256 of the query, in hexadecimal digits>"}'
        )
    return sha256


def _refuse(message: str) -> NoReturn:
    raise web.HTTPBadRequest(text=message)
