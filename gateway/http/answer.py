"""Answers over HTTP: the media type that the client accepts, and the status that goes with it."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from gateway.documents import limits
from gateway.documents.bounded_cache import bounded_cache
from kit.http.refusals import refused

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
EVENTS = "text/event-stream"
# Clients send a few dozen lists of what they accept.
REMEMBERED = 256
LONGEST = 1_024  # characters


def media_type(request: web.Request) -> str:
    """GraphQL's own type for clients that name it and like it no less than JSON; else JSON."""
    liked = _accepted(request)
    return GRAPHQL if liked.get(GRAPHQL, 0.0) >= max(liked.get(JSON, 0.0), 0.001) else JSON


def prefers_events(request: web.Request) -> bool:
    """True if the client rates server-sent events strictly higher than a single answer."""
    liked = _accepted(request)
    single = max(_quality(liked, GRAPHQL), _quality(liked, JSON))
    return liked.get(EVENTS, 0.0) > single


def accepts_events(request: web.Request) -> bool:
    """True if the client names server-sent events among what it accepts, as subscriptions need."""
    return _accepted(request).get(EVENTS, 0.0) > 0


class Sized:
    """A body of `data` and `errors` as JSON of at most `most` bytes, or the error that it has more.

    `failed` is that error, where it is one.
    """

    __slots__ = ("errors", "failed", "text")

    def __init__(self, body: dict[str, Any], most: int) -> None:
        self.text = encoded(body)
        self.failed = len(self.text) > most
        self.errors = body.get("errors", ())
        if self.failed:
            refused("answer_bytes")
            self.errors = [_too_large(len(self.text), most)]
            self.text = encoded({"errors": self.errors, "data": None})


def _too_large(measured: int, most: int) -> dict[str, Any]:
    words = "The response has {0} bytes, which is above the limit of {1}"
    error = limits.too_complex(words, "ANSWER_BYTES", measured, most)
    return {"message": error.message, "extensions": error.extensions}


def respond(request: web.Request, body: dict[str, Any] | bytes, status: int) -> web.Response:
    """A body of `data` and `errors`.

    A client that names application/json as what it accepts gets 200 for any well-formed request,
    as GraphQL over HTTP has it for that type; everybody else gets 400 when nothing was executed.
    """
    kind = media_type(request)
    if status == 400 and kind == JSON and JSON in _accepted(request):
        status = 200
    headers = {
        "Content-Type": f"{kind}; charset=utf-8",
        # Answers hold activation codes; none may stay in a browser's or a proxy's cache.
        "Cache-Control": "no-store",
    }
    text = body if isinstance(body, bytes) else encoded(body)
    return web.Response(body=text, status=status, headers=headers)


def encoded(body: dict[str, Any]) -> bytes:
    """The body as JSON; what orjson doesn't take exactly is left to Python's own encoder."""
    try:
        return orjson.dumps(body)
    except TypeError:  # whole numbers of more than 64 bits, half a character in an error's words
        return json.dumps(body).encode()


def error(request: web.Request, status: int, words: str, code: str) -> web.Response:
    """An answer about the HTTP request itself, in the form in which the client reads errors."""
    return web.json_response(
        error_body(words, code), status=status, content_type=media_type(request)
    )


def error_body(message: str, code: str) -> dict[str, Any]:
    """The body of an answer about the HTTP request itself."""
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def _accepted(request: web.Request) -> Mapping[str, float]:
    return _liked(",".join(request.headers.getall("Accept", ())))


def _quality(liked: Mapping[str, float], kind: str) -> float:
    """Return the quality of the most specific range that covers a media type, as RFC 9110 has it."""
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((liked[one] for one in ranges if one in liked), 0.0)


@bounded_cache(REMEMBERED, LONGEST)
def _liked(accept: str) -> Mapping[str, float]:
    liked: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            liked[kind] = float(quality)
        except ValueError:
            liked[kind] = 1.0
    return liked
