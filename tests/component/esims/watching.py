"""Subscriptions to eSIMs of a running service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2 as pb
from tests.component.esims.running import Service
from tests.fixtures.patience import PATIENCE


class Watching:
    """A stream of WatchESIMs."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    async def next(self) -> list[pb.WatchedESIM]:
        async with asyncio.timeout(PATIENCE):
            return list((await anext(self._messages)).esims)

    async def until(self, status: "pb.ESIMStatus.ValueType") -> pb.WatchedESIM:
        """Receive messages about one eSIM until it has that status."""
        while True:
            (received,) = await self.next()
            if received.esim.status == status:
                return received


@asynccontextmanager
async def watching(
    service: Service, *esims: pb.ESIM, token: str | None = None, **fields: Any
) -> AsyncIterator[Watching]:
    request = pb.WatchESIMsRequest(esim_ids=[esim.id for esim in esims], **fields)
    stream = rpc_client.stream(service.stub.WatchESIMs, request, token=token or service.token)
    async with aclosing(stream):
        yield Watching(stream)
