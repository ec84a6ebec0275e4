"""Malformed HTTP and undecodable bodies: answered with 400, and logged in one short line."""

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler


@web.middleware
async def refuse_undecodable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 400 to a body that isn't encoded as its headers state, or is incomplete."""
    try:
        return await handler(request)
    except (web.RequestPayloadError, ConnectionResetError):
        return web.json_response({"message": "the body can't be decoded"}, status=400)


def shorten(record: logging.LogRecord) -> bool:
    """Shorten aiohttp's log record of an invalid request: no bytes, no traceback, level INFO."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = (
            "a request was refused as invalid HTTP: %s",
            (type(error).__name__,),
        )
        record.exc_info = record.exc_text = None
    return True


def shorten_logs() -> None:
    """Shorten such log records in this process."""
    logging.getLogger("aiohttp.server").addFilter(shorten)
