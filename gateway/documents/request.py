"""A GraphQL request as HTTP carries it: read within limits, or refused with words that help."""

import asyncio
import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from aiohttp import web

from gateway.documents.work import FREE, Work

# A JSON escape of half a character, as in \ud83d: whole ones come in pairs.
HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
# Longer whole numbers are valid JSON, but Python converts none of them.
MANY_DIGITS = re.compile(rb"[0-9]{4301}")
# Bytes of a body that are parsed without counting as work.
FREE_BYTES = 4_096


class TooLargeError(ValueError):
    """A number of JSON that a float of 64 bits doesn't hold."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client wants to have executed: a text, or the name of a document that is known."""

    query: str | None
    variables: dict[str, Any] | None
    name: str | None
    # The text's hash, as in Apollo's persisted queries: beside the text, or in its place.
    sha256: str | None = None
    document_id: str | None = None


async def read(
    request: web.Request, max_body: int, body_seconds: float, work: Work = FREE
) -> Operation:
    """From a POST's JSON or a GET's parameters; raises web.HTTPException with words for the client.

    `max_body`, in bytes, is what the application was made with; the body has to arrive within
    `body_seconds`. Parsing a long body is taken from `work`, which raises Failure EXHAUSTED.
    """
    if request.method == "GET":
        return operation(_parameters(request))
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(
            text="Send the request body as JSON, with Content-Type: application/json"
        )
    if (request.charset or "utf-8").lower() != "utf-8":
        raise web.HTTPUnsupportedMediaType(text="Encode the request body as UTF-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text="Send the request body without compression")
    try:
        if request.content.is_eof():
            body = await request.read()  # it is all here, as most are: no clock is needed
        else:
            async with asyncio.timeout(body_seconds):
                body = await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(
            text="The request body did not arrive in time; try again"
        ) from error
    except ConnectionError as error:  # the client went away; nobody hears this
        raise web.HTTPBadRequest(
            text="The connection was closed before the request body was complete"
        ) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise web.HTTPRequestEntityTooLarge(
            max_size=0, actual_size=0, text=f"The request body has more than {max_body} bytes"
        ) from error
    if len(body) > FREE_BYTES:
        work.body(len(body))
    return operation(parse(body, "The request body"))


def _parameters(request: web.Request) -> dict[str, Any]:
    asked: dict[str, Any] = dict(request.query)
    for name in ("variables", "extensions"):
        if asked.get(name):
            asked[name] = parse(asked[name].encode(errors="surrogatepass"), f"`{name}`")
        else:
            asked.pop(name, None)
    return asked


def parse(body: bytes, what: str) -> Any:
    """JSON; raises web.HTTPBadRequest, saying that `what` is none."""
    try:
        # A byte order mark says nothing in UTF-8, but some editors and clients write one.
        # NaN and Infinity are no JSON, though Python reads them.
        value = json.loads(
            body.decode("utf-8-sig"), parse_float=_number, parse_constant=_no_constant
        )
        if HALF_CHARACTER.search(body):
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
    if not math.isfinite(number):  # 1e400 is JSON, but no number of ours
        raise TooLargeError(text)
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def operation(asked: Any) -> Operation:
    """What a request asks for, from its JSON; raises web.HTTPBadRequest with words for the client."""
    if isinstance(asked, list):
        _refuse("Batches are not supported; send one operation per request")
    if not isinstance(asked, dict):
        _refuse(
            'The request body must be an object such as {"query": "{ featuredPlans { name } }"}'
        )
    variables, name = asked.get("variables"), asked.get("operationName")
    if variables is not None and not isinstance(variables, dict):
        _refuse("`variables` must be an object")
    if name is not None and not isinstance(name, str):
        _refuse("`operationName` must be a string")
    extensions = asked.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        _refuse("`extensions` must be an object")
    sha256 = _persisted_query((extensions or {}).get("persistedQuery"))
    document_id = asked.get("documentId")
    if document_id is not None and not (isinstance(document_id, str) and document_id):
        _refuse("`documentId` must be a string: the id of a trusted document")
    query = asked.get("query")
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


def _refuse(words: str) -> NoReturn:
    raise web.HTTPBadRequest(text=words)
