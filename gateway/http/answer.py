"""GraphQL responses over HTTP: content negotiation, status codes and the JSON body."""

import json
import math
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from gateway.documents import limits
from gateway.documents.bounded_cache import bounded_cache
from kit.errors import Failure, Kind
from kit.http.refusals import refused

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
EVENTS = "text/event-stream"
# Parsed Accept headers that are cached. Clients send a few dozen different ones.
MAX_CACHED = 256
MAX_ACCEPT = 1_024  # characters


def media_type(request: web.Request) -> str:
    """Return GraphQL's media type if the client names it and rates it no lower than JSON; otherwise JSON."""
    ratings = _ratings(request)
    return GRAPHQL if ratings.get(GRAPHQL, 0.0) >= max(ratings.get(JSON, 0.0), 0.001) else JSON


def prefers_events(request: web.Request) -> bool:
    """True if the client rates server-sent events strictly higher than a single response."""
    ratings = _ratings(request)
    single = max(_quality(ratings, GRAPHQL), _quality(ratings, JSON))
    return ratings.get(EVENTS, 0.0) > single


def accepts_events(request: web.Request) -> bool:
    """True if the client accepts server-sent events by name, which subscriptions require."""
    return _ratings(request).get(EVENTS, 0.0) > 0


class BoundedBody:
    """A response body as JSON. With more than `limit` bytes it is replaced by an error: `failed` is true."""

    __slots__ = ("errors", "failed", "text")

    def __init__(self, body: dict[str, Any], limit: int) -> None:
        self.text = encoded(body)
        self.failed = len(self.text) > limit
        self.errors = body.get("errors", ())
        if self.failed:
            refused("answer_bytes")
            self.errors = [_too_large(len(self.text), limit)]
            self.text = encoded({"errors": self.errors, "data": None})


def _too_large(measured: int, limit: int) -> dict[str, Any]:
    message = "The response has {0} bytes, which is above the limit of {1}"
    error = limits.too_complex(message, "ANSWER_BYTES", measured, limit)
    return {"message": error.message, "extensions": error.extensions}


def respond(request: web.Request, body: dict[str, Any] | bytes, status: int) -> web.Response:
    """Return a response with a body of `data` and `errors`.

    `status` is 400 if nothing was executed. As GraphQL over HTTP requires, a client that names
    application/json in Accept gets 200 instead.
    """
    kind = media_type(request)
    if status == 400 and kind == JSON and JSON in _ratings(request):
        status = 200
    headers = {"Content-Type": f"{kind}; charset=utf-8"}
    text = body if isinstance(body, bytes) else encoded(body)
    return web.Response(body=text, status=status, headers=headers)


def encoded(body: dict[str, Any]) -> bytes:
    """Encode a body as JSON, with Python's encoder for values that orjson rejects."""
    try:
        return orjson.dumps(body)
    except TypeError:  # an integer of more than 64 bits, or a lone surrogate in an error message
        return json.dumps(body).encode()


def error(request: web.Request, status: int, message: str, code: str) -> web.Response:
    """Return an error about the HTTP request itself, in the format of GraphQL errors."""
    return web.json_response(
        error_body(message, code), status=status, content_type=media_type(request)
    )


def add_refusal_headers(response: web.Response, failure: Failure) -> None:
    """Say in headers that the request needs another session, or when it may be sent again."""
    if failure.kind is Kind.UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if failure.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(failure.retry_after))


def error_body(message: str, code: str) -> dict[str, Any]:
    """Return the body of an error about the HTTP request itself."""
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def _ratings(request: web.Request) -> Mapping[str, float]:
    return _parse_accept(",".join(request.headers.getall("Accept", ())))


def _quality(ratings: Mapping[str, float], kind: str) -> float:
    """Return the quality of the most specific range that covers a media type (RFC 9110)."""
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((ratings[one] for one in ranges if one in ratings), 0.0)


@bounded_cache(MAX_CACHED, MAX_ACCEPT)
def _parse_accept(accept: str) -> Mapping[str, float]:
    ratings: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            given = float(quality)
        except ValueError:
            given = 1.0
        ratings[kind] = given if 0 <= given <= 1 else 1.0  # false for NaN too
    return ratings
