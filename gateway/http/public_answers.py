"""Public operations, answered from the response cache with HTTP's caching headers."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from gateway.documents.metrics import Metrics
from gateway.documents.prepared import Prepared
from gateway.execution.completion.variables import Coercion
from gateway.http import answer, public_fields
from gateway.http.response_cache import Cached, ResponseCache
from kit.auth.sessions import Role, Session

# An administrator may see more than the public, and sees it as it is now.
SERVED = frozenset({Role.ANONYMOUS, Role.CUSTOMER})
# The headers that the answer depends on: an invalid session gets an error.
VARY = "Accept, Authorization"
Variables = Mapping[str, Any] | None
# Bytes: no client can find two requests with the same digest.
DIGEST = 20


class Made(NamedTuple):
    """An executed operation's answer: `whole` if it has no errors; `cost` as it was calculated."""

    response: web.Response
    cost: int | None
    whole: bool


class Key(NamedTuple):
    """The cache key of a public answer, which holds nothing of its caller.

    `digest` is of the document, the operation's name, and the values of the variables that it declares. It
    has the same length for every request, whatever else the client sends.
    """

    digest: bytes
    media_type: str


# Of a request that was answered from the cache: the key of its answer.
CACHE_HIT = web.RequestKey("cache_hit", Key)


class PublicAnswers:
    """Serves public operations, which are executed without their caller's session."""

    def __init__(
        self,
        cache: ResponseCache,
        costs: Mapping[Role, int],
        metrics: Metrics,
        seconds: float,
    ) -> None:
        self._cache = cache
        self._costs = costs
        self._metrics = metrics
        self._control = f"public, max-age={seconds:.0f}"

    def key(
        self, request: web.Request, prepared: Prepared, variables: Variables, session: Session
    ) -> Key | None:
        """Return what the answer is cached under; None when it must not be cached."""
        if session.role not in SERVED:
            return None
        normal = prepared.once(public_fields.normal)
        if normal is None:
            self._metrics.kept("private")
            return None
        values = None if prepared.errors else prepared.once(Coercion).coerced(variables or {})
        if values is None:
            return None
        try:
            encoded = orjson.dumps(values.coerced, default=_exactly, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a value that has no one form
            return None
        digest = blake2b(normal, digest_size=DIGEST)
        digest.update((prepared.name or "").encode() + b"\0" + encoded)
        return Key(digest.digest(), answer.media_type(request))

    async def answer(
        self,
        request: web.Request,
        key: Key,
        session: Session,
        make: Callable[[], Awaitable[Made]],
    ) -> Made:
        """Return the cached answer, or a new one."""
        found = await self._cache.found_or_mine(key)
        if isinstance(found, Cached):
            if found.cost > self._costs[session.role]:
                return await make()  # which refuses the operation
            request[CACHE_HIT] = key
            return Made(self.hit(request, key, found), found.cost, whole=True)
        self._metrics.kept("miss")
        with found:
            made = await make()
            body = made.response.body
            if not made.whole or made.cost is None or not isinstance(body, bytes):
                return made
            cached = found.store(body, made.cost)
        # Not marked as a hit: a request that is sent once would only take the place of a repeated one.
        return made._replace(response=self._response(request, key, cached))

    def affordable(self, key: Key, role: Role) -> Cached | None:
        """Return the cached answer, if there is one and it costs no more than the role may spend."""
        cached = self._cache.find(key)
        return cached if cached is not None and cached.cost <= self._costs[role] else None

    def hit(self, request: web.Request, key: Key, cached: Cached) -> web.Response:
        """Count a cache hit and return the response."""
        self._metrics.kept("hit")
        return self._response(request, key, cached)

    def _response(self, request: web.Request, key: Key, cached: Cached) -> web.Response:
        """Return the cached body, or 304 for a client that already has it."""
        headers = {
            "Cache-Control": self._control,
            "ETag": cached.etag,
            "Age": str(self._cache.age(cached)),
            "Vary": VARY,
        }
        asked = request.headers.get("If-None-Match") if request.method == "GET" else None
        if asked is not None and _matches(asked, cached.etag):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = f"{key.media_type}; charset=utf-8"
        return web.Response(body=cached.body, headers=headers)


def _exactly(value: object) -> str:
    if isinstance(value, Decimal | int):
        return str(value)
    raise TypeError(type(value).__name__)


def _matches(asked: str, etag: str) -> bool:
    """Compare as RFC 9110 defines it for If-None-Match: weak tags count too."""
    tags = (tag.strip().removeprefix("W/") for tag in asked.split(","))
    return asked.strip() == "*" or etag in tags
