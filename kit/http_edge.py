"""HTTP servers whose every error is JSON without a `Server` header, also those of aiohttp's own parser."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from kit import tokens

logger = logging.getLogger(__name__)

# Bytes of one header. An access token of the longest size fits with room to spare, so that a longer one
# reaches the application, which refuses it as a session.
MAX_HEADER = tokens.MAX_TOKEN_BYTES + 8 * 1024
# Copied from aiohttp's own refusals.
HEADERS = ("Allow", "Retry-After")

# The body of an error: of a message and a code such as NOT_FOUND.
ErrorBody = Callable[[str, str], dict[str, Any]]


def plain_body(message: str, code: str) -> dict[str, Any]:
    """The body of an error where clients expect no other form."""
    return {"error": message, "code": code}


class ErrorResponse(web.Response):
    """An error as JSON."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(
            text=web.json_response(body).text, status=status, content_type="application/json"
        )

    async def _prepare_headers(self) -> None:
        # No signal of the application is sent for a request that the parser refused.
        await super()._prepare_headers()
        self.headers.pop("Server", None)


class Connection(web.RequestHandler):
    """A connection whose parser's errors are JSON."""

    __slots__ = ("_body",)

    def __init__(self, body: ErrorBody, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._body = body

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, without the bytes that were sent; the connection is closed."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun; no other can be sent")
        if isinstance(exc, LineTooLong):
            found = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            words = (
                f"The request line or a header is too long; a header may have {MAX_HEADER} bytes"
            )
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("an error outside of every handler", exc_info=exc)
            found, words = HTTPStatus(status), "Something went wrong here; try again"
        else:
            logger.info("a request was refused as no HTTP: %s", type(exc).__name__)
            found, words = HTTPStatus(status), "The request is not valid HTTP"
        response = ErrorResponse(found, self._body(words, found.name))
        response.force_close()
        return response


class Server(web.Server):
    """Makes such connections, and puts what aiohttp raises around an application's handlers into JSON."""

    def __init__(self, like: web.Server, body: ErrorBody) -> None:
        self._answer = like.request_handler
        self._body = body
        super().__init__(
            self._answered,
            request_factory=like.request_factory,
            handler_cancellation=like.handler_cancellation,
            **like._kwargs,
        )

    def __call__(self) -> web.RequestHandler:
        return Connection(self._body, self, loop=self._loop, **self._kwargs)

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except web.HTTPException as refusal:
            status = HTTPStatus(refusal.status)
            response = ErrorResponse(
                status, self._body(f"{status.phrase}: {status.description}", status.name)
            )
            for name in HEADERS:
                if name in refusal.headers:
                    response.headers[name] = refusal.headers[name]
            return response


class Runner(web.AppRunner):
    """Runs an application behind such a server; options are aiohttp's."""

    def __init__(self, app: web.Application, body: ErrorBody, **options: Any) -> None:
        super().__init__(app, **{"max_field_size": MAX_HEADER, **options})
        self._body = body
        app.on_response_prepare.append(_without_server)

    async def _make_server(self) -> web.Server:
        return self._serving(await super()._make_server())

    def _serving(self, made: web.Server) -> web.Server:
        return Server(made, self._body)


async def _without_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Which server runs here, and in which version, helps only attackers."""
    response.headers.pop("Server", None)
