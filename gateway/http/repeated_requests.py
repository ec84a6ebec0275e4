"""Middleware that answers repeated requests from the response cache without parsing them again."""

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.http import csrf
from gateway.http.cors import Pages
from gateway.http.public_answers import CACHE_HIT, Key, PublicAnswers
from gateway.http.rate_limits import RateLimits
from kit.auth.sessions import ANONYMOUS
from kit.errors import Failure

# Requests that are remembered, and bytes of a body at most: 16 MB at the very worst.
REMEMBERED = 1_000
LARGEST = 16_384
# A request with one of these needs the handler: for a session, the cost, another encoding or a WebSocket.
NEEDS_HANDLER = ("Authorization", "GraphQL-Cost", "Content-Encoding", "Upgrade")

# The method, the path with its query, the body, and the headers that decide about the answer.
Sent = tuple[str, str, bytes, str, str]


class RepeatedRequests:
    """Remembers which cached answer each request got.

    The handler has found such a request well formed and allowed, and has answered it from the cache. What
    may differ the next time is checked here: the page's origin, the rate limit, and whether the answer is
    still cached.
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
        self._largest = min(LARGEST, max_body)
        self._known: dict[Sent, Key] = {}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a repeated request, or remember the one that the handler answers from the cache."""
        sent = await self._sent(request)
        if sent is None:
            return await handler(request)
        key = self._known.get(sent)
        cached = self._answers.affordable(key, ANONYMOUS.role) if key is not None else None
        if key is not None and cached is not None and await self._admitted(request):
            return self._answers.hit(request, key, cached)
        response = await handler(request)
        if CACHE_HIT in request and key is None:
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[sent] = request[CACHE_HIT]
        return response

    async def _admitted(self, request: web.Request) -> bool:
        """Count the request; False for one that the handler refuses, which is not counted."""
        try:
            csrf.check(request, self._pages, plain_get=self._plain_get)
            await self._limits.take(request, ANONYMOUS)
        except (web.HTTPForbidden, Failure):
            return False
        return True

    async def _sent(self, request: web.Request) -> Sent | None:
        """Return what identifies the request; None for one that always needs the handler."""
        headers = request.headers
        if any(name in headers for name in NEEDS_HANDLER):
            return None
        body = b""
        if request.method == "POST":
            length = request.content_length
            if length is None or length > self._largest:
                return None
            if not request.content.is_eof():  # the body is still arriving, perhaps slowly
                return None
            body = await request.read()
        elif request.method != "GET":
            return None
        accept = ",".join(headers.getall("Accept", ()))
        return request.method, request.raw_path, body, accept, headers.get("Content-Type", "")
