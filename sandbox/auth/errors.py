"""Errors of the emulator, in the two formats of Supabase Auth."""

import re
from typing import Any

from aiohttp import web

API_VERSION_HEADER = "X-Supabase-Api-Version"
# From this API version on, `code` is the error's name; before, it is the HTTP status.
_NAMED_CODES_SINCE = "2024-01-01"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")


class Refusal(Exception):  # noqa: N818 - the emulator refuses; nothing is broken
    """An error response: HTTP status, name of the error, message."""

    def __init__(self, status: int, code: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra


def bad_request(message: str) -> Refusal:
    """Return the refusal of an invalid request."""
    return Refusal(400, "validation_failed", message)


def respond(refusal: Refusal, request: web.Request) -> web.Response:
    """Return the response in the format of the API version that the client requested."""
    version = request.headers.get(API_VERSION_HEADER, "")
    headers = {"X-Sb-Error-Code": refusal.code}
    body: dict[str, Any]
    # Dates in this form compare as text.
    if _VERSION.fullmatch(version) and version >= _NAMED_CODES_SINCE:
        headers[API_VERSION_HEADER] = _NAMED_CODES_SINCE
        body = {"code": refusal.code, "message": refusal.message}
    else:
        body = {"code": refusal.status, "error_code": refusal.code, "msg": refusal.message}
    return web.json_response({**body, **refusal.extra}, status=refusal.status, headers=headers)
