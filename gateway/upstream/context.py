"""What one GraphQL request knows: who asks, how to call the services, and what was loaded already."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

import strawberry

from gateway.documents.prepared import Prepared
from gateway.documents.work import Work
from gateway.upstream.loaders import Loaders
from gateway.upstream.peers import Peers
from gateway.upstream.watch import watch
from kit.auth.sessions import Role, Session
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client

Response = TypeVar("Response")
Message = TypeVar("Message")
Item = TypeVar("Item")

# Seconds. Reads take milliseconds; a slow provider behind one gets the services' own bound first.
READ_TIMEOUT = 10.0
# Seconds. A purchase or a change waits for the provider, and is not lost when this passes.
WRITE_TIMEOUT = 30.0
# Objects in one answer: five times the provider's whole catalogue with its countries. It keeps one
# request with many aliases from holding the process for everybody else.
MAX_OBJECTS = 100_000
# The catalogue could not be asked, or could not answer.
NOT_ANSWERED = frozenset({Kind.UNAVAILABLE, Kind.DEADLINE, Kind.EXHAUSTED})


class Context:
    """Made anew for each operation, so that nothing of one caller is ever shown to another."""

    def __init__(
        self,
        session: Session,
        peers: Peers,
        idempotency_key: str | None,
        seconds: float,
        paying: Role | None = None,
        work: Work | None = None,
    ) -> None:
        """`seconds` are for all calls of the operation together, or of one event of it.

        `paying` is whose limit of costs holds, where it isn't the session's own. `work` is what the operation
        may order; without it there is no limit.
        """
        self.session = session
        self.paying = paying or session.role
        self.peers = peers
        self.idempotency_key = idempotency_key
        self.loaders = Loaders(self)
        self.work = work or Work()
        # The operation; None before it is known.
        self.prepared: Prepared | None = None
        # What the operation may cost; None before it was admitted.
        self.cost: int | None = None
        self._objects = 0
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds

    async def call(
        self,
        method: Callable[..., Awaitable[Response]],
        request: Any,
        timeout: float = READ_TIMEOUT,
    ) -> Response:
        """Calls a service with the caller's own token; raises Failure.

        The service gets what is left of the operation's time, and no more than `timeout` seconds.
        """
        seconds = self._time_for(timeout)
        token = self.session.token or None
        return await rpc_client.call(method, request, token=token, timeout=seconds)

    def _time_for(self, timeout: float) -> float:
        left = self._until - asyncio.get_running_loop().time()
        if left <= 0:
            raise Failure(
                Kind.DEADLINE,
                "OPERATION_TIME_OVER",
                f"The operation exceeded its deadline of {self._seconds:g} s before this field was"
                " resolved. Request fewer fields or smaller pages",
            )
        return min(timeout, left)

    async def ask_catalogue(
        self, method: Callable[..., Awaitable[Response]], request: Any
    ) -> Response:
        """A read of the catalogue; one that can't answer now gets the documented words.

        Everybody reads the same there, so equal reads of many callers are one call. Administrators
        read for themselves: what they just changed must be in the answer.
        """
        try:
            if self.session.role is Role.ADMIN:
                return await self.call(method, request)
            seconds = self._time_for(READ_TIMEOUT)
            return await self.peers.reads.call(method, request, timeout=seconds)
        except Failure as failure:
            if failure.kind not in NOT_ANSWERED:
                raise
            words = "Failed to fetch data plans"
            raise Failure(
                failure.kind, failure.reason, words, retry_after=failure.retry_after
            ) from failure

    async def change(self, method: Callable[..., Awaitable[Response]], request: Any) -> Response:
        """A call that changes something: what was loaded before it is forgotten."""
        try:
            return await self.call(method, request, WRITE_TIMEOUT)
        finally:
            self.loaders = Loaders(self)

    async def watch(
        self,
        method: Callable[..., Any],
        request: Any,
        items: Callable[[Message], Iterable[tuple[str, Item]]],
    ) -> AsyncGenerator[list[Item], None]:
        """A service's stream, as `follow.follow` gives it, each step an event of its own.

        What was loaded for one event is old at the next, so each begins with nothing.
        """
        token = self.session.token or None
        steps = watch(lambda: rpc_client.stream(method, request, token=token), items)
        async with aclosing(steps):
            async for step in steps:
                self.loaders = Loaders(self)
                self._objects = 0
                self._until = asyncio.get_running_loop().time() + self._seconds
                yield step

    def require_session(self) -> Session:
        """Raises Failure(UNAUTHENTICATED) for a caller without a session."""
        if self.session.role is Role.ANONYMOUS:
            raise Failure(
                Kind.UNAUTHENTICATED,
                "UNAUTHENTICATED",
                "Not authenticated: send the header Authorization: Bearer <access token>",
            )
        return self.session

    def require_role(self, role: Role) -> Session:
        """Raises Failure UNAUTHENTICATED without a session, FORBIDDEN for one of another role."""
        session = self.require_session()
        if session.role is not role:
            raise Failure(
                Kind.FORBIDDEN,
                "FORBIDDEN",
                "Not allowed: this field requires the session of an account with the role"
                f" {role.value}",
            )
        return session

    def own_id(self) -> str | None:
        """For lists of the caller's own: an administrator's session would reach everybody's."""
        session = self.session
        return str(session.user_id) if session.role is Role.ADMIN else None

    def answered(self) -> None:
        """Count what the answer, or an event of it, has cost."""
        self.work.end(self._objects)

    @property
    def room(self) -> int:
        """How many more objects the answer may hold."""
        return MAX_OBJECTS - self._objects

    def spend(self, objects: int) -> None:
        """Counts objects of the answer; raises Failure(INVALID) when they are too many."""
        self._objects += objects
        if self._objects > MAX_OBJECTS:
            raise Failure(
                Kind.INVALID,
                "ANSWER_TOO_LARGE",
                f"The response would contain more than {MAX_OBJECTS} objects. Request fewer items"
                " with `first` or a filter, or split the operation into several requests",
            )


Info = strawberry.Info[Context, None]
