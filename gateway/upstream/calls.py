"""The calls of one operation to the services, with the caller's token and within one deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.upstream.kept_plans import KeptPlans
from gateway.upstream.peers import Peers
from kit.auth.sessions import STAFF, Session
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client

Response = TypeVar("Response")

# Seconds. Reads take milliseconds; the services' own timeouts for the provider are shorter.
READ_TIMEOUT = 10.0
# Seconds. A purchase or a change waits for the provider, and continues if this deadline passes.
WRITE_TIMEOUT = 30.0
# The kinds of failure when the catalogue could not be reached or did not answer.
NOT_ANSWERED = frozenset({Kind.UNAVAILABLE, Kind.DEADLINE, Kind.EXHAUSTED})


class Calls:
    """Created for each operation, so that no call is made with the token of another caller."""

    def __init__(self, session: Session, peers: Peers, seconds: float) -> None:
        """`seconds` is the deadline of the operation, or of one event, including all calls."""
        self.peers = peers
        self._session = session
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Start the time of the deadline again, for the next event."""
        self._until = asyncio.get_running_loop().time() + self._seconds

    async def call(
        self,
        method: Callable[..., Awaitable[Response]],
        request: Any,
        timeout: float = READ_TIMEOUT,
    ) -> Response:
        """Call a service with the caller's token; raise Failure.

        The call's deadline is the operation's, and at most `timeout` seconds from now.
        """
        seconds = self._remaining(timeout)
        token = self._session.token or None
        return await rpc_client.call(method, request, token=token, timeout=seconds)

    def _remaining(self, timeout: float) -> float:
        remaining = self._until - asyncio.get_running_loop().time()
        if remaining <= 0:
            raise Failure(
                Kind.DEADLINE,
                "OPERATION_TIME_OVER",
                f"The operation exceeded its deadline of {self._seconds:g} s before this field was"
                " resolved. Request fewer fields or smaller pages",
            )
        return min(timeout, remaining)

    async def read_catalogue(
        self, method: Callable[..., Awaitable[Response]], request: Any
    ) -> Response:
        """Read from the catalogue; if it is unavailable, raise Failure with the documented message.

        The data is public, so equal reads of several callers share one call. Reads of the staff don't share:
        they must see the latest changes that the staff made.
        """
        try:
            if self._session.role in STAFF:
                return await self.call(method, request)
            seconds = self._remaining(READ_TIMEOUT)
            return await self.peers.reads.call(method, request, timeout=seconds)
        except Failure as failure:
            if failure.kind not in NOT_ANSWERED:
                raise
            message = "Failed to fetch data plans"
            raise Failure(
                failure.kind, failure.reason, message, retry_after=failure.retry_after
            ) from failure

    @property
    def kept_plans(self) -> KeptPlans:
        """The plans in memory; none for the staff, who must see the latest changes that the staff made."""
        return KeptPlans() if self._session.role in STAFF else self.peers.plans
