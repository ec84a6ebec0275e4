"""One exchange with the provider over HTTP: sent once, and read within limits."""

from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from kit.net import bounded_body
from kit.values import exact_json

# Bytes of an error's body that are read: the provider's sentences are short.
ERROR_BODY = 64 * 1024
# An answer of the largest size may hold one JSON value for so many of its bytes: each takes some 60
# bytes of memory or more. The provider's catalogue has one for every 9, in a fifth of that size.
BYTES_PER_VALUE = 8
JSON_MARKS = (b",", b":", b"[", b"{")


class _Lost(aiohttp.ClientError):
    """The connection broke when the request may already have been read."""


async def send_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keeps aiohttp from repeating PUT and DELETE by itself when a kept connection breaks.

    A repeated DELETE could take a second bundle of the same name off an eSIM.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Lost from error


def is_success(response: ClientResponse) -> bool:
    return 200 <= response.status < 300


async def read(response: ClientResponse, most: int) -> bytes:
    """The body, decompressed; empty for an error whose body can't be read, as its status says enough.

    Raises UnreadableBodyError for a success of more than `most` bytes.
    """
    if is_success(response):
        return await bounded_body.read(response, most)
    try:
        return await bounded_body.read(response, ERROR_BODY)
    except bounded_body.UnreadableBodyError:
        return b""


def parse(body: bytes, most: int) -> Any:
    """The JSON of an answer; raises ValueError, also for more values than `most` bytes may hold."""
    if sum(map(body.count, JSON_MARKS)) > most // BYTES_PER_VALUE:
        raise ValueError("more JSON values than fit in memory")
    # One NaN or one broken letter must not make a whole page of records unreadable.
    return exact_json.loads(body.decode(errors="replace"), lenient=True)
