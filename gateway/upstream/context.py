"""Context of one operation: its session, loaders and cost, and its calls to the services."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

import strawberry

from gateway.documents.prepared import Prepared
from gateway.upstream.caller import Caller
from gateway.upstream.calls import WRITE_TIMEOUT, Calls
from gateway.upstream.loaders import Loaders
from gateway.upstream.peers import Peers
from gateway.upstream.watch import watch
from kit.auth.sessions import STAFF, SUFFICIENT, Role, Session
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client

Response = TypeVar("Response")
Message = TypeVar("Message")
Item = TypeVar("Item")

# Objects in one response: five times the provider's whole catalogue with its countries. Without a limit, one
# request with many aliases could block the process.
MAX_OBJECTS = 100_000


class Context:
    """Created for each operation, so that no data of one caller can reach another."""

    def __init__(
        self,
        caller: Caller,
        peers: Peers,
        seconds: float,
        idempotency_key: str | None = None,
        cost_role: Role | None = None,
        public_url: str = "",
    ) -> None:
        """`seconds` is the deadline of the operation, or of one event, including all calls.

        `cost_role` is the role whose cost limit applies, by default the session's.
        """
        self.caller = caller
        self.session = caller.session
        self.cost_role = cost_role or caller.session.role
        self.peers = peers
        self.idempotency_key = idempotency_key
        # Loaders have no reference to the context: in a cycle, all that a request used would wait for
        # garbage collection.
        self._calls = Calls(self.session, peers, seconds)
        self.call, self.read_catalogue = self._calls.call, self._calls.read_catalogue
        self.loaders = Loaders(self._calls)
        # Where people reach this gateway, without a slash at the end.
        self.public_url = public_url
        # The operation, once it is prepared.
        self.prepared: Prepared | None = None
        # The operation's cost, once it is admitted.
        self.cost: int | None = None
        self._objects = 0

    async def change(self, method: Callable[..., Awaitable[Response]], request: Any) -> Response:
        """Make a call that changes something, and discard everything that was loaded before."""
        try:
            return await self.call(method, request, WRITE_TIMEOUT)
        finally:
            self.loaders = Loaders(self._calls)

    async def watch(
        self,
        method: Callable[..., Any],
        request: Any,
        items: Callable[[Message], Iterable[tuple[str, Item]]],
    ) -> AsyncGenerator[list[Item], None]:
        """Yield the changes of a service's stream, as `gateway.upstream.watch` does.

        Each is an event of a subscription, with fresh loaders, a new deadline and its own object count.
        """
        token = self.session.token or None
        steps = watch(lambda: rpc_client.stream(method, request, token=token), items)
        async with aclosing(steps):
            async for step in steps:
                self.loaders = Loaders(self._calls)
                self._objects = 0
                self._calls.restart()
                yield step

    def require_session(self) -> Session:
        """Return the session; raise Failure UNAUTHENTICATED for an anonymous caller."""
        if self.session.role is Role.ANONYMOUS:
            raise Failure(
                Kind.UNAUTHENTICATED,
                "UNAUTHENTICATED",
                "Not authenticated: send the header Authorization: Bearer <access token>",
            )
        return self.session

    def require_role(self, role: Role) -> Session:
        """Return the session if its role may do what `role` may.

        Raises Failure UNAUTHENTICATED without a session, FORBIDDEN for one of an insufficient role.
        """
        session = self.require_session()
        sufficient = SUFFICIENT[role]
        if session.role not in sufficient:
            roles = [one.value for one in Role if one in sufficient and one is not Role.SERVICE]
            raise Failure(
                Kind.FORBIDDEN,
                "FORBIDDEN",
                "Not allowed: this field requires the session of an account with the role"
                f" {' or '.join(roles)}",
            )
        return session

    def own_id(self) -> str | None:
        """Return the caller's id as a filter for its own rows, or None if row security is the filter.

        Only staff needs it, because staff sessions can read the rows of others.
        """
        session = self.session
        return str(session.user_id) if session.role in STAFF else None

    def answered(self) -> None:
        """Charge the work budget for a response, or for one event."""
        self.caller.work.end(self._objects)

    @property
    def room(self) -> int:
        """Number of objects that the response may still contain."""
        return MAX_OBJECTS - self._objects

    def spend(self, objects: int) -> None:
        """Count objects of the response; raise Failure INVALID if there are too many."""
        self._objects += objects
        if self._objects > MAX_OBJECTS:
            raise Failure(
                Kind.INVALID,
                "ANSWER_TOO_LARGE",
                f"The response would contain more than {MAX_OBJECTS} objects. Request fewer items"
                " with `first` or a filter, or split the operation into several requests",
            )


Info = strawberry.Info[Context, None]
