"""Answers repeated requests from the response cache without parsing them again."""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from multidict import istr

from gateway.documents.request import BODY
from gateway.http import csrf
from gateway.http.cors import Pages
from gateway.http.public_answers import CACHE_HIT, Key, PublicAnswers
from gateway.http.rate_limits import RateLimits
from kit.auth.sessions import ANONYMOUS
from kit.errors import Failure

# Remembered requests, and the maximum size of one, in bytes: 16 MB in the worst case.
MAX_REQUESTS = 1_000
MAX_SIZE = 16_384
# Headers that need the handler: a session, the cost, an encoded body, an upgrade to a WebSocket.
NEEDS_HANDLER = (hdrs.AUTHORIZATION, istr("GraphQL-Cost"), hdrs.CONTENT_ENCODING, hdrs.UPGRADE)

# Method, path with query, body, Accept and Content-Type.
Fingerprint = tuple[str, str, bytes, str, str]


class RepeatedRequests:
    """Remembers which cached response each request received.

    The handler has already validated such a request and answered it from the cache. Only what may differ
    the next time is checked here: the page's origin, the rate limit, and whether the response is still
    cached.
    """

    def __init__(
        self,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        answers: PublicAnswers,
        limits: RateLimits,
        pages: Pages,
        *,
        plain_get: bool,
        max_body: int,
    ) -> None:
        self._handler = handler
        self._answers = answers
        self._limits = limits
        self._pages = pages
        self._plain_get = plain_get
        self._max_body = max_body
        self._known: dict[Fingerprint, Key] = {}

    async def graphql(self, request: web.Request) -> web.StreamResponse:
        """Answer a repeated request; remember a request that the handler answered from the cache."""
        content, headers = request.content, request.headers
        accept = ",".join(headers.getall(hdrs.ACCEPT, ()))
        content_type = headers.get(hdrs.CONTENT_TYPE, "")
        length = content.total_bytes
        if (
            not content.is_eof()  # still arriving; the handler has the timeout
            or length > self._max_body
            or length + len(request.raw_path) + len(accept) + len(content_type) > MAX_SIZE
            or not headers.keys().isdisjoint(NEEDS_HANDLER)
        ):
            return await self._handler(request)
        body = content.read_nowait()
        fingerprint = request.method, request.raw_path, body, accept, content_type
        key = self._known.get(fingerprint)
        if key is not None and (cached := self._answers.affordable(key, ANONYMOUS.role)):
            try:
                csrf.check(request, self._pages, plain_get=self._plain_get)
                await self._limits.take(request)
            except (web.HTTPForbidden, Failure):
                pass  # uncounted: the handler refuses the request
            else:
                return self._answers.hit(request, key, cached)
        request[BODY] = body
        response = await self._handler(request)
        if key is None and CACHE_HIT in request:
            if len(self._known) >= MAX_REQUESTS:
                del self._known[next(iter(self._known))]
            self._known[fingerprint] = request[CACHE_HIT]
        return response
