"""Reads that many ask at once: those that are equal are one call, and all hear its answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client

Response = TypeVar("Response")


class SharedCalls:
    """Calls under way whose answers depend on the request alone; one object a process.

    They are made without any session's token, so that nobody hears what is another's.
    """

    def __init__(self) -> None:
        self._under_way: dict[tuple[Any, bytes], asyncio.Task[Any]] = {}

    def forget(self) -> None:
        """What is under way now is answered to those who asked; whoever asks from now on asks anew.

        For the moment in which what is read changes: an answer from before must not be had after.
        """
        self._under_way.clear()

    async def call(
        self, method: Callable[..., Awaitable[Response]], request: Any, *, timeout: float
    ) -> Response:
        """As `rpc_client.call`; the answer is shared, so nobody may change it. Raises Failure."""
        key = (method, request.SerializeToString(deterministic=True))
        task = self._under_way.get(key)
        if task is None:
            return await self._begin(key, method, request, timeout)
        try:
            # A client that goes away leaves the others their answer.
            response: Response = await asyncio.shield(task)
        except Failure as failure:
            if failure.kind is not Kind.DEADLINE:
                raise
            # It began earlier, and may have had less time than is left here.
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
        self._under_way[key] = task

        def over(ended: asyncio.Task[Response]) -> None:
            if self._under_way.get(key) is ended:
                del self._under_way[key]
            if not ended.cancelled():
                ended.exception()  # heard, also when everybody has gone away

        task.add_done_callback(over)
        return await asyncio.shield(task)
