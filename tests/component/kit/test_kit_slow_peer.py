"""Channels to slow peers."""

import asyncio

from kit.rpc import client as rpc_client
from tests.fixtures.rpc.health import SERVING, health, healthy_server

# Seconds that a busy machine delays a new connection.
BUSY = 0.5


async def test_a_server_with_a_slow_handshake_is_reached() -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def greet_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(BUSY)
        from_peer, to_peer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            pass_on(reader, to_peer), pass_on(from_peer, writer), return_exceptions=True
        )

    async with (
        healthy_server() as (port, _),
        await asyncio.start_server(greet_late, "127.0.0.1", 0) as relay,
    ):
        address = f"127.0.0.1:{relay.sockets[0].getsockname()[1]}"
        async with rpc_client.channel(address) as channel:
            assert await health(channel) == SERVING
