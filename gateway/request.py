"""A GraphQL request as HTTP carries it: read within limits, or refused with words that help."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from aiohttp import web

# A JSON escape of half a character, as in \ud83d: whole ones come in pairs.
HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")

# Seconds. A body within the limit takes one on a poor line; who takes longer only holds a connection.
BODY_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client wants to have executed."""

    query: str
    variables: dict[str, Any] | None
    name: str | None


async def read(request: web.Request, max_body: int) -> Operation:
    """From a POST's JSON or a GET's parameters; raises web.HTTPException with words for the client.

    `max_body`, in bytes, is what the application was made with.
    """
    if request.method == "GET":
        return _operation(_parameters(request))
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(
            text="Send the request as JSON, with Content-Type: application/json"
        )
    if request.charset not in (None, "utf-8", "UTF-8"):
        raise web.HTTPUnsupportedMediaType(text="Send the request in UTF-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text="Send the request without compression")
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            body = await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="The body did not arrive in time") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise web.HTTPRequestEntityTooLarge(
            max_size=0, actual_size=0, text=f"The body has more than {max_body} bytes"
        ) from error
    return _operation(_json(body, "The body"))


def _parameters(request: web.Request) -> dict[str, Any]:
    asked: dict[str, Any] = dict(request.query)
    for name in ("variables", "extensions"):
        if asked.get(name):
            asked[name] = _json(asked[name].encode(errors="surrogatepass"), f"`{name}`")
        else:
            asked.pop(name, None)
    return asked


def _json(body: bytes, what: str) -> Any:
    try:
        # NaN and Infinity are no JSON, though Python reads them.
        value = json.loads(body.decode(), parse_constant=_no_constant)
        if HALF_CHARACTER.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        _refuse(f"{what} is not JSON in UTF-8")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _operation(asked: Any) -> Operation:
    if isinstance(asked, list):
        _refuse("Batches are not supported; send one operation for each request")
    if not isinstance(asked, dict):
        _refuse('The body must be an object such as {"query": "{ featuredPlans { name } }"}')
    query, variables, name = (asked.get(key) for key in ("query", "variables", "operationName"))
    if not isinstance(query, str) or not query.strip():
        _refuse("`query` is missing: send the text of a GraphQL operation")
    if variables is not None and not isinstance(variables, dict):
        _refuse("`variables` must be an object")
    if name is not None and not isinstance(name, str):
        _refuse("`operationName` must be a text")
    if not isinstance(asked.get("extensions", {}), dict | None):
        _refuse("`extensions` must be an object")
    return Operation(query, variables, name or None)


def _refuse(words: str) -> NoReturn:
    raise web.HTTPBadRequest(text=words)
