"""A short way for requests that are byte for byte like one whose answer is kept."""

import os
from collections.abc import Callable
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway import csrf
from gateway.public_answers import Key, PublicAnswers
from gateway.rate_limits import RateLimits
from gateway.settings import Settings
from kit import tracing
from kit.auth import ANONYMOUS
from kit.errors import Failure
from kit.http_metrics import Requests
from kit.request_id import GIVEN

# Requests that are remembered, and bytes of a body at most: 16 MB at the very worst.
REMEMBERED = 1_000
LARGEST = 16_384
# Who sends one of these wants more than the kept bytes, or may get others.
LONG_WAY = ("Authorization", "GraphQL-Cost", "Content-Encoding", "Upgrade")
MADE_UP_ID = 16

# The method, the body or the address, and the headers that decide about the answer.
Sent = tuple[str, bytes | str, str, str]


class Express:
    """Remembers what was asked in which bytes; rates are counted here as on the long way.

    The long way has found such a request to be well formed, allowed, and answered with what is kept.
    What else differs from one request to the next is looked at here: its origin, rate and trace.
    """

    def __init__(self, settings: Settings, answers: PublicAnswers, limits: RateLimits) -> None:
        self._settings = settings
        self._answers = answers
        self._limits = limits
        self._known: dict[Sent, Key] = {}
        self._largest = min(LARGEST, settings.max_body)

    async def learn(self, request: web.Request, key: Key) -> None:
        """The long way answered this request, of nobody's session, from what is kept under the key."""
        sent = await self._sent(request)
        if sent is None:
            return
        if sent not in self._known and len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[sent] = key

    def middleware(self, path: str, measured: Requests, stopping: Callable[[], bool]) -> Middleware:
        """For requests of that path, around everything else; a process that stops takes the long way."""

        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = perf_counter()
            ours = request.path == path and not stopping()
            response = await self._answer(request) if ours else None
            if response is None:
                return await handler(request)
            measured.answered(request, response.status, perf_counter() - began)
            return response

        return around

    async def _answer(self, request: web.Request) -> web.Response | None:
        if not tracing.unseen():
            return None
        sent = await self._sent(request)
        key = self._known.get(sent) if sent is not None else None
        if key is None:
            return None
        kept = self._answers.affordable(key, ANONYMOUS.role)
        if kept is None:
            return None
        plain_get = self._settings.defence.plain_get
        try:
            csrf.check(request, self._settings.cors_origins, plain_get=plain_get)
            await self._limits.take(request, ANONYMOUS)
        except (web.HTTPForbidden, Failure):
            return None  # nothing was counted, and the long way has the words for it
        response = self._answers.hit(request, key, kept)
        given = request.headers.get("X-Request-Id", "")
        fit = given if GIVEN.fullmatch(given) else os.urandom(MADE_UP_ID).hex()
        response.headers["X-Request-Id"] = fit
        return response

    async def _sent(self, request: web.Request) -> Sent | None:
        """What was sent; None for what has to be looked at."""
        headers = request.headers
        if any(name in headers for name in LONG_WAY):
            return None
        accept, kind = headers.get("Accept", ""), headers.get("Content-Type", "")
        if request.method == "GET":
            return "GET", request.raw_path, accept, kind
        length = request.content_length
        if request.method != "POST" or length is None or length > self._largest:
            return None
        if not request.content.is_eof():  # it is still coming, perhaps slowly
            return None
        return "POST", await request.read(), accept, kind
