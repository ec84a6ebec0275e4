"""Answers public operations from the response cache, with HTTP caching headers."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from aiohttp import hdrs, web
from multidict import CIMultiDict

from gateway.documents.metrics import Metrics
from gateway.documents.prepared import Prepared
from gateway.execution.completion.variables import Coercion
from gateway.http import answer, public_fields
from gateway.http.response_cache import Cached, ResponseCache
from kit.auth.sessions import Role, Session

# Administrators see hidden plans, and their own changes immediately.
CACHED_ROLES = frozenset({Role.ANONYMOUS, Role.CUSTOMER})
# Request headers that the response depends on. Authorization, because an invalid session gets an error.
VARY = "Accept, Authorization"
Variables = Mapping[str, Any] | None
# Bytes: enough that no client can construct two requests with the same digest.
DIGEST = 20


class Executed(NamedTuple):
    """The response to an executed operation and the operation's cost; `whole` is true without errors."""

    response: web.Response
    cost: int | None
    whole: bool


class Key(NamedTuple):
    """The cache key of a public response, independent of the caller.

    `digest` covers the document, the operation's name and the values of the variables that it declares. Its
    length is the same for every request.
    """

    digest: bytes
    media_type: str


# Set on a request that was answered from the cache: the key of the response.
CACHE_HIT = web.RequestKey("cache_hit", Key)


class PublicAnswers:
    """Serves public operations, which are executed with an anonymous session."""

    def __init__(
        self, cache: ResponseCache, costs: Mapping[Role, int], metrics: Metrics, seconds: float
    ) -> None:
        self._cache = cache
        self._costs = costs
        self._metrics = metrics
        self._headers = {
            media_type: CIMultiDict(
                {
                    "Content-Type": f"{media_type}; charset=utf-8",
                    "Cache-Control": f"public, max-age={seconds:.0f}",
                    "Vary": VARY,
                }
            )
            for media_type in (answer.JSON, answer.GRAPHQL)
        }

    def key(
        self, request: web.Request, prepared: Prepared, variables: Variables, session: Session
    ) -> Key | None:
        """Return the cache key of the response; None if it must not be cached."""
        if session.role not in CACHED_ROLES:
            return None
        document = prepared.once(public_fields.public_digest)
        if document is None:
            self._metrics.count_cache_result("private")
            return None
        values = None if prepared.errors else prepared.once(Coercion).coerced(variables or {})
        if values is None:
            return None
        try:
            encoded = orjson.dumps(
                values.coerced, default=_encode_number, option=orjson.OPT_SORT_KEYS
            )
        except TypeError:  # a value without a canonical encoding
            return None
        digest = blake2b(document, digest_size=DIGEST)
        digest.update((prepared.name or "").encode() + b"\0" + encoded)
        return Key(digest.digest(), answer.media_type(request))

    async def answer(
        self,
        request: web.Request,
        key: Key,
        session: Session,
        execute: Callable[[], Awaitable[Executed]],
    ) -> Executed:
        """Return the cached response, or execute the operation and cache its response."""
        found = await self._cache.get_or_reserve(key)
        if isinstance(found, Cached):
            if found.cost > self._costs[session.role]:
                return await execute()  # which refuses the operation
            request[CACHE_HIT] = key
            return Executed(self.hit(request, key, found), found.cost, whole=True)
        self._metrics.count_cache_result("miss")
        with found:
            executed = await execute()
            body = executed.response.body
            if not executed.whole or executed.cost is None or not isinstance(body, bytes):
                return executed
            cached = found.store(body, executed.cost)
        # A miss is not marked with CACHE_HIT: only repeated requests deserve an entry in RepeatedRequests.
        return executed._replace(response=self._response(request, key, cached))

    def affordable(self, key: Key, role: Role) -> Cached | None:
        """Return the cached response, if there is one and its cost is within the role's limit."""
        cached = self._cache.find(key)
        return cached if cached is not None and cached.cost <= self._costs[role] else None

    def hit(self, request: web.Request, key: Key, cached: Cached) -> web.Response:
        """Count a cache hit and return the response."""
        self._metrics.count_cache_result("hit")
        return self._response(request, key, cached)

    def _response(self, request: web.Request, key: Key, cached: Cached) -> web.Response:
        """Return the cached body, or 304 if the client already has it."""
        headers = self._headers[key.media_type].copy()
        headers[hdrs.ETAG] = cached.etag
        headers[hdrs.AGE] = str(self._cache.age(cached))
        if_none_match = request.headers.get("If-None-Match") if request.method == "GET" else None
        if if_none_match is not None and _matches(if_none_match, cached.etag):
            del headers[hdrs.CONTENT_TYPE]
            return web.Response(status=304, headers=headers)
        return web.Response(body=cached.body, headers=headers)


def _encode_number(value: object) -> str:
    if isinstance(value, Decimal | int):
        return str(value)
    raise TypeError(type(value).__name__)


def _matches(if_none_match: str, etag: str) -> bool:
    """True if a header If-None-Match matches; weak tags match too (RFC 9110)."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return if_none_match.strip() == "*" or etag in tags
