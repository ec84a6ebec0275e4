"""Middleware that answers repeated requests from the response cache without parsing them again."""

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.http import csrf
from gateway.http.cors import Pages
from gateway.http.public_answers import CACHE_HIT, Key, PublicAnswers
from gateway.http.rate_limits import RateLimits
from kit.auth.sessions import ANONYMOUS
from kit.errors import Failure

# Remembered requests, and the maximum bytes of a body: 16 MB in the worst case.
MAX_REQUESTS = 1_000
MAX_BODY = 16_384
# Headers that need the handler: a session, the cost, an encoded body, an upgrade to a WebSocket.
NEEDS_HANDLER = ("Authorization", "GraphQL-Cost", "Content-Encoding", "Upgrade")

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
        answers: PublicAnswers,
        limits: RateLimits,
        pages: Pages,
        *,
        plain_get: bool,
        max_body: int,
    ) -> None:
        self._answers = answers
        self._limits = limits
        self._pages = pages
        self._plain_get = plain_get
        self._max_body = min(MAX_BODY, max_body)
        self._known: dict[Fingerprint, Key] = {}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a repeated request; remember a request that the handler answered from the cache."""
        fingerprint = await self._fingerprint(request)
        if fingerprint is None:
            return await handler(request)
        key = self._known.get(fingerprint)
        cached = self._answers.affordable(key, ANONYMOUS.role) if key is not None else None
        if key is not None and cached is not None and await self._admitted(request):
            return self._answers.hit(request, key, cached)
        response = await handler(request)
        if CACHE_HIT in request and key is None:
            if len(self._known) >= MAX_REQUESTS:
                del self._known[next(iter(self._known))]
            self._known[fingerprint] = request[CACHE_HIT]
        return response

    async def _admitted(self, request: web.Request) -> bool:
        """Count the request; return False, uncounted, if the handler has to refuse it."""
        try:
            csrf.check(request, self._pages, plain_get=self._plain_get)
            await self._limits.take(request, ANONYMOUS)
        except (web.HTTPForbidden, Failure):
            return False
        return True

    async def _fingerprint(self, request: web.Request) -> Fingerprint | None:
        """Return what identifies the request; None if it needs the handler in any case."""
        headers = request.headers
        if any(name in headers for name in NEEDS_HANDLER):
            return None
        body = b""
        if request.method == "POST":
            length = request.content_length
            if length is None or length > self._max_body:
                return None
            if not request.content.is_eof():  # still arriving; the handler has the timeout
                return None
            body = await request.read()
        elif request.method != "GET":
            return None
        accept = ",".join(headers.getall("Accept", ()))
        return request.method, request.raw_path, body, accept, headers.get("Content-Type", "")
