"""Sending of one request to the provider without aiohttp's retries, and bounded reading of its response."""

import json
from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from kit.net import bounded_body
from kit.values import exact_json

# Bytes read of an error's body; the provider's messages are short.
ERROR_BODY = 64 * 1024
# A response may contain one JSON value per this many bytes of the size limit, because each takes 60 bytes
# of memory or more. The provider's catalogue, at a fifth of the limit, has one per 9 bytes.
BYTES_PER_VALUE = 8
JSON_MARKS = (b",", b":", b"[", b"{")


class _Lost(aiohttp.ClientError):
    """The connection broke after the request may have been received."""


async def send_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from retrying PUT and DELETE when a reused connection breaks.

    A repeated DELETE could remove a second bundle of the same name from an eSIM.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Lost from error


def is_success(response: ClientResponse) -> bool:
    return 200 <= response.status < 300


async def read(response: ClientResponse, limit: int) -> bytes:
    """Return the decompressed body; empty for an error response whose body can't be read.

    Raises UnreadableBodyError for a successful response of more than `limit` bytes.
    """
    if is_success(response):
        return await bounded_body.read(response, limit)
    try:
        return await bounded_body.read(response, ERROR_BODY)
    except bounded_body.UnreadableBodyError:
        return b""


def parse(body: bytes, limit: int) -> Any:
    """Parse a body as JSON; raises ValueError, also for too many values. `limit` is that of the body."""
    if sum(map(body.count, JSON_MARKS)) > limit // BYTES_PER_VALUE:
        raise ValueError("more JSON values than fit in memory")
    # Lenient, because one NaN or invalid character must not make a whole page of records unreadable.
    return exact_json.loads(text(body), lenient=True)


def text(body: bytes) -> str:
    """Decode a body in any encoding of JSON, without its byte order mark.

    Invalid characters become U+FFFD.
    """
    return body.decode(json.detect_encoding(body), errors="replace")
