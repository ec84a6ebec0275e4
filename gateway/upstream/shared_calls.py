"""Coalesces equal concurrent reads into one call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client

Response = TypeVar("Response")


class SharedCalls:
    """Calls in flight whose responses depend on the request alone; one instance per process.

    They carry no token, so that no response can contain a customer's data.
    """

    def __init__(self) -> None:
        self._in_flight: dict[tuple[Any, bytes], asyncio.Task[Any]] = {}

    def forget(self) -> None:
        """Let later callers start new calls, because the data has changed.

        Calls in flight still answer the callers that wait for them.
        """
        self._in_flight.clear()

    async def call(
        self, method: Callable[..., Awaitable[Response]], request: Any, *, timeout: float
    ) -> Response:
        """Call as `rpc_client.call` does. Callers share the response, so they must not modify it."""
        key = (method, request.SerializeToString(deterministic=True))
        task = self._in_flight.get(key)
        if task is None:
            return await self._begin(key, method, request, timeout)
        try:
            # Shielded: a cancelled caller must not cancel the call for the others.
            response: Response = await asyncio.shield(task)
        except Failure as failure:
            if failure.kind is not Kind.DEADLINE:
                raise
            # The shared call began earlier, and may have had a shorter deadline than this caller.
            return await rpc_client.call(method, request, token=None, timeout=timeout)
        return response

    async def _begin(
        self,
        key: tuple[Any, bytes],
        method: Callable[..., Awaitable[Response]],
        request: Any,
        timeout: float,
    ) -> Response:
        task: asyncio.Task[Response] = asyncio.ensure_future(
            rpc_client.call(method, request, token=None, timeout=timeout)
        )
        self._in_flight[key] = task

        def done(ended: asyncio.Task[Response]) -> None:
            if self._in_flight.get(key) is ended:
                del self._in_flight[key]
            if not ended.cancelled():
                ended.exception()  # otherwise asyncio logs it if all callers were cancelled

        task.add_done_callback(done)
        return await asyncio.shield(task)
