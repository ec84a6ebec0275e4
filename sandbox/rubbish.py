"""What is no HTTP, or a body that can't be decoded: a refusal, and one short line in the log."""

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler


@web.middleware
async def refuse_undecodable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers 400 to a body that isn't encoded as its headers say, or that ends too soon."""
    try:
        return await handler(request)
    except (web.RequestPayloadError, ConnectionResetError):
        return web.json_response({"message": "the body can't be decoded"}, status=400)


def shorten(record: logging.LogRecord) -> bool:
    """Takes the bytes, the traceback and the level of an error out of what aiohttp says of them."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = (
            "a request was refused as invalid HTTP: %s",
            (type(error).__name__,),
        )
        record.exc_info = record.exc_text = None
    return True


def expect() -> None:
    """Has such lines shortened in this process."""
    logging.getLogger("aiohttp.server").addFilter(shorten)
